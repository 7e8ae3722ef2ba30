"""The command `speeddash`, the same as `python -m speeddash`."""

import click

from speeddash.cli.backup import backup, restore
from speeddash.cli.connect import connect
from speeddash.cli.migrate import migrate
from speeddash.cli.publish import publish
from speeddash.cli.replay import replay
from speeddash.cli.serve import serve
from speeddash.cli.transfer import export_readings, import_recordings, rebuild_rollups


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="speeddash")
@click.pass_context
def main(context: click.Context) -> None:
    """SpeedDash: a live speed dashboard. Without a command it starts the server."""
    if context.invoked_subcommand is None:
        context.invoke(serve, arguments=())


COMMANDS = (
    serve, import_recordings, export_readings, rebuild_rollups, replay, connect, publish, backup, restore, migrate,
)  # fmt: skip
for command in COMMANDS:
    main.add_command(command)
