"""Endpoints of sources: their names and limits."""

import time
from collections import Counter
from typing import Any

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Tag

from speeddash.alerts.limits import Limits
from speeddash.api.parameters import Query, SourcePath, SourcesQuery
from speeddash.api.readings import json_text
from speeddash.api.schemas import SourceIn, SourcesOut, SourceWhole
from speeddash.auth.access import Permission, allow
from speeddash.cluster.peers import Peers
from speeddash.errors import InvalidInput
from speeddash.live.connections import Connections
from speeddash.problem import problem
from speeddash.reading import decode, parse_display_name, parse_source, rfc3339
from speeddash.store import Store

MEMBERS = {"source", "limit_kmh", "display_name", "merge_into"}
TAGS = [Tag(name="sources", description="Names and limits of sources.")]


class SourcesApi:
    """Endpoints of sources."""

    def __init__(self, store: Store, connections: Connections, limits: Limits, peers: Peers | None = None) -> None:
        self._store = store
        self._connections = connections
        self._peers = peers
        self._limits = limits

    def register(self, api: APIBlueprint) -> None:
        """Add the endpoints."""
        api.get("/api/v1/sources", tags=TAGS, responses={200: SourcesOut})(allow(Permission.READ, self.list_sources))
        api.get("/api/v1/sources/<source>", tags=TAGS, responses={200: SourceWhole})(
            allow(Permission.READ, self.show_source)
        )
        api.patch("/api/v1/sources/<source>", tags=TAGS, responses={200: SourceWhole})(
            allow(Permission.ADMIN, self.change_source)
        )
        api.delete("/api/v1/sources/<source>", tags=TAGS, responses={204: None})(
            allow(Permission.ADMIN, self.delete_source)
        )

    def list_sources(self, query: SourcesQuery) -> Response:
        """The sources that have readings, by name. `after` continues after a name."""
        spans = self._store.sources.select(after=query.after, limit=query.limit)
        connected = self._connected()
        return jsonify(
            sources=[
                {
                    "source": each.source,
                    "first": rfc3339(each.first_us),
                    "last": rfc3339(each.last_us),
                    "connections": connected[each.source],
                }
                for each in spans
            ]
        )

    def show_source(self, path: SourcePath, query: Query) -> Response:  # noqa: ARG002 - it refuses parameters
        """One source: the times of its first and last reading, its connections, and its limit."""
        return jsonify(self._whole(path.source))

    def change_source(self, path: SourcePath, query: Query, body: SourceIn) -> Response:  # noqa: ARG002 - as above, and what `json_text` reads
        """Set the limit of a source, its name or its display name, or merge it into another source.

        All that is stored of it gets the new name, which takes a while for a large source. A limit can be set before the first reading.
        Events are found again. A merge stands alone; readings that both sources have stay once, and limit, display name and events of the
        one that is merged are removed with it.
        """
        wanted = decode(json_text())
        name, limit_kmh = _checked(wanted)
        source = path.source
        if "merge_into" in wanted:
            into = parse_source(wanted["merge_into"])
            if into == source:
                raise InvalidInput("bad_source", "a source cannot be merged into itself")
            for each in (source, into):
                if self._store.sources.span(each) is None:
                    return problem(404, f"there is no source {each}; GET /api/v1/sources lists them")
            self._store.source_maintenance.merge(source, into)
            return jsonify(self._whole(into))
        if name is not None and name != source:
            begun = self._store.sources.settings(source).renamed_to is not None  # interrupted after its last reading
            if not begun and self._store.sources.span(source) is None:
                return problem(404, "there is no such source; GET /api/v1/sources lists them")
            self._store.source_maintenance.rename(source, name)
            source = name
        if "limit_kmh" in wanted:
            self._limits.set_limit(source, limit_kmh, time.time_ns() // 1000)
        if "display_name" in wanted:
            self._store.source_maintenance.set_display_name(source, parse_display_name(wanted["display_name"]))
        return jsonify(self._whole(source))

    def delete_source(self, path: SourcePath, query: Query) -> Response:  # noqa: ARG002 - a range would be ignored
        """Remove a source with all its data. It cannot be undone."""
        self._store.source_maintenance.delete(path.source)
        return Response(status=204)

    def _connected(self) -> Counter[str]:
        """Return the number of connections of each source, at all servers."""
        here = Counter(each.source for each in self._connections.all())
        return here + self._peers.counts() if self._peers else here

    def _whole(self, source: str) -> dict[str, Any]:
        span = self._store.sources.span(source)
        settings = self._store.sources.settings(source)
        return {
            "source": source,
            "first": rfc3339(span.first_us) if span else None,
            "last": rfc3339(span.last_us) if span else None,
            "connections": self._connected()[source],
            "limit_kmh": settings.limit_kmh,
            "display_name": settings.display_name,
        }


def _checked(wanted: Any) -> tuple[str | None, float | None]:
    if not isinstance(wanted, dict) or not wanted or wanted.keys() - MEMBERS:
        raise InvalidInput("bad_source_change", f"the body must be an object with some of {', '.join(sorted(MEMBERS))}")
    limit_kmh = wanted.get("limit_kmh")
    if limit_kmh is not None and (
        isinstance(limit_kmh, bool) or not isinstance(limit_kmh, int | float) or not 0 <= limit_kmh <= 1e9
    ):
        raise InvalidInput("bad_limit_kmh", "limit_kmh must be a number from 0 up, or null")
    parse_display_name(wanted.get("display_name"))
    if "merge_into" in wanted and len(wanted) > 1:
        raise InvalidInput("bad_source_change", "merge_into stands alone: the source is gone afterwards")
    return (parse_source(wanted["source"]) if "source" in wanted else None), limit_kmh
