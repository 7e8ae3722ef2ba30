"""Ranges of time as an address carries them and people choose them: `from=now-7d&to=now`. Pure functions.

An end is a moment in RFC 3339, a local day (`2026-11-22`), or relative to now: `now`, `now-7d`, `now/d` (the beginning of the local day),
`now-1M/M` (the beginning of the last month). Units are m, h, d, w, M and y, as in Grafana.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from speeddash.errors import InvalidInput
from speeddash.page.reader import Reader
from speeddash.reading import EARLIEST_US, LATEST_US, parse_time
from speeddash.timerange import TimeRange

RELATIVE: Final = re.compile(r"now(?:([+-])(\d{1,5})([mhdwMy]))?(?:/([dwMy]))?")
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
SECONDS: Final = {"m": 60, "h": 3600}
DAYS: Final = {"d": 1, "w": 7}
MONTHS: Final = {"M": 1, "y": 12}
#: Of what can be stored, less a day for time zones.
FIRST_US: Final = EARLIEST_US + 86_400_000_000
LAST_US: Final = LATEST_US - 86_400_000_000


class RangeText(NamedTuple):
    """The two ends of a range as an address carries them."""

    begin: str
    end: str


#: Ranges that are offered by name.
PRESETS: Final = {
    "Today": RangeText("now/d", "now"),
    "Yesterday": RangeText("now-1d/d", "now/d"),
    "7 d": RangeText("now-6d/d", "now"),
    "30 d": RangeText("now-29d/d", "now"),
    "This month": RangeText("now/M", "now"),
    "Last month": RangeText("now-1M/M", "now/M"),
    "12 months": RangeText("now-12M/d", "now"),
}


@contextmanager
def _calendar() -> Iterator[None]:
    """What leaves the calendar is bad input."""
    try:
        yield
    except (OverflowError, ValueError):
        raise _outside() from None


def _outside() -> InvalidInput:
    return InvalidInput("bad_range", "the range begins before the year 1000 or ends after 9999")


@_calendar()
def time_of(text: RangeText, reader: Reader, now: datetime) -> TimeRange:
    """Return the range of two ends.

    Args:
        text: The ends. A local day as the end is included.
        reader: Whose days count.
        now: Current moment, with a zone.

    Raises:
        InvalidInput: An end is none of the forms, or outside of the years 1000 to 9999, or the beginning is not before the end.
    """
    begin = _moment("from", text.begin, reader, now)
    end = _moment("to", text.end, reader, now)
    if DAY.fullmatch(text.end):
        end = _local(end.astimezone(reader.zone).date() + timedelta(days=1), reader)
    if begin >= end:
        raise InvalidInput("bad_range", "from must be before to")
    time = TimeRange(_micros(begin), _micros(end))
    if time.from_us < FIRST_US or time.to_us > LAST_US:
        raise _outside()
    return time


def days_of(text: RangeText, reader: Reader, now: datetime) -> tuple[date, date]:
    """Return the first and the last local day of a range."""
    time = time_of(text, reader, now)
    return reader.local(time.from_us).date(), reader.local(time.to_us - 1).date()


@_calendar()
def stepped(text: RangeText, steps: int, reader: Reader, now: datetime) -> RangeText:
    """Return the range moved by whole multiples of its own days: a day to the next or previous day, a month to a month.

    Args:
        text: The range.
        steps: 1 for the next one, -1 for the previous one.
        reader: Whose days count.
        now: Current moment, with a zone.

    Raises:
        InvalidInput: As `time_of`.
    """
    first, last = days_of(text, reader, now)
    if first.day == 1 and (last + timedelta(days=1)).day == 1 and _months(first, last) >= 1:
        months = steps * _months(first, last)
        begin = _month_after(first, months)
        end = _month_after(last + timedelta(days=1), months) - timedelta(days=1)
    else:
        width = timedelta(days=((last - first).days + 1) * steps)
        begin, end = first + width, last + width
    return RangeText(begin.isoformat(), end.isoformat())


def named(text: RangeText) -> str | None:
    """Return the name of a range; None for one that has none."""
    return next((name for name, preset in PRESETS.items() if preset == text), None)


def day_text(day: date) -> RangeText:
    """Return the range of one local day."""
    return RangeText(day.isoformat(), day.isoformat())


def _moment(name: str, text: str, reader: Reader, now: datetime) -> datetime:
    if match := RELATIVE.fullmatch(text):
        sign, count, unit, floor = match.groups()
        moment = now.astimezone(reader.zone)
        if count is not None:
            moment = _moved(moment, int(count) * (1 if sign == "+" else -1), unit)
        return _floored(moment, floor, reader) if floor else moment
    try:
        if DAY.fullmatch(text):
            return _local(date.fromisoformat(text), reader)
        return datetime.fromtimestamp(parse_time(text.replace(" ", "+")) / 1e6, UTC)
    except (InvalidInput, ValueError, OverflowError):
        raise InvalidInput(
            f"bad_{name}",
            f"{name}: expected a time such as 2026-01-31T12:00:00Z, 2026-01-31 or now-7d, got {text[:40]!r}",
        ) from None


def _moved(moment: datetime, count: int, unit: str) -> datetime:
    if unit in SECONDS:
        return (moment.astimezone(UTC) + timedelta(seconds=count * SECONDS[unit])).astimezone(moment.tzinfo)
    if unit in DAYS:
        return moment + timedelta(days=count * DAYS[unit])  # the same time of day, also where a day has 23 hours
    day = _month_after(moment.date().replace(day=1), count * MONTHS[unit])
    following = _month_after(day, 1) - timedelta(days=1)
    return moment.replace(year=day.year, month=day.month, day=min(moment.day, following.day))


def _floored(moment: datetime, unit: str, reader: Reader) -> datetime:
    day = moment.date()
    if unit == "w":
        day -= timedelta(days=day.weekday())
    elif unit == "M":
        day = day.replace(day=1)
    elif unit == "y":
        day = day.replace(month=1, day=1)
    return _local(day, reader)


def _local(day: date, reader: Reader) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=reader.zone)


def _months(first: date, last: date) -> int:
    end = last + timedelta(days=1)
    return (end.year - first.year) * 12 + end.month - first.month


def _month_after(day: date, months: int) -> date:
    whole = day.year * 12 + day.month - 1 + months
    return date(whole // 12, whole % 12 + 1, day.day)


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)
