"""What the query of a request may ask for. pydantic checks it, and the OpenAPI document is made from it."""

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema, model_validator

from speeddash.errors import FrameError
from speeddash.reading import MAX_SEQ, Reading, parse_source, parse_time, rfc3339
from speeddash.store import Key

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000
#: In a path, which cannot hold an empty name: the readings that were stored without a source.
UNNAMED = "~"


def _source(name: str) -> str:
    return parse_source(name) if name else name


def _moment(text: str, info: ValidationInfo) -> int | None:
    if not text:
        return None
    try:
        # A + in a query that was not escaped arrives as a space.
        return parse_time(float(text) if _is_number(text) else text.replace(" ", "+"))
    except FrameError as bad:
        raise FrameError(bad.code, f"{(info.field_name or '').removesuffix('_us')}: {bad.message}") from None


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
    except (ValueError, TypeError, OverflowError):
        pass  # said below, together with a cursor of the right form and wrong types
    raise FrameError("bad_cursor", "cursor must be the next_cursor of an earlier answer")


def _place(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    moment, _, kind = text.rpartition("/")
    try:
        at_us = parse_time(moment)
    except FrameError:
        kind = ""  # said below
    if kind not in {"jump", "over"}:
        raise FrameError("bad_cursor", "cursor must be the next_cursor of an earlier answer")
    return at_us, kind


def encode_cursor(last: Reading) -> str:
    """The place behind a reading."""
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
Limit = Annotated[int, Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many at the most.")]


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
    return BaseModel.model_json_schema.__func__(model)  # type: ignore[attr-defined, no-any-return]


class Page(Query):
    """Some of a list."""

    limit: Limit


class Range(Query):
    """A stretch of time; without an end it is all there is."""

    from_us: Moment = Field(None, alias="from", description="First moment, inclusive: RFC 3339, or an epoch number.")
    to_us: Moment = Field(None, alias="to", description="Last moment, exclusive: RFC 3339, or an epoch number.")

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """The end lies behind the beginning."""
        if self.from_us is not None and self.to_us is not None and self.from_us >= self.to_us:
            raise FrameError("bad_range", "from must be before to")
        return self


class SourceRange(Range):
    """A stretch of one source."""

    source: Source


class SeriesQuery(SourceRange):
    """A stretch of one source as wide as a screen."""

    points: int = Field(
        # Not one: at the epoch begins a bucket of every width.
        DEFAULT_LIMIT,
        ge=2,
        le=MAX_LIMIT,
        description="The most entries, for example the plot's width in pixels.",
    )


class SourcePage(SourceRange, Page):
    """Some of what is in a stretch of one source."""


class EventsQuery(SourcePage):
    """Some of the events in a stretch of one source."""

    cursor: Annotated[
        tuple[int, str] | None,
        BeforeValidator(_place),
        WithJsonSchema({"type": "string"}),
        Field(description="next_cursor of the answer before."),
    ] = None


class ReadingsQuery(Range, Page):
    """Readings, page by page."""

    source: Annotated[
        Source | None, Field(description="Only this one; without it all sources, in the order of name.")
    ] = None
    cursor: Annotated[
        Key | None,
        BeforeValidator(_cursor),
        WithJsonSchema({"type": "string"}),
        Field(description="next_cursor of the answer before."),
    ] = None


class SourcesQuery(Page):
    """Sources, page by page."""

    # Looser than a source's name: others may have inserted rows with whatever the column takes.
    after: str | None = Field(None, pattern=r"^[\x00-\x7F]{0,64}$", description="Go on behind this name.")


class SourceOnly(Query):
    """Whose readings they are that name no source themselves."""

    source: Annotated[
        str | None,
        BeforeValidator(lambda name: parse_source(name) if name else None),
        WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"}),
    ] = None


class SourcePath(BaseModel):
    """A source in the path."""

    source: PathSource


class ExportQuery(Range):
    """What goes into a file."""

    source: Annotated[Source | None, Field(description="Only this one; without it all sources.")] = None
    unit: Literal["kmh", "mph", "mps", "kn"] = Field(
        "kmh", description="Unit of the speeds; only km/h is exact to the bit."
    )


class ImportQuery(SourceOnly):
    """What a file is."""

    format: Literal["csv", "gpx", "nmea", "ndjson"] | None = Field(
        None, description="By default what name or content say."
    )
    name: str = Field("upload", max_length=255, description="The file's name.")
    unit: Literal["kmh", "mph", "mps", "kn"] | None = Field(
        None, description="By default what the file says, else km/h."
    )
    start_us: Moment = Field(
        None, alias="start", description="Moment of second 0, for files that count seconds; by default now."
    )


def explain(complaint: Mapping[str, Any]) -> FrameError:
    """Pydantic's complaint about a parameter, as one of ours."""
    name = str(complaint["loc"][0])[:40]
    if complaint["type"] == "extra_forbidden":
        return FrameError(
            "unknown_parameter", f"there is no parameter {name} here; /openapi.json lists those there are"
        )
    if complaint["type"] == "missing":
        return FrameError(f"bad_{name}", f"{name} is missing: ?{name}=")
    return FrameError(f"bad_{name}", f"{name}: {complaint['msg'][:1].lower()}{complaint['msg'][1:]}")
