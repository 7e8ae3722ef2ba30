"""The command `speeddash`, the same as `python -m speeddash`."""

import click

from speeddash.cli.connect import connect
from speeddash.cli.publish import publish
from speeddash.cli.replay import replay
from speeddash.cli.transfer import export_readings, import_recordings, rebuild_rollups


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="speeddash")
def main() -> None:
    """SpeedDash: a live speed dashboard. `python run.py` starts the server."""


for command in (import_recordings, export_readings, rebuild_rollups, replay, connect, publish):
    main.add_command(command)
