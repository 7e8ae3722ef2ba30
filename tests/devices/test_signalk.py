"""A Signal K server: one of several origins of a speed is followed, and it may be restarted."""

import json
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from tests.devices.programs import NmeaServer, SignalK, rmc
from tests.mariadb import free_port
from tests.running import wait_for


class Boat:
    """The stream of a Signal K server, in the form of its specification 1.7; the real server, which has 270 MB, is tried below in the long form."""

    def __init__(self):
        self.port = free_port()
        self.url = f"signalk://localhost:{self.port}"
        self.subscriptions = []
        self.speeds = {}
        self._at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        self.start()

    def start(self):
        self._clients = []
        self._server = serve(self._client, "127.0.0.1", self.port)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _client(self, socket):
        socket.send(
            json.dumps(
                {"name": "boat", "version": "2.23.0", "self": "vessels.urn:mrn:signalk:uuid:1", "roles": ["master"]}
            )
        )
        self.subscriptions.append((socket.request.path, json.loads(socket.recv())))
        self._clients.append(socket)
        for _ in socket:
            pass

    def drive(self, count):
        for _ in range(count):
            self._at += timedelta(seconds=1)
            speed = 1 + len(self.speeds) % 90 / 10
            self.speeds[self._at] = speed
            self._send("gps.1", speed)
            self._send("gps.2", 77.0)
        return self._at

    def _send(self, origin, speed):
        values = [
            {"path": "navigation.speedOverGround", "value": speed},
            {"path": "navigation.headingTrue", "value": 1.5},
        ]
        update = {"$source": origin, "timestamp": self._at.isoformat().replace("+00:00", ".000Z"), "values": values}
        for each in self._clients:
            with suppress(ConnectionClosed):
                each.send(json.dumps({"context": "vessels.urn:mrn:signalk:uuid:1", "updates": [update]}))

    def stop(self):
        self._server.shutdown()
        for each in self._clients:
            each.close()
        self._thread.join(10)

    def close(self):
        self.stop()


def stored(server):
    return {datetime.fromisoformat(each["timestamp"]): each["speed"] for each in server.readings("boat")}


def test_one_origin_is_followed_over_a_restart_of_the_server(server, connect, programs):
    boat = programs(Boat)
    bridge = connect(boat.url, "--source", "boat")
    wait_for(lambda: boat.drive(1) in stored(server), 30)
    path, wanted = boat.subscriptions[0]
    assert path == "/signalk/v1/stream?subscribe=none"
    assert wanted["subscribe"][0]["path"] == "navigation.speedOverGround"
    last = boat.drive(20)
    wait_for(lambda: last in stored(server), 30)
    boat.stop()
    wait_for(lambda: "trying again" in bridge.output, 30)
    boat.start()
    wait_for(lambda: boat.drive(1) in stored(server), 60)
    for at, speed in stored(server).items():
        assert speed == pytest.approx(boat.speeds[at] * 3.6)


@pytest.mark.long
def test_real_server_is_killed_and_no_reading_is_wrong_or_doubled(server, connect, programs, tmp_path):
    receiver = programs(NmeaServer)
    signalk = programs(SignalK, tmp_path, receiver)
    connect(signalk.url, "--source", "boat")
    sent = {}

    def drive(count):
        """A sentence each 0.2 s, as a receiver of 5 Hz; the moment of the last one."""
        for _ in range(count):
            at_s = 1_780_000_000 + len(sent)
            sent[datetime.fromtimestamp(at_s, UTC)] = knots = 5 + len(sent) % 70 / 10
            receiver.send(rmc(at_s, knots))
            time.sleep(0.2)
        return max(sent)

    wait_for(lambda: drive(1) in stored(server), 90)
    before = len(sent)
    last = drive(50)
    wait_for(lambda: last in stored(server), 30)
    assert len(stored(server)) >= len(sent) - before  # all since it is connected
    signalk.stop()
    drive(10)  # nobody hears it
    signalk.start()
    wait_for(lambda: drive(1) in stored(server), 90)
    last = drive(50)
    wait_for(lambda: last in stored(server), 30)
    assert len(server.readings("boat")) == len(stored(server))
    for at, speed in stored(server).items():
        assert speed == pytest.approx(sent[at] * 1.852, abs=0.01)
