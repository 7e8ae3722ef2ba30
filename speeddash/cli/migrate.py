"""`migrate`: brings the tables to the version of this program."""

import click

from speeddash.cli.console import log_to_console
from speeddash.cli.options import database_option
from speeddash.errors import SettingsError, StoreError
from speeddash.settings import Settings
from speeddash.store import open_store
from speeddash.store.migrations import VERSION


@click.command()
@database_option
def migrate(database_url: str | None) -> None:
    """Make or migrate the tables without starting a server, which does the same at its start.

    Each step is logged with what it costs a large table.
    """
    log_to_console()
    try:
        store = open_store(Settings.load(database_url=database_url).database_url.get_secret_value())
    except SettingsError as wrong:
        raise click.UsageError(str(wrong)) from None
    try:
        store.prepare()
    except StoreError as wrong:
        raise click.ClickException(str(wrong)) from None
    finally:
        store.close()
    click.echo(f"{store.shown_url}: schema version {VERSION}")
