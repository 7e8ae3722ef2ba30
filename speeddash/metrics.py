"""Metrics of `GET /metrics`, collected from counters of the parts when they are requested."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from speeddash.alerts.alerts import Alerts
from speeddash.cluster.node import Node
from speeddash.errors import StoreError
from speeddash.history.worker import RollupWorker
from speeddash.live.connections import Connections
from speeddash.live.feed import Feed
from speeddash.live.ingest import Ingest
from speeddash.store import Store
from speeddash.timerange import SECOND_US, TimeRange

#: Sources with a last speed among the metrics: those with the latest readings, of the first by name.
MAX_SOURCES: Final = 100
MAX_NAMES: Final = 1_000


class Metrics(Collector):
    """The metrics of one SpeedDash."""

    def __init__(
        self,
        ingest: Ingest,
        connections: Connections,
        feed: Feed,
        rollups: RollupWorker,
        alerts: Alerts,
        store: Store,
        node: Node | None = None,
    ) -> None:
        self._store = store
        self._ingest = ingest
        self._rollups = rollups
        self._alerts = alerts
        self._connections = connections
        self._feed = feed
        self._node = node

    def collect(self) -> Iterable[Metric]:
        """Called by prometheus-client for each request."""
        ingest = self._ingest
        yield CounterMetricFamily("speeddash_readings_received", "Readings taken in to be stored", ingest.received)
        yield CounterMetricFamily(
            "speeddash_readings_stored", "Readings that are durable, repeated ones included", ingest.stored
        )
        rejected = CounterMetricFamily(
            "speeddash_frames_rejected", "Frames not stored, by the code of their error", labels=["code"]
        )
        for code, count in sorted(ingest.rejected.items()):
            rejected.add_metric([code], count)
        yield rejected
        yield CounterMetricFamily(
            "speeddash_feed_dropped", "Readings that a slow watcher did not get", self._feed.missed
        )
        sockets = GaugeMetricFamily("speeddash_sockets_open", "Sockets that are connected", labels=["kind"])
        watchers = len(self._connections.watchers)
        sockets.add_metric(["sender"], len(self._connections) - watchers)
        sockets.add_metric(["watcher"], watchers)
        yield sockets
        yield GaugeMetricFamily("speeddash_queue_depth", "Write requests that wait for a transaction", ingest.depth())
        yield CounterMetricFamily("speeddash_hours_rolled_up", "Hours whose rollups were computed", self._rollups.hours)
        webhook = self._alerts.webhook
        webhooks = CounterMetricFamily(
            "speeddash_webhooks", "Events sent to the webhook, by outcome", labels=["outcome"]
        )
        webhooks.add_metric(["delivered"], webhook.delivered if webhook else 0)
        webhooks.add_metric(["failed"], webhook.failed if webhook else 0)
        yield webhooks
        if ingest.durability and ingest.durability.group:
            servers = GaugeMetricFamily(
                "speeddash_database_members",
                "Servers of the database's group, by state, when /readyz was asked last",
                labels=["state"],
            )
            for state, count in Counter(each.state for each in ingest.durability.group.members).items():
                servers.add_metric([state], count)
            yield servers
        if self._node:
            yield CounterMetricFamily(
                "speeddash_node_gaps",
                "Times that watchers were told to read again, for readings of other servers",
                self._node.gaps,
            )
            if bus := self._node.bus:
                yield GaugeMetricFamily("speeddash_bus_connected", "The bus answers", int(bus.connected is True))
                yield CounterMetricFamily(
                    "speeddash_bus_dropped", "Readings not sent to other servers at once", bus.dropped
                )
                yield CounterMetricFamily(
                    "speeddash_bus_rejected",
                    "Messages of the bus that no server with this token has signed",
                    bus.rejected,
                )
        yield from self._sources()
        yield from ingest.batch_readings.collect()
        yield from ingest.commit_seconds.collect()

    def _sources(self) -> Iterable[Metric]:
        """Yield the last speed of each source and its age; nothing while the database cannot answer."""
        speeds = GaugeMetricFamily(
            "speeddash_source_speed_kmh", f"Last speed of a source, for the {MAX_SOURCES} latest", labels=["source"]
        )
        ages = GaugeMetricFamily("speeddash_source_age_seconds", "Time since the last reading", labels=["source"])
        now_us = time.time_ns() // 1000
        try:
            spans = sorted(self._store.sources.select(limit=MAX_NAMES), key=lambda span: -span.last_us)[:MAX_SOURCES]
            for span in spans:
                for last in self._store.readings.select(source=span.source, time=TimeRange(span.last_us), limit=1):
                    speeds.add_metric([span.source], last.speed)
                    ages.add_metric([span.source], (now_us - span.last_us) / SECOND_US)
        except StoreError:
            return
        yield speeds
        yield ages
