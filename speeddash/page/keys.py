"""The help of the page: what each key does."""

from html import escape
from typing import Final

KEYS: Final = {
    "space": "pause and resume live",
    "1 to 5": "window: 1 and 5 and 15 minutes, an hour, a day",
    "← →": "earlier, later",
    "l": "back to live",
    "u": "next unit",
    "t": "next theme",
    "i": "import recordings",
    "d": "driving mode",
    "m": "mirror driving mode for the windscreen",
    "f": "full screen",
    "?": "this help",
    "Esc": "leave driving mode",
}


def keys_dialog() -> str:
    """Return the dialog as HTML. Dash visits each of its components at every change, and nothing in here ever changes."""
    keys = "".join(f"<div><dt><kbd>{escape(key)}</kbd></dt><dd>{escape(does)}</dd></div>" for key, does in KEYS.items())
    return (
        f'<dialog id="keys" aria-label="Keys"><h2>Keys</h2><dl>{keys}</dl>'
        "<p>Drag across the chart to zoom, along its time axis to move. Double-click to return to live.</p>"
        "<p>Drop recordings on the page to import them: CSV, FIT, GPX, TCX, NMEA, VBO or NDJSON.</p>"
        '<form method="dialog"><button>Close</button></form></dialog>'
    )
