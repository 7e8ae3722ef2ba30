"""GPS receivers behind gpsd, a TCP server, UDP and a serial port: each program is killed in the middle, and what was reported is stored once."""

import signal
import sqlite3
import time
from contextlib import closing
from datetime import datetime

import pytest

from tests.devices.programs import Connect, Datagrams, Gpsd, NmeaServer, SerialPair, rmc, sentence
from tests.running import wait_for

#: A multiple of a tenth of a second, of a time at which every receiver of the test is switched on.
STEP_S = 0.1


class Receiver:
    """A receiver that moves: one epoch after the other, each with a speed of its own.

    Attributes:
        made: Speeds in km/h by time in ms.
    """

    def __init__(self, device):
        self.device = device
        self.made = {}
        self._at_ms = int(time.time() - 3600) * 1000

    def drive(self, epochs):
        """Report so many epochs, faster than in life. Return the times of them."""
        times = []
        for _ in range(epochs):
            self._at_ms += int(STEP_S * 1000)
            knots = 10 + len(self.made) % 800 / 10
            self.made[self._at_ms] = knots * 1.852
            self.device.send(rmc(self._at_ms / 1000, knots))
            times.append(self._at_ms)
            time.sleep(0.01)  # the rate of the receiver
        return times


def stored(server, source="car"):
    """Speeds by time in ms; an error if a moment is stored twice."""
    readings = server.readings(source)
    found = {round(datetime.fromisoformat(each["timestamp"]).timestamp() * 1000): each["speed"] for each in readings}
    assert len(found) == len(readings)
    return found


def waiting(connect):
    with closing(sqlite3.connect(f"file:{connect.outbox}?mode=ro", uri=True)) as outbox:
        if not outbox.execute("SELECT 1 FROM sqlite_master WHERE name = 'waiting'").fetchone():
            return 0
        return outbox.execute("SELECT COUNT(*) FROM waiting").fetchone()[0]


def report_until(receiver, seen):
    """Drive until what it reports arrives: programs need some time to connect."""
    wait_for(lambda: receiver.drive(3) and seen(), 60)


KINDS = {"gpsd": Gpsd, "tcp": NmeaServer, "udp": Datagrams, "serial": SerialPair}


@pytest.mark.parametrize("kind", KINDS)
def test_each_program_is_killed_in_the_middle_and_nothing_reported_is_lost_or_doubled(
    kind, server, connect, programs, tmp_path, record_property
):
    """The server, `speeddash connect` and the program of the device are killed (SIGKILL) one after the other, and started again"""
    device = programs(KINDS[kind], *([tmp_path] if kind in ("gpsd", "serial") else []))
    bridge = connect(device.url, "--source", "car")
    receiver = Receiver(device)
    report_until(receiver, lambda: stored(server))

    # The server is away: everything waits on the disk, and `connect` is killed as well.
    before = receiver.drive(20)
    wait_for(lambda: before[-1] in stored(server), 30)
    server.stop(signal.SIGKILL)
    while_away = receiver.drive(50)
    wait_for(lambda: waiting(bridge) >= 50, 30)
    bridge.stop(signal.SIGKILL)
    server.start()
    bridge.start()
    report_until(receiver, lambda: waiting(bridge) == 0 and max(stored(server)) > while_away[-1])
    assert set(while_away) <= set(stored(server))

    # The program of the device is killed; nothing is sent meanwhile, above all no 0.
    if kind != "udp":
        device.stop(signal.SIGKILL)
        silent = max(receiver.made)
        device.start()
        report_until(receiver, lambda: max(stored(server)) > silent)

    last = receiver.drive(20)
    wait_for(lambda: last[-1] in stored(server), 30)
    found = stored(server)
    assert set(last) <= set(found)
    assert set(before) <= set(found)
    for at_ms, speed in found.items():
        assert speed == pytest.approx(receiver.made[at_ms], abs=0.01)
    record_property("reported", len(receiver.made))
    record_property("stored", len(found))


def test_receiver_without_a_fix_gives_nothing_and_is_named(server, connect, programs):
    device = programs(NmeaServer)
    bridge = connect(device.url, "--source", "car")
    wait_for(lambda: device.has_client, 20)

    def sent():
        device.send(rmc(time.time(), 0, status="V"))
        return "nothing from nmea+tcp://localhost" in bridge.output

    wait_for(sent, 40)
    assert server.readings("car") == []


def test_two_devices_at_once_each_with_its_source(server, connect, programs):
    boat, car = programs(NmeaServer), programs(Datagrams)
    connect(boat.url, car.url, "--source", "boat", "--source", "car")
    for device, source in ((boat, "boat"), (car, "car")):
        receiver = Receiver(device)
        report_until(receiver, lambda: stored(server, source))  # noqa: B023 - called before the next round


def test_what_is_between_sentences_and_damaged_ones_are_skipped(server, connect, programs):
    device = programs(NmeaServer)
    connect(device.url, "--source", "car")
    receiver = Receiver(device)
    report_until(receiver, lambda: stored(server))
    damaged = rmc(time.time(), 99).replace(b"99.000", b"12.000")
    device.send(b"\xff\xfe\x00 comment\r\n" + damaged + b"$GPRMC,half")
    device.send(b"\r\n")
    last = receiver.drive(5)
    wait_for(lambda: last[-1] in stored(server), 20)
    assert set(stored(server)) <= set(receiver.made)


def test_speed_without_any_time_gets_that_of_its_arrival(server, connect, programs):
    device = programs(NmeaServer)
    connect(device.url, "--source", "log")
    began = time.time()

    def seen():
        device.send(sentence("IIVTG,90.0,T,,M,010.0,N,018.5,K,A"))
        return len(server.readings("log")) >= 3

    wait_for(seen, 30)
    for each in server.readings("log"):
        assert each["speed"] == pytest.approx(18.52)
        assert began < datetime.fromisoformat(each["timestamp"]).timestamp() < time.time()


def test_wrong_token_is_named_and_readings_wait(run, tmp_path, programs):
    server = run(f"sqlite:///{tmp_path}/speed.db", SPEEDDASH_TOKEN="the-token-of-the-server")
    device = programs(NmeaServer)
    bridge = Connect(
        tmp_path, f"ws://localhost:{server.port}/ws", device.url, "--source", "car", token="a-token-of-another-server"
    )
    try:
        receiver = Receiver(device)
        report_until(receiver, lambda: bridge.outbox.exists() and waiting(bridge))
        wait_for(lambda: "the token is missing or wrong (401); set SPEEDDASH_TOKEN" in bridge.output, 20)
        assert "another-server" not in bridge.output
    finally:
        bridge.stop(signal.SIGTERM)
    assert "wait in" in bridge.output
