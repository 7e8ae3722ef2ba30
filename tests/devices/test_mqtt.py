"""A broker: OwnTracks and others publish with QoS 1; the server, `speeddash connect` and the broker are restarted in the middle."""

import json
import signal
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.devices.programs import Mosquitto
from tests.devices.test_receivers import waiting
from tests.running import wait_for


@pytest.fixture
def broker(programs):
    # Not below pytest's own folder: the broker keeps its state there as another user on some systems.
    with TemporaryDirectory(prefix="speeddash-") as folder:
        yield programs(Mosquitto, Path(folder))


def location(at_s, speed, **more):
    return json.dumps({"_type": "location", "lat": 52.5, "lon": 13.4, "tst": at_s, "vel": speed, **more})


def wait_until_subscribed(broker):
    """From the first subscription on the broker holds messages for a client."""
    wait_for(lambda: "Received SUBSCRIBE" in broker.output, 30)


def stored(server, source):
    return [(datetime.fromisoformat(each["timestamp"]).timestamp(), each["speed"]) for each in server.readings(source)]


def test_owntracks_with_everything_restarted_loses_and_doubles_nothing(server, connect, broker):
    """OwnTracks by MQTT with QoS 1: the server and `speeddash connect` are killed, the broker is restarted"""
    bridge = connect(f"{broker.url}/owntracks/%2B/%2B")
    first = int(time.time()) - 3600
    made = []
    wait_until_subscribed(broker)

    def publish(count):
        new = [(first + len(made) + n, 20.0 + (len(made) + n) % 100) for n in range(count)]
        made.extend(new)
        broker.publish("owntracks/anna/phone", *[location(at, int(speed)) for at, speed in new])

    publish(20)
    wait_for(lambda: len(stored(server, "anna-phone")) == 20, 30)
    server.stop(signal.SIGKILL)
    publish(50)
    wait_for(lambda: waiting(bridge) >= 50, 30)
    bridge.stop(signal.SIGKILL)
    publish(50)  # the broker holds them
    broker.stop(signal.SIGTERM)
    broker.start()
    server.start()
    bridge.start()
    publish(50)
    bridge.stop(signal.SIGKILL)  # some of them are acknowledged
    bridge.start()
    wait_for(lambda: len(stored(server, "anna-phone")) >= len(made), 60)
    wait_for(lambda: waiting(bridge) == 0, 30)
    assert stored(server, "anna-phone") == made


def test_bare_numbers_are_stored_once_in_their_unit_and_retained_ones_are_not(server, connect, broker):
    broker.publish("shop/lathe/speed", "99", retain=True)
    bridge = connect(f"{broker.url}/shop/lathe/speed?unit=mps", "--source", "lathe")
    wait_until_subscribed(broker)
    speeds = [n / 10 for n in range(1, 201)]
    broker.publish("shop/lathe/speed", *map(str, speeds[:100]))
    wait_for(lambda: len(server.readings("lathe")) >= 50, 30)
    bridge.stop(signal.SIGKILL)
    bridge.start()
    broker.publish("shop/lathe/speed", *map(str, speeds[100:]))
    wait_for(lambda: len(server.readings("lathe")) >= 200, 30)
    wait_for(lambda: waiting(bridge) == 0, 30)
    assert sorted(each["speed"] for each in server.readings("lathe")) == pytest.approx([each * 3.6 for each in speeds])


def test_member_of_an_object_and_its_time(server, connect, broker):
    connect(f"{broker.url}/ev/state?json=drive.speed&time=at&unit=mph", "--source", "ev")
    at = int(time.time()) - 100

    def seen():
        broker.publish(
            "ev/state", json.dumps({"at": at, "drive": {"speed": 50}}), json.dumps({"at": at, "drive": None})
        )
        return server.readings("ev")

    wait_for(seen, 30)
    assert stored(server, "ev") == [(at, pytest.approx(80.4672))]


def test_messages_that_are_no_speed_are_named(server, connect, broker):
    bridge = connect(f"{broker.url}/thing?unit=kmh", "--source", "thing")

    def seen():
        broker.publish("thing", '{"speed": 5}', "fast")
        return "nothing from mqtt://anna:***@localhost" in bridge.output

    wait_for(seen, 40)
    assert "s@cret" not in bridge.output
    assert "s%40cret" not in bridge.output
    assert server.readings("thing") == []


def test_member_that_no_message_has_is_named(server, connect, broker):
    bridge = connect(f"{broker.url}/ev/state?json=drive.sped&unit=mph", "--source", "ev")

    def seen():
        broker.publish("ev/state", json.dumps({"drive": {"speed": 50}}))
        return "ev/state: the message has no member drive.sped" in bridge.output

    wait_for(seen, 40)


def test_wrong_password_is_named(server, connect, broker):
    bridge = connect(broker.url.replace("s%40cret", "wrong") + "/thing?unit=kmh")
    wait_for(lambda: "the broker does not let in: not authorized" in bridge.output, 30)
    assert "wrong" not in bridge.output.replace("something is wrong", "")
