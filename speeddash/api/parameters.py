"""Parameters of requests: checked by pydantic, and described in the OpenAPI document."""

import base64
import json
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema, model_validator

from speeddash.errors import InvalidInput
from speeddash.history.trips import MAX_SOURCES_TOGETHER
from speeddash.reading import MAX_SEQ, Reading, parse_source, parse_time, rfc3339
from speeddash.store import Key
from speeddash.timerange import TimeRange, zone_of

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000
MAX_ACCELERATION_KMH = 999.0
Unit = Literal["kmh", "mph", "mps", "kn"]
#: Stands in a path for the empty name, the source of readings that were stored without one.
UNNAMED = "~"


def _source(name: str) -> str:
    return parse_source(name) if name else name


def _moment(text: str, info: ValidationInfo) -> int | None:
    if not text:
        return None
    try:
        # An unescaped + in a query arrives as a space.
        return parse_time(float(text) if _is_number(text) else text.replace(" ", "+"))
    except InvalidInput as bad:
        raise InvalidInput(bad.code, f"{(info.field_name or '').removesuffix('_us')}: {bad.message}") from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).removeprefix("-").isdigit()


def _cursor(text: str) -> Key | None:
    if not text:
        return None
    try:
        name, at_us, seq = json.loads(base64.urlsafe_b64decode(text))
        if (
            isinstance(name, str)
            and name.isascii()
            and isinstance(at_us, int)
            and isinstance(seq, int)
            and 0 <= seq <= 2 * MAX_SEQ + 1
        ):
            return Key(name, parse_time(rfc3339(at_us)), seq)
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass  # raised below, as for wrong types
    raise InvalidInput("bad_cursor", "cursor must be the next_cursor of an earlier answer")


def _zone(name: str) -> str:
    try:
        zone_of(name)
    except InvalidInput as bad:
        raise InvalidInput(bad.code, f"zone: {bad.message}") from None
    return name


def _event_cursor(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    moment, _, kind = text.rpartition("/")
    try:
        at_us = parse_time(moment)
    except InvalidInput:
        kind = ""  # raised below
    if kind not in {"jump", "over"}:
        raise InvalidInput("bad_cursor", "cursor must be the next_cursor of an earlier answer")
    return at_us, kind


def encode_cursor(last: Reading) -> str:
    """Return the cursor of the readings after this one."""
    return base64.urlsafe_b64encode(json.dumps([last.source, last.at_us, last.seq]).encode()).decode()


Source = Annotated[
    str,
    BeforeValidator(_source),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9._:-]{0,64}$"}),
    Field(description="A source's name; empty for the readings that were stored without one."),
]
PathSource = Annotated[
    str,
    BeforeValidator(lambda name: "" if name == UNNAMED else parse_source(name)),
    WithJsonSchema({"type": "string", "pattern": "^([A-Za-z0-9._:-]{1,64}|~)$"}),
    Field(description="A source's name; ~ for the readings that were stored without one."),
]
Moment = Annotated[
    int | None,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Limit = Annotated[int, Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Maximum number of entries.")]


class Query(BaseModel):
    """Parameters of a query; an unknown one is an error that names it."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """Return the JSON schema. flask-openapi3 asks for it in every request, and making it takes longer than most answers."""
        if args or options:
            return super().model_json_schema(*args, **options)
        return _schema(cls)


@cache
def _schema(model: type[Query]) -> dict[str, Any]:
    return super(Query, model).model_json_schema()


class Page(Query):
    """One page of a list."""

    limit: Limit


class ConnectionsQuery(Page):
    """One page of the connected senders."""

    local: bool = Field(False, description="Only those of this server, where several use one database.")


class Range(Query):
    """A range of time, open where an end is not given."""

    from_us: Moment = Field(None, alias="from", description="First moment, inclusive: RFC 3339, or an epoch number.")
    to_us: Moment = Field(None, alias="to", description="Last moment, exclusive: RFC 3339, or an epoch number.")

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Check that the end is after the beginning."""
        if self.from_us is not None and self.to_us is not None and self.from_us >= self.to_us:
            raise InvalidInput("bad_range", "from must be before to")
        return self

    @property
    def time(self) -> TimeRange:
        """The range."""
        return TimeRange.between(self.from_us, self.to_us)


class SourceRange(Range):
    """A range of one source."""

    source: Source


class SeriesQuery(SourceRange):
    """A range of one source, in as many entries as a screen is wide."""

    points: int = Field(
        # At least 2: buckets of every width begin at the epoch, so a range around it cannot be in one.
        DEFAULT_LIMIT,
        ge=2,
        le=MAX_LIMIT,
        description="Maximum number of entries, for example the width of the plot in pixels.",
    )


class SourcePage(SourceRange, Page):
    """One page of a range of one source."""


class TripQuery(Query):
    """One trip, by a moment in it."""

    source: Source
    start_us: Annotated[int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})] = (
        Field(alias="start", description="The trip's start, or any moment of it.")
    )


