import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.running import ROOT, wait_for

pytestmark = pytest.mark.any_database

DRIVE = "timestamp,speed_mph\n" + "".join(f"2026-01-31 12:{n // 60:02}:{n % 60:02},{n % 70}.5\n" for n in range(1500))


def replay(server, path, *options):
    url = server if isinstance(server, str) else f"ws://localhost:{server.port}/ws"
    return subprocess.run(
        [sys.executable, "-m", "speeddash", "replay", str(path), "--url", url, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def write(tmp_path, text=DRIVE, name="morning drive.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_drive_is_stored_once_however_often_it_is_sent(server, tmp_path):
    for _ in range(2):
        done = replay(server, write(tmp_path), "--fast")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "1500 readings: 1500 sent, 1500 echoed, 0 bad"
    stored = server.readings("morning-drive")
    assert [each["seq"] for each in stored] == list(range(1, 1501))
    assert stored[1]["speed"] == 1.5 * 1.609344
    assert stored[-1]["timestamp"] == "2026-01-31T12:24:59.000000Z"


def test_speed_up_passes_the_drive_in_its_own_rhythm(server, tmp_path):
    done = replay(server, write(tmp_path), "--speed-up", "1000", "--source", "quick")
    assert done.returncode == 0
    assert len(server.readings("quick")) == 1500


def test_bad_lines_are_reported_the_others_stored_and_the_exit_code_is_1(server, tmp_path):
    path = write(
        tmp_path,
        "timestamp,speed\n2026-01-31 12:00:00,1\n2026-01-31 12:00:01,x\n2026-01-31 12:00:02,9999\n2026-01-31 12:00:03,2\n",
    )
    done = replay(server, path, "--fast", "--source", "patchy")
    assert done.returncode == 1
    assert f"{path}:3: speed must be a number, got 'x'" in done.stderr
    assert f"{path}:4: speed must be 0 to 2000 km/h" in done.stderr
    assert done.stdout.splitlines()[-1] == "4 readings: 3 sent, 2 echoed, 2 bad"
    assert [each["seq"] for each in server.readings("patchy")] == [1, 4]


def test_server_that_restarts_gets_what_it_has_not_echoed_again(run, database_url, tmp_path):
    server = run(database_url)
    with ThreadPoolExecutor() as beside:
        sending = beside.submit(replay, server, write(tmp_path), "--speed-up", "300", "--source", "long")
        wait_for(lambda: len(server.readings("long")) > 100)
        server.stop(9)
        server.start()
        done = sending.result()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1500 readings: 1500 sent, 1500 echoed, 0 bad"
    assert len(server.readings("long")) == 1500


def test_reading_that_is_pushed_to_the_replay_is_not_taken_for_an_echo(server, tmp_path):
    def identity():
        listed = requests.get(f"{server.url}/api/v1/connections", timeout=5).json()["connections"]
        return [each["id"] for each in listed if each["source"] == "pushed"]

    with ThreadPoolExecutor() as beside:
        sending = beside.submit(replay, server, write(tmp_path), "--speed-up", "300", "--source", "pushed")
        (connection,) = wait_for(identity)
        for _ in range(5):
            requests.post(
                f"{server.url}/send", json={"connection_id": connection, "speed": 1}, timeout=5
            ).raise_for_status()
        done = sending.result()
    assert done.stdout.splitlines()[-1] == "1500 readings: 1500 sent, 1500 echoed, 0 bad"
    assert len(server.readings("pushed")) == 1505


def test_server_that_is_not_there_is_one_clear_line(tmp_path):
    done = replay("ws://localhost:1/ws", write(tmp_path), "--fast")
    assert done.returncode == 1
    assert "is SpeedDash running?" in done.stderr
    assert "Traceback" not in done.stderr


def test_address_that_is_no_socket_is_one_clear_line(server, tmp_path):
    done = replay(f"ws://localhost:{server.port}/healthz", write(tmp_path), "--fast")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_wrong_file_or_option_is_named(tmp_path):
    assert "no column of speeds" in replay("ws://localhost:1", write(tmp_path, "time,x\n")).stderr
    assert "source must be" in replay("ws://localhost:1", write(tmp_path), "--source", "a b").stderr
    assert "timestamp" in replay("ws://localhost:1", write(tmp_path), "--start", "monday").stderr
    assert "nan is not a number" in replay("ws://localhost:1", write(tmp_path), "--speed-up", "nan").stderr


def test_empty_drive_is_no_success(tmp_path):
    done = replay("ws://localhost:1", write(tmp_path, "time,speed\n"))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "0 readings: 0 sent, 0 echoed, 0 bad")
