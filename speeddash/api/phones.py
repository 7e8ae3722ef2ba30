"""Endpoints for apps of phones, each answered as the app expects."""

import logging
import time
from collections.abc import Sequence
from typing import Any, Literal

from flask import Response, jsonify, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from speeddash.api.parameters import SourceOnly, Unit
from speeddash.api.readings import body
from speeddash.auth.access import Access, Permission, allow, current_role
from speeddash.errors import InvalidInput
from speeddash.live.ingest import Ingest
from speeddash.live.senders import refused_frame
from speeddash.network.rate_limit import RateLimits, paced
from speeddash.phones.osmand import read_osmand, read_osmand_json
from speeddash.phones.overland import read_overland
from speeddash.phones.owntracks import read_owntracks
from speeddash.phones.report import Report, source_from
from speeddash.problem import problem
from speeddash.reading import Reading, decode
from speeddash.settings import Settings

log = logging.getLogger(__name__)

TAGS = [Tag(name="phones", description="Apps of phones. docs/devices.md says what to type into each.")]
#: Members of a query that are not of the report. The token is none of ours to store, not even as a part of a seq.
NOT_REPORTED = ("source", "unit", "token")


class OsmAndQuery(SourceOnly):
    """A position in OsmAnd's protocol. Members that are not named here are ignored; a form may hold them as well."""

    model_config = ConfigDict(extra="ignore")

    id: str | None = Field(
        None, description="The app's name for its phone, the source of the reading; also `deviceid`."
    )
    speed: str | None = Field(None, description="In the unit of `unit`; -1 is no speed.")
    unit: Unit | None = Field(None, description="kn for Traccar Client, mps for OsmAnd; needed with `speed`.")
    timestamp: str | None = Field(
        None, description="Epoch seconds or milliseconds, RFC 3339, or `2026-01-31 12:00:00`; by default now."
    )
    token: str | None = Field(None, description="The token, for apps that can send no header.")


class OwnTracksOut(RootModel[list[dict[str, Any]]]):
    """Messages for the app: none."""


class OverlandOut(BaseModel):
    """The app deletes its locations."""

    result: Literal["ok"]


class PhonesApi:
    """Endpoints for apps of phones."""

    def __init__(self, settings: Settings, ingest: Ingest, rates: RateLimits) -> None:
        self._settings = settings
        self._ingest = ingest
        self._rates = rates
        self._has_tokens = Access.of(settings).required

    def register(self, api: APIBlueprint) -> None:
        """Add the endpoints."""
        send = Permission.SEND
        api.post("/in/owntracks", tags=TAGS, responses={200: OwnTracksOut})(allow(send, self.owntracks))
        api.post("/in/overland", tags=TAGS, responses={200: OverlandOut})(allow(send, self.overland))
        api.post("/in/osmand", tags=TAGS, responses={200: None})(allow(send, self.osmand))
        api.get("/in/osmand", tags=TAGS, responses={200: None})(allow(send, self.osmand_query))

    def owntracks(self, query: SourceOnly) -> Response:
        """OwnTracks in HTTP mode. The source is `source`, else the names of the user and the device in the app's settings."""
        text = body()
        report = read_owntracks(_json(text)) if text.strip() else None
        user, device = request.headers.get("X-Limit-U"), request.headers.get("X-Limit-D")
        named = source_from("-".join(filter(None, (user, device))))
        self._store([report] if report else [], query.source, named or "owntracks")
        return jsonify([])

    def overland(self, query: SourceOnly) -> Response:
        """Overland. The source is `source`, else the device id in the app's settings."""
        reports, invalid = read_overland(_json(body()))
        if invalid:
            log.warning("Overland has sent %d invalid locations, which are left out", invalid)
        self._store(reports, query.source, "overland")
        return jsonify(result="ok")

    def osmand(self, query: OsmAndQuery) -> Response:
        """Traccar Client and others that speak OsmAnd's protocol. The source is `source`, else the app's device id."""
        if request.mimetype == "application/json":
            report = read_osmand_json(_json(body()))
        else:
            query = _with_form(query)
            report = read_osmand(_members(query), query.unit)
        self._store([report] if report else [], query.source, "osmand")
        return Response(status=200)

    def osmand_query(self, query: OsmAndQuery) -> Response:
        """OsmAnd's online tracking. It writes, and any page can make a browser send a GET, so it needs a token always."""
        if not self._has_tokens:
            return problem(
                403, "a GET that writes needs a token, and this server has none: set SPEEDDASH_TOKEN", code="no_token"
            )
        return self.osmand(query)

    def _store(self, reports: Sequence[Report], named: str | None, default: str) -> None:
        """Store reports.

        A report above the highest speed is left out: the app would send it again for ever, and nothing after it.
        """
        role, now_us, most = current_role(), time.time_ns() // 1000, self._settings.max_speed_kmh
        readings = [
            Reading(
                named or role.source or each.device or default,
                now_us if each.at_us is None else each.at_us,
                each.seq,
                each.speed,
            )
            for each in reports
            if each.speed <= most
        ]
        if left_out := len(reports) - len(readings):
            log.warning("a phone has sent %d speeds above %g km/h, which are left out", left_out, most)
        role.check(readings)
        for part in paced(self._rates.of_address(request.remote_addr or ""), readings):
            refused = self._ingest.commit([part], self._settings.store_timeout_s)
            for why in refused.values():
                raise refused_frame(why)


def _json(body: bytes) -> Any:
    try:
        return decode(body.decode())
    except UnicodeDecodeError as invalid:
        raise InvalidInput("not_json", f"not JSON: the body is not UTF-8: {invalid.reason}") from None


def _with_form(query: OsmAndQuery) -> OsmAndQuery:
    """Return what the query says, and where it does not the form."""
    given = {name: request.form[name] for name in ("unit", "source") if name in request.form}
    try:
        form = OsmAndQuery.model_validate(given)
    except ValidationError:
        raise InvalidInput("bad_form", f"the form is not valid: {given}") from None
    return query.model_copy(update={"unit": query.unit or form.unit, "source": query.source or form.source})


def _members(query: OsmAndQuery) -> dict[str, str]:
    """Return the members of a report, from the query and the form."""
    members = {**request.args.to_dict(), **request.form.to_dict()}
    if query.id is not None:
        members.setdefault("id", query.id)
    return {name: value for name, value in members.items() if name not in NOT_REPORTED}
