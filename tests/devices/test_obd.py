"""A car behind an ELM327 adapter."""

import signal
import time

from speeddash.reading import parse_time
from tests.devices.programs import Car
from tests.running import wait_for


def test_car_whose_adapter_server_and_bridge_are_killed_in_the_middle(server, connect, programs, tmp_path):
    """The server, `speeddash connect` and the adapter are killed one after the other: what was answered is stored once, in its order"""
    car = programs(Car, tmp_path)
    bridge = connect(car.url, "--source", "car")

    def more(count):
        before = len(server.readings("car"))
        wait_for(lambda: len(server.readings("car")) >= before + count, 60)

    more(20)
    server.stop(signal.SIGKILL)
    answered = len(car.speeds)
    wait_for(lambda: len(car.speeds) > answered + 30, 60)
    server.start()
    more(20)
    bridge.stop(signal.SIGKILL)
    lost = len(car.speeds) - len(server.readings("car"))
    bridge.start()
    more(20)
    car.stop(signal.SIGKILL)
    wait_for(lambda: "trying again" in bridge.output, 60)
    silent_at = time.time_ns() // 1000
    time.sleep(
        2
    )  # nothing may be read: no 0 for a car that does not answer; what was read before may still be on its way
    assert all(parse_time(each["timestamp"]) < silent_at for each in server.readings("car"))
    car.start()
    more(20)
    bridge.stop(signal.SIGTERM)
    stored = [each["speed"] for each in server.readings("car")]
    answered = car.speeds
    # What was answered in the moment of a kill may not have been read any more; apart from that the same values in the same order.
    assert len(answered) - len(stored) <= lost + 40
    at = 0
    for speed in stored:
        at = answered.index(speed, at) + 1
