"""The measuring instruments: they must notice what is wrong."""

import socket
import threading

import pytest
import requests

from benchmarks.faults import Case, Row, text, write
from benchmarks.load import Frames, latency, throughput
from benchmarks.progress import Progress
from benchmarks.report import Report, Target


def measure(port, frames, **options):
    return throughput(
        [port],
        lambda at: f"/ws?source=bench-{at}",
        clients=5,
        in_flight=4,
        frames=frames,
        warm_up_s=0.1,
        seconds=0.3,
        progress=Progress("", 1),
        until_empty=True,
        **options,
    )


@pytest.mark.any_database
def test_counted_readings_are_stored(server):
    found = measure(server.port, Frames(3_000, 2))
    assert found.rate > 0
    assert sum(len(server.readings(f"bench-{at}")) == 0 for at in range(5)) == 0
    stored = sum(
        float(line.split()[-1])
        for line in requests.get(f"{server.url}/metrics", timeout=5).text.splitlines()
        if line.startswith("speeddash_readings_stored_total")
    )
    assert stored == found.total


def test_latency_is_one_time_a_frame(server):
    assert len(latency(server.port, "/ws?source=latency", count=20, frames=Frames(20, 1))) == 20


def test_wrong_echo_fails_the_run():
    def answer_wrong():
        with listener, listener.accept()[0] as client:
            client.recv(4096)
            client.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            client.recv(4096)
            client.sendall(b"\x81\x02{}")

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    liar = threading.Thread(target=answer_wrong)
    liar.start()
    with pytest.raises(AssertionError, match="not the echo"):
        latency(port, "/", count=1, frames=Frames(1, 1))
    liar.join()


def test_report_says_what_was_missed():
    report = Report("trial", {"cpu": "one"})
    for value in (1.0, 3.0, 2.0):
        report.add("found", value)
        report.add("other", 4.0)
    report.targets.append(Target("ratio", at_least=0.75, runs=report.ratios("found", "other")))
    report.targets.append(Target("wait", at_most=2, runs=report.figures["found"], unit="ms"))
    assert "| ratio | at least 0.75 x | 0.50 x | MISSED |" in report.text()
    assert "| wait | at most 2 ms | 2.00 ms | met |" in report.text()


def test_table_of_faults_hides_no_failure():
    passed, failed = Case("a", "passed", figures={"lost": 0, "sent": 2}), Case("b", "failed", "assert 1 == 2")
    skipped = Case("c", "skipped", "no permission to mount")
    rows = [
        Row("Faults", "The server", "Server killed", {"mysql": [passed, passed], "sqlite": [passed, failed]}),
        Row("Faults", "The server", "Disk full", {"mysql": [skipped]}),
    ]
    document = text(rows, {"cpu": "one"}, "run it")
    assert "| Server killed | 2 of 2 passed | **FAILED** 1 of 2 |" in document
    assert "MariaDB: lost 0, sent 4; SQLite: lost 0, sent 2" in document
    assert "| Disk full | skipped 1 of 1: no permission to mount |  |" in document


def test_table_of_faults_replaces_its_section_alone(tmp_path):
    path = tmp_path / "reliability.md"
    path.write_text("# Reliability\n\nWords.\n\n## Faults\n\nold\n\n## By hand\n\nkept\n")
    row = Row("Faults", "The server", "Server killed", {"mysql": [Case("a", "passed")]})
    write(path, text([row], {"cpu": "one"}, "run it"))
    whole = path.read_text()
    assert whole.startswith("# Reliability\n\nWords.\n\n## Faults\n\nMade by `run it` on: cpu one.\n")
    assert "| Server killed | passed |" in whole
    assert "old" not in whole
    assert whole.endswith("\n\n## By hand\n\nkept\n")
    write(path, text([Row("Several servers", "Group", "Primary killed", {"": [Case("b", "passed")]})], {}, "x"))
    assert whole in path.read_text()
    assert "## Several servers" in path.read_text()
