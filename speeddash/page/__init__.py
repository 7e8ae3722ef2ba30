"""The page: what is echoed, drawn."""

import dash
from dash import ClientsideFunction, Input
from flask import Flask

from speeddash.files import shipped
from speeddash.page.layout import layout

INDEX = """<!DOCTYPE html>
<html lang="en">
    <head>
        {%metas%}
        <title>{%title%}</title>
        <link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
        {%css%}
    </head>
    <body>
        {%app_entry%}
        <footer>
            {%config%}
            {%scripts%}
            {%renderer%}
        </footer>
    </body>
</html>
"""


class Page:
    """The Dash page of one Flask application.

    A reading never passes through a server callback: sending, confirming and drawing happen in the browser, in the functions
    of `assets/`, which the callbacks below name.
    """

    def register(self, server: Flask) -> None:
        """Serve the page at `/`."""
        app = dash.Dash(
            __name__,
            server=server,  # type: ignore[arg-type]  # a Flask application is what it takes first of all
            title="SpeedDash",
            update_title="",
            index_string=INDEX,
            assets_folder=str(shipped("assets")),
            meta_tags=[
                {"name": "viewport", "content": "width=device-width, initial-scale=1"},
                {"name": "color-scheme", "content": "light dark"},
                {"name": "description", "content": "A live speed dashboard: every point drawn is stored."},
            ],
        )
        app.layout = layout
        for function, trigger in (
            ("start", Input("themes", "data")),
            ("tick", Input("second", "n_intervals")),
            ("connectionChanged", Input("socket", "state")),
            ("received", Input("socket", "message")),
            ("zoomed", Input("live-graph", "relayoutData")),
            ("goLive", Input("go-live", "n_clicks")),
            ("exportPng", Input("export-png", "n_clicks")),
        ):
            # No Output: the functions show what they decide through set_props.
            app.clientside_callback(ClientsideFunction("speeddash", function), trigger)  # type: ignore[no-untyped-call]
