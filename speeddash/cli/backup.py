"""`backup` and `restore`: copies of an SQLite database."""

from pathlib import Path

import click
from sqlalchemy.engine import make_url

from speeddash.cli.options import database_option
from speeddash.errors import SettingsError, StoreError
from speeddash.settings import Settings
from speeddash.store.backup import copy


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@database_option
def backup(file: Path, force: bool, database_url: str | None) -> None:
    """Copy the SQLite database to FILE, while a server may write to it.

    MySQL and MariaDB have tools of their own: mysqldump --single-transaction.
    """
    if file.exists() and not force:
        raise click.UsageError(f"{file} exists; --force replaces it")
    _copy(_database(database_url), file)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a database that exists. Stop the server first.")
@database_option
def restore(file: Path, force: bool, database_url: str | None) -> None:
    """Make the SQLite database from FILE, which `backup` has written."""
    database = _database(database_url)
    if database.exists() and not force:
        raise click.UsageError(f"{database} exists; stop the server, then --force replaces it")
    _copy(file, database)


def _database(url: str | None) -> Path:
    try:
        text = Settings.load(database_url=url).database_url.get_secret_value()
    except SettingsError as wrong:
        raise click.UsageError(str(wrong)) from None
    if not text.startswith("sqlite:///"):
        raise click.UsageError(
            "this is for SQLite; back up MySQL and MariaDB by their own tools: mysqldump --single-transaction --databases NAME > FILE"
        )
    return Path(make_url(text).database or "").absolute()


def _copy(source: Path, target: Path) -> None:
    try:
        count = copy(source, target)
    except StoreError as wrong:
        raise click.ClickException(str(wrong)) from None
    click.echo(f"{target}: {count:,} readings, {target.stat().st_size:,} bytes")
