"""Puts the parts together: each is built once and handed to those that need it."""

from dataclasses import dataclass

from flask_openapi3 import OpenAPI

from speeddash.access import Access
from speeddash.alerts import Alerts
from speeddash.allowance import Rates
from speeddash.api import Api
from speeddash.connections import Connections
from speeddash.feed import Feed
from speeddash.guard import Guard
from speeddash.history import History
from speeddash.ingest import Ingest
from speeddash.live import Live
from speeddash.metrics import Metrics
from speeddash.page import Page
from speeddash.rollups import Rollups
from speeddash.settings import Settings
from speeddash.sockets import Sockets
from speeddash.store import Store, open_store

#: What a stop may take: the sockets' answers first, then the ingest's last commit.
DRAIN_S = 0.8
FLUSH_S = 0.4


@dataclass(frozen=True)
class SpeedDash:
    """One SpeedDash. `server` is a WSGI application for any server that gives flask-sock its socket."""

    settings: Settings
    server: OpenAPI
    store: Store
    background: Store
    ingest: Ingest
    connections: Connections
    rollups: Rollups
    alerts: Alerts

    def start(self) -> None:
        """Begin to reach the database; requests may come already."""
        self.ingest.start()
        self.connections.keep_alive(self.settings.ping_interval_s)
        self.rollups.start()
        self.alerts.start()

    def stop(self) -> None:
        """Commit, echo, close every socket with 1012. Takes 2 s at the most, whatever the database does."""
        self.rollups.stop()
        self.alerts.stop()
        self.connections.drain()
        self.connections.wait_until_empty(DRAIN_S)
        self.ingest.stop(FLUSH_S)  # those still waiting for a commit are told, and close their sockets
        self.connections.wait_until_empty(FLUSH_S / 2)

    def close(self) -> None:
        """Give back every connection to the database."""
        self.store.close()
        self.background.close()


def create_app(settings: Settings) -> SpeedDash:
    """Build a SpeedDash. It opens nothing and starts nothing; `SpeedDash.start` does.

    Raises:
        SettingsError: The database URL cannot be used.
    """
    server = OpenAPI("speeddash", static_folder=None, doc_ui=False)
    server.debug = False  # whatever FLASK_DEBUG says
    store = open_store(settings.database_url.get_secret_value(), timeout_s=settings.database_timeout_s)
    # Commits and background work go on however many requests wait for a connection.
    background = store.with_own_connections()
    history = History(store)
    feed = Feed(settings.max_feed_readings)
    ingest = Ingest(background, feed)
    connections = Connections()
    webhook = settings.webhook_url
    alerts = Alerts(background, webhook.get_secret_value() if webhook else None)
    rollups = Rollups(
        background, keep_raw_days=settings.keep_raw_days, received=lambda: ingest.received, dirty=alerts.recheck
    )
    rates = Rates(settings.max_readings_per_s, settings.max_address_readings_per_s)
    guard = Guard(settings, Access.of(settings))
    # Before all others: what is registered first is asked first.
    guard.register(server)
    sock = Sockets(settings, ingest, connections, rates).register(server)
    Live(feed, connections).register(sock)
    metrics = Metrics(ingest, connections, feed, rollups, alerts)
    Api(settings, store, background, history, ingest, connections, alerts, metrics, rates).register(server)
    guard.allow_scripts(Page(store).register(server))
    return SpeedDash(settings, server, store, background, ingest, connections, rollups, alerts)
