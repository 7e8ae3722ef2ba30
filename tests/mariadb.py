"""A private MariaDB: its own folder, port and user, with durable settings."""

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pymysql

USER, PASSWORD = "speed", "p@ss/word #1"
START_DEADLINE_S = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def installed_data() -> Path:
    """Return a data folder as `mariadb-install-db` creates it, to be copied. It is created once for each test environment."""
    folder = Path(sys.prefix) / "mariadb-data"
    with (folder.with_suffix(".lock")).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes start at once
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            with TemporaryDirectory(prefix="speeddash-") as work:
                command = ["mariadb-install-db", "--no-defaults", f"--datadir={work}/data", "--auth-root-authentication-method=normal",
                           "--skip-test-db"]  # fmt: skip
                if os.geteuid() == 0:
                    os.chown(work, pwd.getpwnam("mysql").pw_uid, -1)
                    Path(work).chmod(0o711)
                    command.append("--user=mysql")
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise RuntimeError(f"mariadb-install-db failed:\n{done.stdout}\n{done.stderr}")
                shutil.copytree(f"{work}/data", folder / "data")
            (folder / "complete").touch()
    return folder / "data"


@contextmanager
def private_mariadb(*options: str) -> "Iterator[MariaDB]":
    """A server of one's own, for as long as the block."""
    # Not below pytest's own folder, which every worker closes to others again, the database's user among them.
    with TemporaryDirectory(prefix="speeddash-") as folder:
        server = MariaDB(Path(folder), *options)
        try:
            yield server
        finally:
            server.stop()


class MariaDB:
    """One server; databases in it are made and dropped by name."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._options = options
        self.socket = folder / "socket"
        self.port = free_port()
        # Debian's mariadbd refuses to run as root and reads /etc/mysql unless told otherwise.
        self._as_user = ["--user=mysql"] if os.geteuid() == 0 else []
        if self._as_user:
            for each in (folder, *folder.parents):
                if each.stat().st_uid == 0 and not each.stat().st_mode & 0o001:
                    each.chmod(each.stat().st_mode | 0o011)
            os.chown(folder, pwd.getpwnam("mysql").pw_uid, -1)
        shutil.copytree(installed_data(), folder / "data")
        if self._as_user:
            subprocess.run(["chown", "-R", "mysql", folder / "data"], check=True)
        self.start()
        with self.connect("root", "") as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER {USER}@'%%' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute(f"GRANT ALL ON *.* TO {USER}@'%'")

    def start(self) -> None:
        program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        command = [program, "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}", "--bind-address=127.0.0.1",
                   f"--socket={self.socket}", f"--pid-file={self.folder}/pid", "--innodb-flush-log-at-trx-commit=1", *self._options, *self._as_user]  # fmt: skip
        self.socket.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        deadline = time.monotonic() + START_DEADLINE_S
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.02)  # a poll with a deadline: the server has no other way to tell us
        self.connect("root", "").close()

    def connect(self, user: str = USER, password: str = PASSWORD, database: str | None = None) -> pymysql.Connection:
        unix_socket = str(self.socket) if user == "root" else None
        return pymysql.connect(
            host="127.0.0.1", port=self.port, unix_socket=unix_socket, user=user, password=password, database=database, autocommit=True,
            connect_timeout=5, init_command="SET time_zone = '+00:00'",
        )  # fmt: skip

    def create(self, database: str) -> str:
        """Make an empty database; its URL for SpeedDash."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE OR REPLACE DATABASE {database}")
        return self.url(database)

    def url(self, database: str, password: str = "p%40ss%2Fword%20%231", port: int | None = None) -> str:
        return f"mysql://{USER}:{password}@127.0.0.1:{port or self.port}/{database}"

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(60)
