"""A real MySQL: Debian's current server, in a root folder of its own because stable releases have only MariaDB."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pymysql

from tests.mariadb import PASSWORD, USER, MariaDB, free_port
from tests.running import wait_for

#: The root folder, as `tests/cluster/run.sh` makes it. The variable is none of SpeedDash, which refuses unknown ones of its own.
ROOT = Path(os.environ.get("TEST_MYSQL_ROOT", Path(__file__).parent.parent / ".mysql-test"))
START_DEADLINE_S = 120


@contextmanager
def folder_in_root() -> Iterator[Path]:
    """An empty folder for data, as long as the block: a server with another root folder sees nothing else."""
    folder = Path(mkdtemp(prefix="mysql-", dir=ROOT))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def private_mysql(*options: str) -> "Iterator[MySQL]":
    """A server of one's own, for as long as the block."""
    with folder_in_root() as folder:
        server = MySQL(folder, *options)
        try:
            server.install()
            server.start()
            server.execute(f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'", f"GRANT ALL ON *.* TO {USER}@'%'")
            yield server
        finally:
            server.end()


class MySQL:
    """One server; databases in it are made and dropped by name. It can be used in the place of `tests.mariadb.MariaDB`."""

    url, stop = MariaDB.url, MariaDB.stop

    def __init__(self, folder: Path, *options: str, address: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        """Remember the options, without starting.

        Args:
            folder: Below `ROOT`.
            options: Of mysqld.
            address: On which it listens.
            prefix: Of the command, for a server in a network of its own.
        """
        self.folder, self.port, self.address = folder, free_port(), address
        self.socket = folder / "socket"
        self.process: subprocess.Popen[bytes] | None = None
        self._inside = "/" + str(folder.relative_to(ROOT))
        self._command = [
            *prefix, "chroot", str(ROOT), "mysqld", "--no-defaults", f"--datadir={self._inside}/data", f"--port={self.port}",
            f"--socket={self._inside}/socket", f"--pid-file={self._inside}/pid", f"--log-error={self._inside}/log.err",
            f"--bind-address={address}", "--user=root", "--mysqlx=OFF", "--secure-file-priv=NULL", "--innodb-buffer-pool-size=64M", *options,
        ]  # fmt: skip

    def install(self, other: "MySQL | None" = None) -> None:
        """Make the data folder, or copy that of another server, which does not run."""
        if other is not None:
            shutil.copytree(other.folder / "data", self.folder / "data")
            (self.folder / "data" / "auto.cnf").unlink(missing_ok=True)  # the identity of a server
            return
        command = ["chroot", str(ROOT), "mysqld", "--no-defaults", "--initialize-insecure", f"--datadir={self._inside}/data", "--user=root"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"mysqld --initialize failed:\n{done.stdout}\n{done.stderr}")

    def start(self) -> None:
        log = self.folder / "log.err"
        before = log.stat().st_size if log.exists() else 0
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def said() -> str:
            return log.read_text()[before:] if log.exists() else ""

        wait_for(lambda: "ready for connections" in said() or not self.runs, START_DEADLINE_S)
        if not self.runs:
            raise RuntimeError(said())

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def connect(
        self, user: str = USER, password: str = PASSWORD, database: str | None = None, *, timeout_s: float = 60
    ) -> pymysql.Connection:
        unix_socket = str(self.socket) if user == "root" else None
        return pymysql.connect(
            host=self.address, port=self.port, unix_socket=unix_socket, user=user, password=password, database=database, autocommit=True,
            connect_timeout=5, read_timeout=timeout_s, init_command="SET time_zone = '+00:00'",
        )  # fmt: skip

    def execute(self, *statements: str, timeout_s: float = 60) -> list[tuple]:
        """Execute statements as an administrator over one connection; the rows of the last one."""
        with self.connect("root", "", timeout_s=timeout_s) as connection, connection.cursor() as cursor:
            for each in statements:
                cursor.execute(each)
            return list(cursor.fetchall())

    def create(self, database: str) -> str:
        """Make an empty database; its URL for SpeedDash."""
        self.execute(f"DROP DATABASE IF EXISTS {database}", f"CREATE DATABASE {database}")
        return self.url(database)

    def end(self) -> None:
        """Kill it if it runs, also when it does not answer."""
        if self.runs:
            self.process.send_signal(signal.SIGCONT)
            self.stop(signal.SIGKILL)
