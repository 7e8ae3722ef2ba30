"""Sensors for Home Assistant: discovered by its documented messages, available while speeds come."""

import json
import signal
import subprocess
import sys
import threading
import zlib

import pytest

from tests.devices.programs import Command
from tests.running import ROOT, wait_for


class Publisher(Command):
    """`speeddash publish`."""

    def __init__(self, folder, broker, server, *words):
        super().__init__(folder, "publish", broker.url, "--server", f"ws://localhost:{server.port}/ws", *words)


class Subscriber:
    """What a program that subscribes to everything has: the last payload of each topic."""

    def __init__(self, broker):
        command = [
            "mosquitto_sub",
            "-h",
            "localhost",
            "-p",
            str(broker.port),
            "-u",
            "anna",
            "-P",
            "s@cret",
            "-q",
            "1",
            "-t",
            "#",
            "-v",
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.topics = {}
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            topic, _, payload = line.strip().partition(" ")
            self.topics[topic] = payload

    def close(self):
        self._process.kill()
        self._process.wait(10)
        self._thread.join(10)
        self._process.stdout.close()


def send(server, source, speed):
    with server.connect(f"/ws?source={source}") as socket:
        socket.send(json.dumps({"speed": speed}))
        socket.recv(10)


#: van:7, van.7 and van_7 are three sources.
NAME = f"speeddash_van_7_{zlib.crc32(b'van:7'):08x}"
CONFIG = f"homeassistant/sensor/{NAME}/speed/config"


def test_sensor_is_discovered_shows_the_speed_and_is_unavailable_when_nobody_publishes(
    server, broker, programs, tmp_path
):
    publisher = programs(Publisher, tmp_path, broker, server)
    subscriber = programs(Subscriber, broker)
    wait_for(lambda: send(server, "van:7", 42.5) or subscriber.topics.get("speeddash/van:7/speed") == "42.50", 30)
    wait_for(lambda: subscriber.topics.get("speeddash/status") == "online", 10)
    assert subscriber.topics["speeddash/van:7/available"] == "online"
    sensor = json.loads(subscriber.topics[CONFIG])
    assert sensor["device_class"] == "speed"
    assert sensor["state_class"] == "measurement"
    assert sensor["unit_of_measurement"] == "km/h"
    assert sensor["state_topic"] == "speeddash/van:7/speed"
    assert sensor["unique_id"] == f"{NAME}_speed"
    assert sensor["device"] == {"identifiers": [NAME], "name": "van:7", "manufacturer": "SpeedDash"}
    assert [each["topic"] for each in sensor["availability"]] == ["speeddash/status", "speeddash/van:7/available"]

    # The descriptions are kept by the broker: Home Assistant may start later.
    late = programs(Subscriber, broker)
    wait_for(lambda: CONFIG in late.topics, 10)

    publisher.stop(signal.SIGKILL)
    wait_for(lambda: subscriber.topics["speeddash/status"] == "offline", 90)  # the broker's word: its last will
    publisher.start()
    wait_for(lambda: subscriber.topics["speeddash/status"] == "online", 30)
    assert publisher.stop(signal.SIGTERM) is None
    wait_for(lambda: subscriber.topics["speeddash/status"] == "offline", 10)


def test_chosen_sources_alone_over_a_restart_of_the_server(server, broker, programs, tmp_path):
    programs(Publisher, tmp_path, broker, server, "--source", "car", "--prefix", "fleet")
    subscriber = programs(Subscriber, broker)
    wait_for(lambda: send(server, "car", 10) or subscriber.topics.get("fleet/car/speed") == "10.00", 30)
    server.stop(signal.SIGKILL)
    server.start()
    wait_for(
        lambda: (
            send(server, "bus", 1) or send(server, "car", 20) or subscriber.topics.get("fleet/car/speed") == "20.00"
        ),
        30,
    )
    assert not [topic for topic in subscriber.topics if "bus" in topic]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["http://localhost"], "the scheme must be mqtt or mqtts"),
        (["mqtt://"], "the host is missing"),
        (["mqtt://u:secret@localhost?unit=kmh"], "there is no option 'unit'"),
        (["mqtt://localhost", "--prefix", "a/#"], "a topic is not empty, and has no #, + or NUL"),
        (["mqtt://localhost", "--server", "http://localhost/ws"], "scheme isn't ws or wss"),
    ],
)
def test_wrong_address_is_one_clear_line(words, problem):
    done = subprocess.run(
        [sys.executable, "-m", "speeddash", "publish", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert problem in done.stderr
    assert "secret" not in done.stderr


def test_server_that_is_away_is_named(broker, programs, tmp_path):
    publish = programs(Command, tmp_path, "publish", broker.url, "--server", "ws://localhost:1/ws")
    wait_for(lambda: "ws://localhost:1/ws/live: " in publish.output and "refused; trying again" in publish.output, 60)


def test_wrong_password_is_named(server, broker, programs, tmp_path):
    publish = programs(Command, tmp_path, "publish", broker.url.replace("s%40cret", "wrong"))
    wait_for(lambda: "the broker does not let in: not authorized" in publish.output, 30)
