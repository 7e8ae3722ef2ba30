"""The programs that people have in front of their devices, each on a port of its own; each can be killed and started again."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import reduce
from operator import xor
from pathlib import Path

from tests.conftest import require
from tests.mariadb import free_port
from tests.running import ROOT, wait_for

PATH = os.environ["PATH"] + ":/usr/sbin"


class Program:
    """A process that a test starts, kills and starts again; its output goes to a file."""

    def __init__(self, folder: Path, name: str) -> None:
        self._log = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, command: list[str], **options: object) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **options)

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)


class Command(Program):
    """A command of `speeddash`, without the settings of whoever runs the tests."""

    def __init__(self, folder: Path, *words: str, token: str | None = None) -> None:
        super().__init__(folder, words[0])
        self._command = [sys.executable, "-m", "speeddash", *words]
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("SPEEDDASH_")}
        if token:
            self._env["SPEEDDASH_TOKEN"] = token
        self.start()

    def start(self) -> None:
        self.launch(self._command, env=self._env, cwd=ROOT)

    def close(self) -> None:
        self.stop(signal.SIGTERM)


class Connect(Command):
    """`speeddash connect`, with an outbox that survives it."""

    def __init__(self, folder: Path, server: str, *words: str, token: str | None = None) -> None:
        self.outbox = folder / "outbox.db"
        super().__init__(folder, "connect", *words, "--server", server, "--outbox", str(self.outbox), token=token)


class Gpsd(Program):
    """gpsd with a receiver at the other end of a pseudo-terminal, as gpsfake makes one."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "gpsd")
        self._program = shutil.which("gpsd", path=PATH)
        require(self._program, "gpsd")
        self.port = free_port()
        self.url = f"gpsd://localhost:{self.port}"
        self._receiver, self._line = os.openpty()
        self.start()

    def start(self) -> None:
        command = [self._program, "-N", "-n", "-D", "1", "-S", str(self.port), os.ttyname(self._line)]
        self.launch(command)
        wait_for(lambda: accepts(self.port), 20)

    def send(self, sentence: bytes) -> None:
        os.write(self._receiver, sentence)

    def close(self) -> None:
        self.stop()
        os.close(self._receiver)
        os.close(self._line)


class NmeaServer:
    """A multiplexer: sends every client what its receiver says."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"nmea+tcp://localhost:{self.port}"
        self.start()

    def start(self) -> None:
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._clients.append(self._listener.accept()[0])

    @property
    def has_client(self) -> bool:
        return bool(self._clients)

    def send(self, sentence: bytes) -> None:
        for each in list(self._clients):
            try:
                each.sendall(sentence)
            except OSError:
                self._clients.remove(each)
                each.close()

    def stop(self, _number: int = 0) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        self._listener.close()
        for each in self._clients:
            each.close()

    def close(self) -> None:
        with suppress(OSError):
            self.stop()


class Datagrams:
    """A program that sends to a port of this machine."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"nmea+udp://127.0.0.1:{self.port}"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, sentence: bytes) -> None:
        self._socket.sendto(sentence, ("127.0.0.1", self.port))

    def close(self) -> None:
        self._socket.close()


class SerialPair(Program):
    """Two serial ports with a cable between them, by socat; the receiver is at the one end."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "socat")
        require(shutil.which("socat"), "socat")
        self._far, self.near = folder / "far", folder / "near"
        self.url = f"serial://{self.near}?baud=38400"
        self.start()

    def start(self) -> None:
        for each in (self._far, self.near):
            each.unlink(missing_ok=True)
        ends = [f"pty,rawer,link={each}" for each in (self._far, self.near)]
        self.launch(["socat", *ends])
        wait_for(lambda: self._far.exists() and self.near.exists(), 20)

    def send(self, sentence: bytes) -> None:
        with suppress(OSError), self._far.open("wb", buffering=0) as port:
            port.write(sentence)

    def close(self) -> None:
        self.stop()


class Car(Program):
    """An ELM327 adapter in a car, by ELM327-emulator; its log says which speeds it has answered."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "emulator")
        self.port = free_port()
        self.url = f"obd+tcp://localhost:{self.port}?interval=0.02"
        self._folder = folder
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "elm", "-b", "batch", "-n", str(self.port), "-s", "car"]
        self.launch(command, cwd=self._folder, stdin=subprocess.DEVNULL)

    @property
    def speeds(self) -> list[int]:
        logs = sorted(self._folder.glob("elm.log*"), reverse=True)  # they rotate
        return [int(each, 16) for log in logs for each in re.findall(r"Write: '41 0D (..)", log.read_text())]

    def close(self) -> None:
        self.stop()


