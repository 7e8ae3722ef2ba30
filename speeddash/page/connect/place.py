"""The layout and the callback of the connect place."""

import socket
from collections.abc import Iterator
from itertools import count, groupby
from typing import Any, Final
from urllib.parse import urlsplit

import segno
from dash import Input, Output, dcc, html
from dash.development.base_component import Component
from flask import request

from speeddash.auth.access import Access
from speeddash.errors import InvalidInput
from speeddash.page.connect.ways import Way, ways
from speeddash.page.controls import field
from speeddash.page.place import Callbacks, Visitor
from speeddash.page.reader import Reader
from speeddash.reading import parse_source
from speeddash.settings import Settings

LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
DEFAULT_SOURCE: Final = "car"


class ConnectPlace:
    """The connect place of one Dash application."""

    path = "/connect"
    title = "Connect"

    def __init__(self, settings: Settings) -> None:
        self._listens_here_alone = settings.host in LOOPBACK
        self._token = Access.of(settings).required

    def layout(self, search: str, reader: Reader, visitor: Visitor) -> Component:  # noqa: ARG002 - a place has all of them
        """Return the components of the place."""
        address = self._address()
        return html.Main(
            id="connect-place",
            className="place connect-place",
            children=[
                html.H1("Connect"),
                html.P(
                    "How devices and apps send their speed to this server. Readings are drawn once they are stored."
                ),
                *self._hints(),
                html.Div(
                    className="toolbar",
                    children=[
                        field("connect-source", "Source", value=DEFAULT_SOURCE, maxLength=64),
                        field("connect-address", "Server address", value=address, type="url"),
                    ],
                ),
                html.Div(id="connect-ways", children=self._ways(DEFAULT_SOURCE, address)),
            ],
        )

    def register(self, callbacks: Callbacks) -> None:
        """Add its callback."""
        callbacks.read(
            self._ways,
            Output("connect-ways", "children"),
            Input("connect-source", "value"),
            Input("connect-address", "value"),
            prevent_initial_call=True,
        )

    def _hints(self) -> list[Component]:
        hints = []
        if self._listens_here_alone:
            hints.append(
                "This server answers this machine alone. For phones and other machines start it with "
                "SPEEDDASH_HOST=0.0.0.0 and a SPEEDDASH_TOKEN of 16 or more characters."
            )
        if self._token:
            hints.append("Put a token in the place of TOKEN; that of one source (SPEEDDASH_SOURCE_TOKENS) is enough.")
        return [html.P(each, className="hint") for each in hints]

    def _address(self) -> str:
        """Return the address at which others reach this server, as far as it is known."""
        own = urlsplit(request.host_url)
        if own.hostname not in LOOPBACK or self._listens_here_alone:
            return request.host_url.rstrip("/")
        return f"{own.scheme}://{_network_address() or own.hostname}:{own.port or 80}"

    def _ways(self, source: str | None, address: str | None) -> list[Component]:
        try:
            name = parse_source(source)
        except InvalidInput as wrong:
            return [html.P(wrong.message, className="problem", role="alert")]
        parts = urlsplit((address or "").strip().rstrip("/"))
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            return [html.P("The address must begin with http:// or https://", className="problem", role="alert")]
        all_ways = ways(f"{parts.scheme}://{parts.netloc}", name, token=self._token)
        found: list[Component] = []
        numbers = count()
        for group, members in groupby(all_ways, lambda way: way.group):
            found += [html.H2(group), html.Div([_card(each, numbers) for each in members], className="cards")]
        return found


def _card(way: Way, numbers: Iterator[int]) -> Component:
    parts: list[Any] = [html.H3(way.name), html.P(way.about, className="quiet")]
    if way.line:
        parts.append(_copied(way.line, next(numbers)))
    if way.settings:
        rows = [html.Div([html.Dt(name), html.Dd(_copied(value, next(numbers)))]) for name, value in way.settings]
        parts.append(html.Dl(rows, className="settings"))
    if way.link:
        code = segno.make(way.link, micro=False).svg_data_uri(scale=3, border=2, dark="#000", light="#fff")
        parts.append(html.Figure([html.Img(src=code, alt=f"QR code: {way.link_text}"), html.Figcaption(way.link_text)]))
    return html.Section(parts, className="card")


def _copied(text: str, number: int) -> Component:
    # Each word by itself: a browser would break a line between the two hyphens of an option.
    words = [part for word in text.split(" ") for part in (html.Span(word), " ")]
    return html.Div(
        className="copied",
        children=[
            html.Code(words[:-1]),
            # The clipboard itself cannot be reached by keyboard: the button presses it.
            html.Button("Copy", id={"type": "copy", "number": number}, className="copy", title=f"Copy {text}"),
            html.Span(
                dcc.Clipboard(
                    id={"type": "clipboard", "number": number}, content=text, children="", copied_children="Copied"
                ),
                role="status",
                className="copy-done",
            ),
        ],
    )


def _network_address() -> str | None:
    """Return this machine's address in its network; nothing is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that is reserved for documents
        except OSError:
            return None
        return str(probe.getsockname()[0])
