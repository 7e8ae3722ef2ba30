"""`serve`: starts the server."""

import os
import sys

import click


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Serve the page, the WebSocket and the REST interface; `serve --help` lists the options. This is what `speeddash` alone does."""
    # In a process of its own: gevent must patch the standard library before anything is imported.
    os.execv(sys.executable, [sys.executable, "-m", "speeddash.serve", *arguments])  # noqa: S606 - this program
