"""Builds the parts of SpeedDash, each once, and passes them to the parts that need them."""

from dataclasses import dataclass

from flask_openapi3 import OpenAPI

from speeddash.alerts.alerts import Alerts
from speeddash.alerts.notifications import Notifications
from speeddash.api import Api
from speeddash.auth.access import Access
from speeddash.auth.guard import Guard
from speeddash.cluster.node import Node
from speeddash.cluster.peers import Peers
from speeddash.history.history import History
from speeddash.history.worker import RollupWorker
from speeddash.live.connections import Connections
from speeddash.live.feed import Feed
from speeddash.live.ingest import Ingest
from speeddash.live.senders import SenderSockets
from speeddash.live.watchers import WatcherSockets
from speeddash.metrics import Metrics
from speeddash.network.access_log import AccessLog
from speeddash.network.rate_limit import RateLimits
from speeddash.page import Page
from speeddash.settings import Settings
from speeddash.store import Store, open_store

#: Longest times of a stop: for the answers of sockets, then for the last commit.
DRAIN_S = 0.8
FLUSH_S = 0.4
#: Time for the way to another server and back, beside its commit.
ANSWER_S = 2.0


@dataclass(frozen=True)
class SpeedDash:
    """One SpeedDash. `server` is a WSGI application for a server that lets flask-sock use its socket."""

    settings: Settings
    server: OpenAPI
    store: Store
    background: Store
    ingest: Ingest
    connections: Connections
    rollups: RollupWorker
    alerts: Alerts
    page: Page
    node: Node | None

    def start(self) -> None:
        """Start the background work. Requests may arrive already."""
        self.ingest.start()
        self.connections.keep_alive(self.settings.ping_interval_s)
        self.rollups.start()
        self.alerts.start()
        if self.node:
            self.node.start()

    def stop(self) -> None:
        """Commit, echo, and close every socket with 1012, within 2 s whatever the database does."""
        self.rollups.stop()
        self.alerts.stop()
        self.connections.drain()
        self.connections.wait_until_empty(DRAIN_S)
        self.ingest.stop(FLUSH_S)  # frames that still wait are acknowledged as not stored, which closes their sockets
        self.connections.wait_until_empty(FLUSH_S / 2)
        if self.node:
            self.node.stop()

    def close(self) -> None:
        """Close every connection to the database."""
        self.store.close()
        self.background.close()


def create_app(settings: Settings) -> SpeedDash:
    """Build a SpeedDash, without connecting or starting anything.

    Raises:
        SettingsError: The database URL cannot be used.
    """
    server = OpenAPI("speeddash", static_folder=None, doc_ui=False)
    server.debug = False  # whatever FLASK_DEBUG says
    store = open_store(settings.database_url.get_secret_value(), timeout_s=settings.database_timeout_s)
    # With its own connections, commits and background work do not wait for requests.
    background = store.with_own_connections()
    history = History(store)
    feed = Feed(settings.max_feed_readings)
    ingest = Ingest(background, feed)
    node = _node(settings, background, feed, ingest)
    connections = Connections()
    webhook = settings.webhook_url
    turn = {"turn": node.turn} if node else {}
    notify_urls = [each.get_secret_value() for each in settings.notify_urls or ()]
    alerts = Alerts(
        background,
        webhook.get_secret_value() if webhook else None,
        **turn,
        tolerance_kmh=settings.limit_tolerance_kmh,
        notifications=Notifications(notify_urls, settings.notify_min_s) if notify_urls else None,
    )
    rollups = RollupWorker(
        background,
        keep_raw_days=settings.keep_raw_days,
        received=lambda: ingest.received,
        recheck=alerts.limits.recheck,
        **turn,
    )
    rates = RateLimits(settings.max_readings_per_s, settings.max_address_readings_per_s)
    guard = Guard(settings, Access.of(settings))
    if settings.access_log:  # within the guard, which knows the address of a client behind a proxy
        server.wsgi_app = AccessLog(server.wsgi_app)  # type: ignore[method-assign]
    # First: its check must precede all others.
    guard.register(server)
    sock = SenderSockets(settings, ingest, connections, rates).register(server)
    WatcherSockets(feed, connections).register(sock)
    metrics = Metrics(ingest, connections, feed, rollups, alerts, store, node)
    peers = _peers(settings, store, node)
    if peers:
        connections.prefix = peers.prefix
    Api(settings, store, background, history, ingest, connections, alerts, metrics, rates, peers).register(server)
    page = Page(settings, store, history, alerts.limits)
    guard.allow_scripts(page.register(server))
    return SpeedDash(settings, server, store, background, ingest, connections, rollups, alerts, page, node)


def _node(settings: Settings, store: Store, feed: Feed, ingest: Ingest) -> Node | None:
    if settings.node_url is None:
        return None
    bus_url = settings.bus_url.get_secret_value() if settings.bus_url else None
    node = Node(store, feed, settings.node_url, bus_url, _token(settings), lambda: ingest.durability is not None)
    ingest.announce = node.announce
    return node


def _peers(settings: Settings, store: Store, node: Node | None) -> Peers | None:
    # A server that waits for its commit answers 503 by itself.
    return Peers(store, node.id, _token(settings), settings.store_timeout_s + ANSWER_S) if node else None


def _token(settings: Settings) -> str:
    return settings.token.get_secret_value() if settings.token else ""
