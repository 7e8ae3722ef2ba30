"""Options that several commands have."""

import click

from speeddash.command_line import hide_password
from speeddash.errors import SettingsError
from speeddash.formats import FORMATS
from speeddash.settings import Settings
from speeddash.units import KMH_IN


def _without_password(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    try:
        hide_password(url)
    except SettingsError as wrong:
        raise click.UsageError(str(wrong)) from None
    return url


database_option = click.option("--database-url", callback=_without_password, help="Instead of SPEEDDASH_DATABASE_URL.")
format_option = click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    help="[default: by the name of the file, else by its content]",
)
unit_option = click.option(
    "--unit",
    type=click.Choice(list(KMH_IN)),
    help="Unit of the speeds. [default: the unit that the file names, else that of the format]",
)


def environment_token() -> str | None:
    """Return the token that is sent to a server, SPEEDDASH_TOKEN; None for none.

    Raises:
        click.UsageError: A setting of the environment is unknown or invalid.
    """
    try:
        token = Settings.load().token
    except SettingsError as wrong:
        raise click.UsageError(str(wrong)) from None
    return token.get_secret_value() if token else None
