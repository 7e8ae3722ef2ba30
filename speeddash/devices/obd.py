"""The speed of a car from its OBD-II port, by an ELM327 adapter: at a serial port, by Bluetooth (RFCOMM) or Wi-Fi (TCP).

Service 01, PID 0D of SAE J1979: one byte, whole km/h. Speedometers of cars show more than that.
"""

import re
import time
from collections.abc import Iterator
from typing import Final

from speeddash.devices.address import Address
from speeddash.devices.device import Device, Observation
from speeddash.devices.stream import SerialStream, Stream, TcpStream, reason, serial_package
from speeddash.errors import DeviceAway

BAUD: Final = 38_400
PROMPT: Final = b">"
#: Reset, no echo, find the protocol of the car.
SET_UP: Final = (b"ATZ", b"ATE0", b"ATSP0")
SPEED: Final = b"010D"
ANSWER: Final = re.compile(r"410D([0-9A-F]{2})")
#: The adapter looks for the protocol of the car with the first request.
SEARCH_TIMEOUT_S: Final = 30.0
ANSWER_TIMEOUT_S: Final = 10.0
#: Between two requests, and between two while the car does not answer.
INTERVAL_S: Final = 0.2
PAUSE_S: Final = 2.0


class Obd(Device):
    """One car. `?interval=` is the time between two requests in seconds."""

    def __init__(self, address: Address) -> None:
        """Remember how to reach the adapter."""
        self._interval_s = max(0.0, address.option("interval", float, INTERVAL_S))
        self._path, self._host, self._port = "", "", 0
        if address.scheme == "obd":
            serial_package()
            self._path = address.path
            if address.host or not self._path:
                raise address.wrong("write the port after three slashes: obd:///dev/rfcomm0")
            self._baud = address.option("baud", int, BAUD)
        else:
            self._host, self._port = address.needs_host(), address.port()
        super().__init__(address, "obd")

    def observe(self) -> Iterator[Observation | None]:
        """Ask for the speed again and again."""
        try:
            stream: Stream = SerialStream(self._path, self._baud) if self._path else TcpStream(self._host, self._port)
        except (OSError, ValueError) as gone:
            raise DeviceAway(reason(gone) if isinstance(gone, OSError) else str(gone)) from gone
        try:
            yield from self._ask(stream)
        except (OSError, EOFError) as gone:
            raise DeviceAway(reason(gone)) from gone
        finally:
            stream.close()

    def _ask(self, stream: Stream) -> Iterator[Observation | None]:
        for command in SET_UP:
            _command(stream, command, ANSWER_TIMEOUT_S)
        timeout_s = SEARCH_TIMEOUT_S
        while True:
            began = time.monotonic()
            answer = _command(stream, SPEED, timeout_s)
            found = ANSWER.search(answer.replace(" ", ""))
            if found:
                self.note, timeout_s = "", ANSWER_TIMEOUT_S
                yield Observation(float(int(found[1], 16)))
            else:
                words = answer.replace("SEARCHING...", "").split("\n")[0].strip() or "nothing"
                self.note = f"the adapter answers, the car does not: {words[:40]}"
                yield None
            time.sleep(max(0.0, began + (self._interval_s if found else PAUSE_S) - time.monotonic()))


def _command(stream: Stream, command: bytes, timeout_s: float) -> str:
    """Send a command, and return the answer up to the prompt, in lines.

    Raises:
        DeviceAway: There is none.
    """
    stream.write(command + b"\r")
    answer = b""
    deadline = time.monotonic() + timeout_s
    while PROMPT not in answer:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise DeviceAway(f"the adapter does not answer {command.decode()}")
        answer += stream.read(left_s)
    text = answer.partition(PROMPT)[0].decode("ascii", "replace").replace("\r", "\n").replace("\0", "")
    return "\n".join(line.strip() for line in text.split("\n") if line.strip() and line.strip() != command.decode())
