"""`python -m benchmarks NAME`: SpeedDash beside its peers, in one go, on a private MariaDB; `--help` lists the names."""

import sys
from pathlib import Path

import click

from benchmarks import dense, fanout, faults, history, ingest, latency, model, nodes, page, sockets, trips
from benchmarks.report import Report, machine

runs = click.option(
    "--runs", type=click.IntRange(1), default=3, show_default=True, help="How often; the median counts."
)
to_file = click.option(
    "--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Keep every run in this file."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure SpeedDash beside what people would use instead. Every echo is checked, and every row counted."""


@main.command("ingest")
@runs
@to_file
@click.option("--seconds", type=click.FloatRange(1), default=4.0, show_default=True, help="Length of each measurement.")
def ingest_command(runs: int, path: Path | None, seconds: float) -> None:
    """Durable echoes a second: the original design, Node with a pool, the driver's own limit."""
    report = Report("ingest: readings echoed a second", machine())
    ingest.run(report, runs, seconds)
    _finish(report, path)


@main.command("latency")
@runs
@to_file
def latency_command(runs: int, path: Path | None) -> None:
    """The wait of one sender, beside a bare INSERT + COMMIT + echo."""
    report = Report("latency: one client, one frame in flight", machine())
    latency.run(report, runs)
    _finish(report, path)


@main.command("sockets")
@runs
@to_file
@click.option("--count", type=click.IntRange(1), default=5_000, show_default=True, help="Sockets open at once.")
def sockets_command(runs: int, path: Path | None, count: int) -> None:
    """Thousands of sockets, each at one reading a second."""
    report = Report(f"sockets: {count:,} at one reading a second, one process", machine())
    sockets.run(report, runs, count)
    _finish(report, path)


@main.command("fanout")
@runs
@to_file
@click.option("--only", help="Scenarios whose name contains this.")
def fanout_command(runs: int, path: Path | None, only: str | None) -> None:
    """Thousands of watchers, beside a bare broadcast of Node."""
    report = Report("fanout: from a sender to all who watch", machine())
    fanout.run(report, runs, only)
    _finish(report, path)


@main.command("nodes")
@runs
@to_file
@click.option("--seconds", type=click.FloatRange(1), default=4.0, show_default=True, help="Length of each measurement.")
def nodes_command(runs: int, path: Path | None, seconds: float) -> None:
    """Several processes on one database: what each reading costs, and its way to a watcher elsewhere."""
    report = Report("nodes: 100 clients, readings echoed a second", machine())
    nodes.run(report, runs, seconds)
    _finish(report, path)


@main.command("page")
@runs
@to_file
def page_command(runs: int, path: Path | None) -> None:
    """What the page costs the browser, and that it shows every reading."""
    report = Report("page: in Chromium, 1440 by 900", machine())
    page.run(report, runs)
    _finish(report, path)


@main.command("history")
@runs
@to_file
@click.option("--seconds", type=click.FloatRange(1), default=6.0, show_default=True, help="Length of an ingest.")
@click.option("--days", type=click.IntRange(1), default=365, show_default=True, help="Days of readings, one a second.")
def history_command(runs: int, path: Path | None, seconds: float, days: int) -> None:
    """Any window of a year, on MariaDB and SQLite, and ingest with rollups beside ingest without."""
    report = Report(f"history: {days * history.DAY_S:,} readings, one a second", machine())
    history.run(report, runs, seconds, days=days)
    _finish(report, path)


@main.command("dense")
@to_file
@click.option("--readings", type=click.IntRange(1), default=dense.READINGS, show_default=True, help="1,000 a second.")
def dense_command(path: Path | None, readings: int) -> None:
    """One source of 1,000 readings a second beside 10,000 others: answers, and the wait of a sender."""
    report = Report(
        f"dense: {readings:,} readings of one source, 1,000 a second, beside {dense.SOURCES:,} sources", machine()
    )
    dense.run(report, readings)
    _finish(report, path)


seed_option = click.option("--seed", type=int, help="The random moments of an earlier run.")
table_option = click.option(
    "--write",
    "table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Put the tables in the place of those in this file.",
)


@main.command("faults")
@to_file
@click.option(
    "--cycles",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Kills of the server; a quarter as many of the database.",
)
@seed_option
@table_option
def faults_command(path: Path | None, cycles: int, seed: int | None, table: Path | None) -> None:
    """Everything that may go wrong, done on purpose: no echoed reading is lost, none is stored twice."""
    _faults("faults", (faults.FAULTS, faults.HOSTILE), cycles, seed, table, path)


@main.command("cluster")
@to_file
@click.option("--cycles", type=click.IntRange(1), default=50, show_default=True, help="Kills of each kind.")
@seed_option
@table_option
def cluster_command(path: Path | None, cycles: int, seed: int | None, table: Path | None) -> None:
    """The same with several servers, of SpeedDash, MySQL and Redis; see tests/cluster/run.sh for what it needs."""
    _faults("cluster", (faults.CLUSTER,), cycles, seed, table, path)


def _faults(
    name: str, sections: tuple[str, ...], cycles: int, seed: int | None, table: Path | None, path: Path | None
) -> None:
    rows, fine = faults.run(sections, cycles, seed, click.echo)
    found = machine()
    write = f" --write {table}" if table else ""
    document = faults.text(rows, found, f"python -m benchmarks {name} --cycles {cycles}{write}")
    click.echo(document)
    if table:
        faults.write(table, document)
    if path:
        faults.write_json(path, rows, found, cycles)
    sys.exit(0 if fine else 1)


@main.command("model")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="How long.")
@click.option("--seed", type=int, help="The first seed; a failure names its own.")
def model_command(minutes: float, seed: int | None) -> None:
    """Random operations on both databases beside a model of the documents: no answer may differ."""
    sys.exit(0 if model.run_for(minutes, seed, click.echo) else 1)


@main.command("trips")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def trips_command(folder: Path) -> None:
    """Trips against a published table: FOLDER holds a folder for each vehicle, with its days and trips.csv."""
    for line in trips.run(folder):
        click.echo(line)


def _finish(report: Report, path: Path | None) -> None:
    click.echo(report.text())
    if path:
        report.write(path)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
