"""A Bluetooth sensor as a source, by Chromium's own emulation: a wheel's sensor and a trainer."""

import base64
import struct

import pytest
from playwright.sync_api import expect

from tests.conftest import CHROMIUM_OPTIONS
from tests.page.visit import Visit
from tests.running import wait_for

ADDRESS = "09:09:09:09:09:09"
WHEEL_MM = 2000


def uuid(short):
    return f"0000{short:04x}-0000-1000-8000-00805f9b34fb"


#: Keeps the characteristic that the page listens to.
KEEP = """
const {prototype} = BluetoothRemoteGATTCharacteristic;
const {startNotifications} = prototype;
prototype.startNotifications = function () {
    window.heard = this;
    return startNotifications.call(this);
};
"""


class Sensor:
    """A sensor with one service and one characteristic, near a browser, that a person chooses when asked.

    Chromium's emulation has no notifications: what the sensor measures comes as the answer to a read, which the page hears as the same event.
    """

    def __init__(self, browser, context, page, service, characteristic):
        self._browser, self._page = browser.new_browser_cdp_session(), context.new_cdp_session(page)
        self._visited = page
        page.evaluate(f"() => {{ {KEEP} }}")
        self._subscribed = False
        self._todo = []
        self._browser.send("BluetoothEmulation.enable", {"state": "powered-on", "leSupported": True})
        self._page.send("DeviceAccess.enable")
        # Answers are sent between the steps of a test: a handler must not wait for another message.
        self._page.on("DeviceAccess.deviceRequestPrompted", lambda event: self._todo.append(("prompt", event)))
        self._browser.on("BluetoothEmulation.gattOperationReceived", lambda event: self._todo.append(("gatt", event)))
        self._browser.on(
            "BluetoothEmulation.characteristicOperationReceived",
            lambda event: self._todo.append(("characteristic", event)),
        )
        self._send(
            "simulatePreconnectedPeripheral",
            address=ADDRESS,
            name="Rear wheel",
            manufacturerData=[],
            knownServiceUuids=[uuid(service)],
        )
        self._service, self._kind = service, characteristic

    def _send(self, method, **parameters):
        return self._browser.send(f"BluetoothEmulation.{method}", parameters)

    def answer(self):
        """Answer what the browser has asked; whether it listens now."""
        while self._todo:
            kind, event = self._todo.pop(0)
            if kind == "prompt":
                if event["devices"]:
                    self._todo = [each for each in self._todo if each[0] != "prompt"]
                    self._page.send(
                        "DeviceAccess.selectPrompt", {"id": event["id"], "deviceId": event["devices"][0]["id"]}
                    )
            elif kind == "gatt":
                if event["type"] == "discovery":
                    service = self._send("addService", address=ADDRESS, serviceUuid=uuid(self._service))["serviceId"]
                    properties = {"notify": True, "read": True}
                    self._characteristic = self._send(
                        "addCharacteristic",
                        serviceId=service,
                        characteristicUuid=uuid(self._kind),
                        properties=properties,
                    )["characteristicId"]
                    self._send("addDescriptor", characteristicId=self._characteristic, descriptorUuid=uuid(0x2902))
                self._send("simulateGATTOperationResponse", address=ADDRESS, type=event["type"], code=0)
            else:
                self._subscribed = self._subscribed or event["type"] == "subscribe-to-notifications"
                data = {"data": self._measured} if event["type"] == "read" else {}
                self._send(
                    "simulateCharacteristicOperationResponse",
                    characteristicId=event["characteristicId"], type=event["type"], code=0, **data,
                )  # fmt: skip
        return self._subscribed

    def notify(self, data):
        self._measured = base64.b64encode(data).decode()
        self._visited.evaluate("() => { window.heard.readValue(); }")

    def go_away(self):
        self._subscribed = False
        self._send("simulateGATTDisconnection", address=ADDRESS)

    def close(self):
        self._browser.send("BluetoothEmulation.disable")


