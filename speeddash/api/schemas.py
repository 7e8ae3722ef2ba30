"""Schemas of bodies and answers, for the OpenAPI document."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel

from speeddash.reading import MAX_SEQ

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="RFC 3339, UTC.")]
Kmh = Annotated[float, Field(description="km/h")]
PROBLEM = "application/problem+json"


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str | None = Field(None, description="Stable word for programs.")
    index: int | None = Field(None, description="Position of the bad reading in an array.")


class Documented:
    """A body that `reading.parse_frame` reads; the class only documents it."""

    @classmethod
    def model_validate(cls, obj: Any) -> Self:  # noqa: ARG003 - the signature of pydantic
        """Return an empty object: `parse_frame` checks the body, with the same errors as for a frame."""
        return cls.__new__(cls)

    @classmethod
    def model_validate_json(cls, json_data: str) -> Self:
        """See `model_validate`; flask-openapi3 calls it for a body that is a JSON string."""
        return cls.model_validate(json_data)


class ReadingIn(BaseModel):
    """A reading as it is sent."""

    model_config = ConfigDict(extra="allow")

    speed: float = Field(ge=0, le=2000, description="km/h")
    timestamp: Time | float | None = Field(
        None, description="RFC 3339 with a zone, or an epoch number; by default now."
    )
    source: str | None = Field(None, pattern="^[A-Za-z0-9._:-]{1,64}$")
    seq: int | None = Field(None, ge=0, le=MAX_SEQ)


class ReadingsIn(Documented, RootModel[ReadingIn | list[ReadingIn]]):  # type: ignore[misc]  # see Documented
    """One reading, or an array of them."""


class SendIn(Documented, BaseModel):  # type: ignore[misc]
    """A reading for one connection."""

    connection_id: str
    speed: float = Field(ge=0, le=2000, description="km/h")
    timestamp: Time | float | None = None


class SourceIn(Documented, BaseModel):  # type: ignore[misc]
    """Changes of a source."""

    source: str | None = Field(None, pattern="^[A-Za-z0-9._:-]{1,64}$", description="Its new name.")
    limit_kmh: float | None = Field(None, ge=0, description="Its limit; null for none.")
    display_name: str | None = Field(None, max_length=100, description="The name that people see; null for its own.")
    merge_into: str | None = Field(
        None, pattern="^[A-Za-z0-9._:-]{1,64}$", description="The source that gets its readings; it is removed then."
    )


class ReadingOut(BaseModel):
    """A stored reading."""

    source: str
    timestamp: Time
    seq: int
    speed: Kmh


class Readings(BaseModel):
    """Readings in the order of source, time and seq."""

    readings: list[ReadingOut]
    next_cursor: str | None


class Stored(BaseModel):
    """Number of readings that are durable now."""

    stored: int


class Sent(Stored):
    """The reading that was stored and sent."""

    reading: ReadingOut


class Removed(BaseModel):
    """Number of removed readings."""

    removed: int


class ConnectionOut(BaseModel):
    """A sender that is connected."""

    id: str
    source: str
    opened_at: Time
    readings: int


class ConnectionsOut(BaseModel):
    """The senders that are connected; `missing` names servers that did not answer, where several use one database."""

    connections: list[ConnectionOut]
    missing: list[str] | None = None


class SourceOut(BaseModel):
    """A source."""

    source: str
    first: Time | None
    last: Time | None
    connections: int


class SourcesOut(BaseModel):
    """The sources that have readings."""

    sources: list[SourceOut]


class SourceWhole(SourceOut):
    """A source, its limit and its display name."""

    limit_kmh: float | None
    display_name: str | None


class SeriesOut(BaseModel):
    """Columns: an entry of each is one bucket, or one reading where bucket_s is 0."""

    bucket_s: float = Field(description="Width of a bucket; its edges are multiples of it since the epoch.")
    t: list[float] = Field(description="Beginning of the bucket, epoch seconds.")
    t_first: list[float] = Field(description="Its first reading's time.")
    t_last: list[float] = Field(description="Its last reading's time.")
    n: list[int] = Field(description="Number of readings.")
    moving: list[int] = Field(description="Number of readings above 0.")
    mean: list[float]
    min: list[float]
    max: list[float]
    first: list[float]
    last: list[float]
    seq: list[int] | None = Field(None, description="With readings, their numbers.")


class TripOut(BaseModel):
    """A trip; speeds in km/h."""

    start: Time
    end: Time
    count: int = Field(description="Readings.")
    mean_speed: Kmh
    mean_moving_speed: float | None = Field(description="Over the readings above 0, km/h.")
    max_speed: float = Field(description="Without implausible jumps, km/h.")
    distance_km: float
    duration_s: float
    moving_s: float
    stops: int
    jumps: int = Field(description="Implausible jumps, left out of max_speed.")

    name: str
    note: str
    tag: str


class TripIn(Documented, BaseModel):  # type: ignore[misc]
    """What is to be changed of a trip."""

    name: str | None = Field(None, max_length=100)
    note: str | None = Field(None, max_length=1_000)
    tag: str | None = Field(None, max_length=40, description="For example business or private.")


class TotalOut(BaseModel):
    """The sum of the trips of a period or a tag."""

    model_config = ConfigDict(extra="allow")

    trips: int
    distance_km: float
    duration_s: float
    moving_s: float
    max_speed: Kmh


class TotalsOut(BaseModel):
    """Totals in the order of their periods (`from`, the first day) or tags (`tag`)."""

    totals: list[TotalOut]


class TripsOut(BaseModel):
    """Trips in the order of time."""

    trips: list[TripOut]
    next_from: Time | None = Field(description="`from` of the next page; null on the last page.")


class AccelerationOut(BaseModel):
    """The best time from one speed to another, or of the quarter mile from standing."""

    from_kmh: Kmh
    to_kmh: Kmh | None = Field(description="null for the quarter mile.")
    seconds: float
    error_s: float = Field(description="How far the time can be off: the median interval between readings.")
    start: Time


class PerformanceOut(BaseModel):
    """What a vehicle did in a range."""

    width_kmh: float
    seconds_at: list[float] = Field(description="Seconds in each band of speed, from 0 up, without standing.")
    accelerations: list[AccelerationOut] = Field(
        description="Those that never happened, or are too short to be measured, are left out."
    )


class SummaryOut(BaseModel):
    """Figures of a range; without readings all are null or 0."""

    start: Time | None
    end: Time | None
    count: int
    mean_speed: float | None
    mean_moving_speed: float | None
    max_speed: float | None
    distance_km: float
    duration_s: float
    moving_s: float
    stops: int
    jumps: int


class EventOut(BaseModel):
    """A time above the limit of the source, or an implausible jump."""

    kind: Literal["over", "jump"]
    start: Time
    end: Time
    peak: Kmh
    limit_kmh: float | None
    ongoing: bool


class EventsOut(BaseModel):
    """Events in the order of time."""

    events: list[EventOut]
    next_cursor: str | None


class BadLineOut(BaseModel):
    """A line that was not stored."""

    line: int
    why: str


class ImportOut(BaseModel):
    """Result of an import."""

    read: int = Field(description="Rows and bad lines.")
    stored: int
    bad_count: int
    bad: list[BadLineOut] = Field(description="The first 20.")
    sources: list[str] = Field(description="The first 20.")
    more_sources: bool
    first: Time | None
    last: Time | None
    notes: list[str] = Field(
        description="How the file was read where it left that open, such as a unit that it does not name."
    )
    failure: str | None = Field(description="Why the file could not be read to its end.")
