"""What the trips place shows, as its address carries it. Pure functions."""

from typing import Final, Literal, NamedTuple, Self, get_args
from urllib.parse import parse_qs, urlencode

from speeddash.history.trips import MAX_SOURCES_TOGETHER
from speeddash.page.when import RangeText

By = Literal["auto", "day", "week", "month", "tag"]
Axis = Literal["time", "distance"]
DEFAULT_RANGE: Final = RangeText("now-29d/d", "now")
#: Trips that are compared with each other.
MAX_COMPARED: Final = 8


class TripKey(NamedTuple):
    """A trip in an address: its source, and its start in RFC 3339."""

    source: str
    start: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the trip of a text in an address."""
        source, _, start = text.rpartition("@")
        return cls(source, start)

    def __str__(self) -> str:
        return f"{self.source}@{self.start}"


class TripsView(NamedTuple):
    """What the trips place shows.

    Attributes:
        sources: Sources whose trips are listed; empty for the latest one.
        range: The range of time.
        chosen: One trip is shown, several are compared.
        by: What the totals are summed by; `auto` chooses by the length of the range.
        axis: What compared trips are drawn over.
        tag: Only trips with this tag are listed; empty for all.
    """

    sources: tuple[str, ...] = ()
    range: RangeText = DEFAULT_RANGE
    chosen: tuple[TripKey, ...] = ()
    by: By = "auto"
    axis: Axis = "time"
    tag: str = ""


def parse(search: str | None) -> TripsView:
    """Return the view of an address. What makes no sense is left out; the range is checked when it is used."""
    query = parse_qs((search or "").removeprefix("?"), keep_blank_values=True)

    def one(name: str, default: str) -> str:
        return query.get(name, [default])[-1]

    sources = [name for given in query.get("source", []) for name in given.split(",")]
    chosen = [TripKey.of(given) for given in query.get("trip", []) if "@" in given]
    by, axis = one("by", "auto"), one("axis", "time")
    return TripsView(
        tuple(dict.fromkeys(sources))[:MAX_SOURCES_TOGETHER],
        RangeText(one("from", DEFAULT_RANGE.begin), one("to", "now")),
        tuple(dict.fromkeys(chosen))[:MAX_COMPARED],
        by if by in get_args(By) else "auto",  # type: ignore[arg-type]
        axis if axis in get_args(Axis) else "time",  # type: ignore[arg-type]
        one("tag", ""),
    )


def format_view(view: TripsView) -> str:
    """Return the query of a view, with `?`; what is the default is left out."""
    usual = TripsView()
    query = [("source", each) for each in view.sources]
    if view.range != usual.range:
        query += [("from", view.range.begin), ("to", view.range.end)]
    query += [("trip", str(each)) for each in view.chosen]
    query += [
        (name, value)
        for name, value, default in (
            ("by", view.by, usual.by),
            ("axis", view.axis, usual.axis),
            ("tag", view.tag, usual.tag),
        )
        if value != default
    ]
    return "?" + urlencode(query, safe=":@/") if query else ""