def csc(revolutions, clock):
    return struct.pack("<BIH", 1, revolutions, clock % 65536)


@pytest.fixture
def visit(playwright, page_server):
    # The emulation is one of the whole browser. On Linux the feature is behind a flag.
    flags = ["--enable-features=WebBluetooth", "--enable-blink-features=WebBluetooth"]
    browser = playwright.chromium.launch(**CHROMIUM_OPTIONS | {"args": [*CHROMIUM_OPTIONS["args"], *flags]})
    context = browser.new_context()
    visit = Visit(context, page_server, "?mode=bluetooth")
    visit.browser, visit.context = browser, context
    yield visit
    browser.close()


def until(visit, sensor, what):
    """Let the browser and the sensor talk until something is so."""

    def step():
        visit.page.wait_for_timeout(20)
        return sensor.answer() and what()

    wait_for(step, 30)


def test_speed_of_a_wheel_is_shown_and_stored_and_its_size_is_remembered(visit):
    sensor = Sensor(visit.browser, visit.context, visit.page, 0x1816, 0x2A5B)
    page = visit.page
    expect(page.get_by_text("Choose a wheel sensor, a treadmill or a trainer.")).to_be_visible()
    page.fill("#wheel", str(WHEEL_MM))
    page.press("#wheel", "Enter")
    page.click("#choose-sensor")
    until(visit, sensor, lambda: True)
    speeds = []
    revolutions, clock = 4_294_967_290, 65_000  # both counters wrap
    for turns, seconds in ((0, 0), (2, 1), (5, 1), (3, 0.5)):
        revolutions, clock = revolutions + turns, clock + int(seconds * 1024)
        sensor.notify(csc(revolutions % 2**32, clock))
        speeds += [turns * WHEEL_MM / 1000 / seconds * 3.6] if turns else []
        until(visit, sensor, lambda: page.evaluate("window.heard.value?.getUint16(5, true)") == clock % 65536)  # noqa: B023 - called at once
        until(visit, sensor, lambda: len(visit.stored()) == len(speeds))  # noqa: B023
    assert [each["speed"] for each in visit.stored()] == pytest.approx(speeds, abs=0.01)
    expect(page.locator("#speed-now")).to_have_text("43")
    page.reload()
    expect(page.locator("#wheel")).to_have_value(str(WHEEL_MM))
    sensor.close()


def test_sensor_that_goes_away_is_tried_again_and_no_speed_is_made_up(visit):
    sensor = Sensor(visit.browser, visit.context, visit.page, 0x1826, 0x2AD2)
    visit.page.click("#choose-sensor")
    until(visit, sensor, lambda: True)
    sensor.notify(struct.pack("<HH", 0, 2550))
    until(visit, sensor, lambda: len(visit.stored()) == 1)
    sensor.notify(struct.pack("<HH", 1, 9999))  # "more data": these bytes are no speed
    visit.page.wait_for_timeout(100)
    sensor.answer()
    sensor.go_away()
    expect(visit.page.locator("#notice")).to_contain_text("The sensor is away; it is tried again.")
    until(visit, sensor, lambda: True)
    sensor.notify(struct.pack("<HH", 0, 1200))
    until(visit, sensor, lambda: len(visit.stored()) == 2)
    assert [each["speed"] for each in visit.stored()] == [25.5, 12.0]
    sensor.close()


def test_browser_without_bluetooth_says_so(own_context, page_server):
    own_context.add_init_script("Object.defineProperty(Navigator.prototype, 'bluetooth', {value: undefined})")
    visit = Visit(own_context, page_server, "?mode=bluetooth")
    expect(visit.page.locator("#notice")).to_contain_text(
        "This browser cannot reach Bluetooth sensors: use Chrome or Edge"
    )
    visit.page.click("#source >> text=Simulate")
    expect(visit.page.locator("#notice")).not_to_contain_text("Bluetooth")
    assert visit.problems == []