class TripsExportQuery(Range):
    """The trips of an export."""

    source: Annotated[
        list[Source],
        Field(min_length=1, max_length=MAX_SOURCES_TOGETHER, description="May be repeated: one after the other."),
    ]
    unit: Unit = Field("kmh", description="Unit of the speeds, and so of the distances.")
    tag: str = Field("", description="Only trips with this tag.")


class TotalsQuery(SourceRange):
    """Totals of the trips in a range of one source."""

    by: Literal["day", "week", "month", "tag"] = Field("day", description="What the trips are summed by.")
    zone: Annotated[str, BeforeValidator(_zone)] = Field(
        "UTC", description="Time zone of the days, for example Europe/Berlin."
    )


def _speeds(text: str) -> tuple[float, float]:
    first, _, last = text.partition("-")
    if not (_is_number(first) and _is_number(last) and float(first) < float(last) <= MAX_ACCELERATION_KMH):
        raise InvalidInput("bad_acceleration", "acceleration: two speeds in km/h, such as 0-100")
    return float(first), float(last)


class PerformanceQuery(SourceRange):
    """What a vehicle did in a range of one source, usually one trip."""

    width_kmh: float = Field(10.0, ge=1, le=100, description="Width of a band of speed.")
    acceleration: Annotated[
        list[
            Annotated[
                tuple[float, float],
                BeforeValidator(_speeds),
                WithJsonSchema({"type": "string", "pattern": r"^\d{1,3}-\d{1,3}$"}),
            ]
        ],
        Field(max_length=20, description="From and to, km/h; may be repeated."),
    ] = [(0.0, 50.0), (0.0, 100.0), (80.0, 120.0)]


class EventsQuery(SourcePage):
    """One page of the events in a range of one source."""

    cursor: Annotated[
        tuple[int, str] | None,
        BeforeValidator(_event_cursor),
        WithJsonSchema({"type": "string"}),
        Field(description="next_cursor of the previous page."),
    ] = None


class ReadingsQuery(Range, Page):
    """One page of readings."""

    source: Annotated[Source | None, Field(description="Only this source; by default all, ordered by name.")] = None
    cursor: Annotated[
        Key | None,
        BeforeValidator(_cursor),
        WithJsonSchema({"type": "string"}),
        Field(description="next_cursor of the previous page."),
    ] = None


class SourcesQuery(Page):
    """One page of sources."""

    # Other programs insert other names.
    after: str | None = Field(None, pattern=r"^[\x00-\x7F]{0,64}$", description="Only names after this one.")


class SourceOnly(Query):
    """Source of readings that name none."""

    source: Annotated[
        str | None,
        BeforeValidator(lambda name: parse_source(name) if name else None),
        WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"}),
    ] = None


class SourcePath(BaseModel):
    """A source in a path."""

    source: PathSource


class ExportQuery(Range):
    """The readings of an export."""

    source: Annotated[Source | None, Field(description="Only this source; by default all.")] = None
    unit: Unit = Field("kmh", description="Unit of the speeds. Only km/h is exact to the bit.")


class ImportQuery(SourceOnly):
    """How to read an uploaded file."""

    format: Literal["csv", "fit", "gpx", "ndjson", "nmea", "tcx", "vbo"] | None = Field(
        None, description="By default detected by name or content."
    )
    name: str = Field("upload", max_length=255, description="Name of the file.")
    unit: Unit | None = Field(
        None, description="By default the unit that the file names, else the default of its format."
    )
    start_us: Moment = Field(
        None, alias="start", description="Moment of second 0, for files that count seconds; by default now."
    )
