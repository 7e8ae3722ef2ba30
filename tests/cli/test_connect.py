"""`connect`: what it says of its arguments, and of what earlier runs have left."""

import os
import signal
import subprocess
import sys

import pytest

from speeddash.reading import Reading
from speeddash.sending.outbox import Entry, Outbox
from tests.devices.programs import Datagrams
from tests.formats.test_nmea import rmc
from tests.mariadb import free_port
from tests.running import ROOT, wait_for

CONNECT = [sys.executable, "-m", "speeddash", "connect"]


def environment(folder):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPEEDDASH_")}
    return kept | {"STATE_DIRECTORY": str(folder)}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nmea+tcp://127.0.0.1:99999"], "nmea+tcp://127.0.0.1:99999: port out of range"),
        (["mqtt://u:pa/ss@localhost/t?unit=kmh"], "the address of a device is no URL; / # ? and @ in a password"),
        (["nmea+tcp://h:1", "nmea+tcp://h:2"], "devices would have the same source (nmea-h, nmea-h): give each a --source"),
    ],
)  # fmt: skip
def test_wrong_device_is_one_clear_line(tmp_path, words, problem):
    done = subprocess.run(
        [*CONNECT, *words], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert problem in done.stderr
    assert "pa/ss" not in done.stderr


def test_readings_of_a_run_with_other_arguments_are_named(tmp_path):
    left = Outbox(tmp_path / "outbox-0123456789ab.db")
    left.add([Entry(Reading("boat", n, n, 1.0)) for n in range(3)])
    left.close()
    in_use = Outbox(tmp_path / "outbox-in-use.db")
    in_use.add([Entry(Reading("boat", 1, 1, 1.0))])
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*CONNECT, f"nmea+udp://127.0.0.1:{free_port()}", "--server", "ws://localhost:1/ws"],
            cwd=ROOT, env=environment(tmp_path), stderr=output,
        )  # fmt: skip
    try:
        wait_for(lambda: f"--outbox {left.path} sends them" in log.read_text(), 60)
        assert "3 readings of a run with another server or other devices wait" in log.read_text()
        assert "in-use" not in log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        in_use.close()


def test_dry_run_ends_when_nobody_reads_it(tmp_path):
    device = Datagrams()
    command = f"{sys.executable} -m speeddash connect {device.url} --dry-run | head -n 1"
    process = subprocess.Popen(
        ["sh", "-c", command], cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        wait_for(lambda: device.send(rmc().encode()) or process.poll() is not None, 60)
        output, problems = process.communicate(timeout=30)
        assert output.count("speed") == 1
        assert "Traceback" not in problems
        assert "Exception" not in problems
    finally:
        process.kill()
        device.close()
