"""What the browser says about its reader, and numbers and times as that reader writes them. Pure functions."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, NamedTuple, Self
from urllib.parse import unquote

import orjson

from speeddash.errors import InvalidInput
from speeddash.timerange import zone_of
from speeddash.units import KMH_IN, SYMBOL, distance_unit

#: Space between a number and its unit: narrow, and no line breaks there.
THIN: Final = "\u202f"
NONE: Final = "–"
#: In which a browser keeps what it says, as JSON (`assets/app/view/screen.mjs`).
COOKIE: Final = "speeddash_reader"


class Reader(NamedTuple):
    """The reader of one page.

    Attributes:
        zone: Time zone of the browser.
        decimal: Character between the whole number and its fraction.
        group: Character between groups of three digits.
        unit: Unit of speeds, a key of `KMH_IN`.
        dark: The page is dark.
    """

    zone: tzinfo = UTC
    decimal: str = "."
    group: str = ","
    unit: str = "kmh"
    dark: bool = False

    @classmethod
    def of(cls, told: Mapping[str, Any] | None) -> Self:
        """Return the reader that a browser describes. What makes no sense is replaced by the default: a page must not fail for it."""
        told = told or {}
        try:
            zone = zone_of(str(told.get("zone", "UTC")))
        except InvalidInput:
            zone = UTC
        marks = [str(told.get(name, default))[:1] for name, default in (("decimal", "."), ("group", ","))]
        unit = str(told.get("unit"))
        return cls(zone, marks[0], marks[1], unit if unit in KMH_IN else "kmh", bool(told.get("dark")))

    @property
    def symbol(self) -> str:
        """Symbol of the unit."""
        return SYMBOL[self.unit]

    @property
    def distance_symbol(self) -> str:
        """Symbol of the distance that goes with the unit."""
        return distance_unit(self.unit)[0]

    def number(self, value: float | None, digits: int = 0) -> str:
        """Return a number as text."""
        if value is None:
            return NONE
        text = f"{value:,.{digits}f}"
        return text.replace(",", "\0").replace(".", self.decimal).replace("\0", self.group)

    def speed_value(self, kmh: float) -> float:
        """Return a speed in the reader's unit."""
        return kmh / KMH_IN[self.unit]

    def speed(self, kmh: float | None, digits: int = 1) -> str:
        """Return a speed without its unit."""
        return NONE if kmh is None else self.number(self.speed_value(kmh), digits)

    def speed_with_unit(self, kmh: float | None, digits: int = 1) -> str:
        """Return a speed with its unit."""
        return NONE if kmh is None else f"{self.speed(kmh, digits)}{THIN}{self.symbol}"

    def limit(self, kmh: float | None) -> str:
        """Return a limit with its unit, with a decimal where it has one."""
        whole = kmh is None or abs(self.speed_value(kmh) - round(self.speed_value(kmh))) < 0.05
        return self.speed_with_unit(kmh, 0 if whole else 1)

    def distance_value(self, km: float) -> float:
        """Return a distance in the reader's unit."""
        return km / distance_unit(self.unit)[1]

    def distance(self, km: float) -> str:
        """Return a distance without its unit."""
        value = self.distance_value(km)
        return self.number(value, 2 if value < 10 else 1 if value < 1000 else 0)

    def distance_with_unit(self, km: float) -> str:
        """Return a distance with its unit."""
        return f"{self.distance(km)}{THIN}{self.distance_symbol}"

    def local(self, at_us: int) -> datetime:
        """Return a moment on the reader's clock."""
        return datetime.fromtimestamp(at_us / 1e6, UTC).astimezone(self.zone)

    def day(self, at_us: int) -> str:
        """Return the day of a moment: `Sun 2026-11-22`."""
        return f"{self.local(at_us):%a %Y-%m-%d}"

    def clock(self, at_us: int) -> str:
        """Return the time of day: `14:05`."""
        return f"{self.local(at_us):%H:%M}"

    def moment(self, at_us: int) -> str:
        """Return day and time of day."""
        return f"{self.day(at_us)} {self.clock(at_us)}"

    def plotted(self, at_us: int, since_us: int | None = None) -> str:
        """Return a moment as Plotly draws it: without a zone, on the reader's clock.

        Args:
            at_us: The moment.
            since_us: Begin of a line, whose clock counts on where the reader's is changed: an hour that comes twice would fold the line.
        """
        clock = self.local(at_us if since_us is None else since_us).replace(tzinfo=None)
        if since_us is not None:
            clock += timedelta(microseconds=at_us - since_us)
        return clock.isoformat(timespec="milliseconds")


def told_before(cookies: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what the browser said about its reader at its last visit, or None."""
    try:
        told = orjson.loads(unquote(cookies.get(COOKIE, "")))
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours >= 48:
        return f"{hours // 24}{THIN}d {hours % 24:02d}{THIN}h"
    if hours:
        return f"{hours}{THIN}h {minutes:02d}{THIN}min"
    return f"{minutes}{THIN}min {rest:02d}{THIN}s" if minutes else f"{rest}{THIN}s"


def age(seconds: float) -> str:
    """Return how long ago something was, in its largest unit."""
    for limit, width, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h"), (float("inf"), 86_400, "d")):
        if seconds < limit:
            return f"{max(0, int(seconds // width))}{THIN}{name}"
    return NONE


def shown_name(source: str, display_name: str | None = None) -> str:
    """Return the name of a source for people."""
    return display_name or source or "(unnamed)"
