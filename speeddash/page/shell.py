"""The shell of the page: what all places share. Sockets live here, so that a device goes on sending while its user looks at trips."""

from random import Random
from typing import Any, Final, NamedTuple

from dash import dcc, html
from dash.development.base_component import Component
from dash_extensions import WebSocket

from speeddash.page.controls import aria, button, choice
from speeddash.page.drive import drive
from speeddash.page.figures import chart_config
from speeddash.page.live import live
from speeddash.page.place import Visitor
from speeddash.page.source_list import MAX_LISTED
from speeddash.units import SYMBOL

ON_OFF: Final = {"on": "On", "off": "Off"}
#: Label and options of each setting.
SETTINGS: Final = {
    "unit": ("Unit", SYMBOL),
    "theme": ("Theme", {"light": "Light", "dark": "Dark", "system": "System"}),
    "shortcuts": ("Keyboard shortcuts", ON_OFF),
    "sound": ("Sound above the limit", ON_OFF),
    "notify": ("Notifications", ON_OFF),
    "hold": ("Above the limit after", {"0": "0 s", "3": "3 s", "10": "10 s"}),
    "silence": ("Report silence after", {"0": "Never", "1": "1 min", "5": "5 min"}),
}


class Shown(NamedTuple):
    """A place that is shown from the beginning.

    Attributes:
        path: Its path.
        search: The query of its address.
        told: What the browser said about its reader at its last visit.
        children: Its components.
    """

    path: str
    search: str
    told: dict[str, Any]
    children: Any


def shell(
    places: dict[str, str],
    visitor: Visitor,
    latest: str | None,
    *,
    elsewhere: bool = False,
    shown: Shown | None = None,
) -> Component:
    """Return the components of the page.

    Args:
        places: Title of each place by its path.
        visitor: What the visitor may do.
        latest: Source that a first visit opens on; None to begin with the simulator.
        elsewhere: Another place than the live one is asked for.
        shown: That place, where the browser has said before who reads it; else the page asks for it.
    """
    # A property that is None is not the same as none: Dash would report it as changed.
    address: dict[str, Any] = {"pathname": shown.path, "search": shown.search} if shown else {}
    wanted: dict[str, Any] = {"data": shown.path} if shown else {}
    told: dict[str, Any] = {"data": shown.told} if shown else {}
    config = chart_config() | {
        "maySend": visitor.may_send,
        "latest": latest,
        "maxListed": MAX_LISTED,
        "drive": drive(Random()),  # noqa: S311 - a toy
    }
    return html.Div(
        id="page",
        className="page",
        children=[
            dcc.Location(id="address", refresh="callback-nav", **address),
            WebSocket(id="socket"),
            WebSocket(id="live-socket"),
            dcc.Interval(id="sources-poll", interval=10_000, disabled=True),
            dcc.Store(id="looks", data=config),
            dcc.Store(id="reader", **told),
            dcc.Store(id="sources"),
            dcc.Store(id="import-state"),
            dcc.Store(id="place-wanted", **wanted),
            html.A("Skip to content", href="#content", className="skip"),
            _header(places, visitor),
            html.Div(id="notice", className="notice", hidden=True, role="region", **aria(label="Notice")),
            html.P(id="announce", className="unseen", **aria(live="polite")),
            html.Div(
                id="content",
                className="content",
                tabIndex=-1,
                children=[
                    live(visitor, hidden=elsewhere),
                    html.Div(shown and shown.children, id="place", className="place-box"),
                ],
            ),
            _driving(),
            html.Dialog(id="import", **aria(label="Import recordings"), children=html.Div(id="import-box")),
            html.Div(id="drop", className="drop", hidden=True, children=html.P("Drop recordings to import them")),
        ],
    )


def _header(places: dict[str, str], visitor: Visitor) -> Component:
    return html.Header(
        [
            html.P(["Speed", html.Span("Dash")], className="brand"),
            html.Nav(
                **aria(label="Places"),
                children=[dcc.Link(title, href=path, id=f"place-{title.lower()}") for path, title in places.items()],
            ),
            html.Div(
                className="state",
                children=[
                    html.Span("Connecting", id="status", className="status connecting"),
                    html.Span("", id="waiting", className="waiting", title="Readings that are not stored yet"),
                ],
            ),
            html.Details(
                id="settings",
                className="menu",
                children=[
                    html.Summary("Settings"),
                    html.Div(
                        className="menu-box",
                        children=[
                            *(
                                html.Div([label, choice(name, label, options)])
                                for name, (label, options) in SETTINGS.items()
                            ),
                            html.Div(
                                [
                                    button("fullscreen", "Full screen"),
                                    button("help", "Keys and help"),
                                    button("open-import", "Import", hidden=not visitor.may_send),
                                    *([_sign_out()] if visitor.signed_in else []),
                                ]
                            ),
                        ],
                    ),
                ],
            ),
        ]
    )


def _sign_out() -> Component:
    return html.Form(action="/sign-out", method="post", children=html.Button("Sign out"))


def _driving() -> Component:
    return html.Div(
        id="driving-bar",
        className="driving-bar",
        children=[
            button("mirror", "Mirror", hint="For the windscreen (m)"),
            button("leave-driving", "Leave", hint="Esc"),
        ],
    )