class Mosquitto(Program):
    """An MQTT broker that keeps sessions and messages on its disk, with a password."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "mosquitto")
        self._program = shutil.which("mosquitto", path=PATH)
        require(self._program, "Mosquitto")
        self.port = free_port()
        self.url = f"mqtt://anna:s%40cret@localhost:{self.port}"
        self._config = folder / "mosquitto.conf"
        passwords = folder / "passwords"
        passwords.write_text("anna:s@cret\n")
        passwords.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True, capture_output=True)
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\npassword_file {passwords}\npersistence true\npersistence_location {folder}/\n"
            "max_queued_messages 100000\nuser root\nlog_dest stderr\nlog_type all\n"
        )
        self.start()

    def start(self) -> None:
        self.launch([self._program, "-c", str(self._config)])
        wait_for(lambda: accepts(self.port), 20)

    def publish(self, topic: str, *payloads: str, retain: bool = False) -> None:
        """Publish with QoS 1, one after the other; the broker has them when it returns."""
        command = [
            "mosquitto_pub",
            "-h",
            "localhost",
            "-p",
            str(self.port),
            "-u",
            "anna",
            "-P",
            "s@cret",
            "-q",
            "1",
            "-t",
            topic,
            "-l",
        ]
        command += ["-r"] if retain else []
        subprocess.run(
            command, input="\n".join(payloads) + "\n", text=True, check=True, timeout=60, capture_output=True
        )

    def close(self) -> None:
        self.stop()


class SignalK(Program):
    """A real Signal K server, which gets what a receiver says over NMEA 0183."""

    def __init__(self, folder: Path, receiver: "NmeaServer") -> None:
        super().__init__(folder, "signalk")
        self._program = ROOT / ".venv-test/node_modules/signalk-server/bin/signalk-server"
        require(str(self._program) if self._program.exists() else None, "signalk-server")
        self.port = free_port()
        self.url = f"signalk://localhost:{self.port}"
        self._folder = folder / "signalk"
        self._folder.mkdir()
        source = {"type": "NMEA0183", "subOptions": {"type": "tcp", "host": "127.0.0.1", "port": str(receiver.port)}}
        settings = {
            "pipedProviders": [{"id": "gps", "enabled": True, "pipeElements": [{"type": "providers/simple", "options": {"type": "NMEA0183", **source}}]}],
            "interfaces": {"mfd_webapp": False}, "mdns": False, "ssl": False, "port": self.port,
        }  # fmt: skip
        (self._folder / "settings.json").write_text(json.dumps(settings))
        (self._folder / "baseDeltas.json").write_text("[]")
        self.start()

    def start(self) -> None:
        env = os.environ | {
            "SIGNALK_NODE_CONFIG_DIR": str(self._folder),
            "PORT": str(self.port),
            "HOME": str(self._folder),
        }
        self.launch(["node", str(self._program)], env=env, cwd=self._folder)
        wait_for(lambda: accepts(self.port), 60)

    def close(self) -> None:
        self.stop()


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def sentence(content: str) -> bytes:
    """A sentence of NMEA 0183 with its checksum."""
    return f"${content}*{reduce(xor, content.encode()):02X}\r\n".encode()


def rmc(at_s: float, knots: float, status: str = "A") -> bytes:
    """An RMC sentence; gpsd needs a position that moves."""
    clock = time.strftime("%H%M%S", time.gmtime(at_s)) + f".{round(at_s % 1 * 100):02}"
    date = time.strftime("%d%m%y", time.gmtime(at_s))
    return sentence(
        f"GPRMC,{clock},{status},5241.{int(at_s * 10) % 10000:04},N,00517.5652,E,{knots:.3f},90.0,{date},,,A"
    )
