"""Finds, among several hosts of a MySQL database, the one that takes writes: its primary."""

import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import pymysql
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from speeddash.errors import SettingsError, StoreError, StoreMisconfigured, StoreUnavailable

SETTING: Final = "SPEEDDASH_DATABASE_URL"
DEFAULT_PORT: Final = 3306
#: Longest time that a host may take to connect, and to say what it is.
ANSWER_S: Final = 2.0
#: Time after which the primary is asked again whether it is one.
CHECK_S: Final = 1.0
#: Members in these states take part in decisions of the group.
REACHABLE: Final = {"ONLINE", "RECOVERING"}
VARIABLES: Final = ("read_only", "super_read_only", "group_replication_group_name", "server_uuid")
MEMBERS: Final = (
    "SELECT member_id, member_host, member_port, member_state, member_role "
    "FROM performance_schema.replication_group_members WHERE member_id <> ''"
)
#: Where a pooled connection keeps its host, and whether it was made for the caller who gets it now.
HOST: Final = "host"
NEW: Final = "new"
#: Error numbers of a user who may not read `performance_schema`.
DENIED: Final = {1044, 1142, 1143}


class Host(NamedTuple):
    """Where a database server listens."""

    name: str
    port: int

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == DEFAULT_PORT else f"{name}:{self.port}"


def hosts_of(url: str) -> tuple[str, list[Host]]:
    """Return a database URL with its first host alone, and all its hosts: `mysql://USER:PASSWORD@HOST,HOST:PORT,HOST/DATABASE`.

    Raises:
        SettingsError: A host or port is invalid. The message does not contain the password.
    """
    match = re.fullmatch(r"(\w[\w+]*://(?:[^/?]*@)?)([^/?]*)(.*)", url, re.DOTALL)
    if match is None or "," not in match[2]:
        return url, []
    head, texts, tail = match.groups()
    hosts = []
    for text in texts.split(","):
        try:
            parts = urlsplit(f"//{text}")
            hosts.append(Host(parts.hostname or "", DEFAULT_PORT if parts.port is None else parts.port))
        except ValueError:
            hosts.append(Host("", 0))
        if not all(hosts[-1]):
            # With an @ behind it, it is part of a password with an unescaped / in it.
            shown = f"host {len(hosts)}" if "@" in tail else repr(text)
            raise SettingsError(SETTING, f"{shown} is not a host, or a host and its port, such as db2:3306")
    if len(set(hosts)) < len(hosts):
        raise SettingsError(SETTING, f"a host is named twice: {', '.join(map(str, hosts))}")
    return f"{head}{texts.split(',')[0]}{tail}", hosts


class Member(NamedTuple):
    """One server of a group, as the asked server sees it.

    Attributes:
        host: Where it listens.
        state: ONLINE, RECOVERING, OFFLINE, ERROR or UNREACHABLE.
        role: PRIMARY or SECONDARY; empty where the server does not know.
    """

    host: Host
    state: str
    role: str


class Group(NamedTuple):
    """The servers of MySQL Group Replication.

    Attributes:
        members: Its members now. The group removes one that does not answer.
        servers: Number of servers that it should have: hosts of the URL, or members if they are more.
    """

    members: tuple[Member, ...]
    servers: int

    @property
    def online(self) -> int:
        """Number of members that hold all data and answer."""
        return sum(each.state == "ONLINE" for each in self.members)

    @property
    def has_majority(self) -> bool:
        """Whether more than half of the members reach each other: without it no commit ends."""
        return 2 * sum(each.state in REACHABLE for each in self.members) > len(self.members)

    def as_dict(self) -> dict[str, Any]:
        """Return the `group` member of `/readyz`."""
        members = [{"host": str(each.host), "state": each.state, "role": each.role} for each in self.members]
        return {"online": self.online, "servers": self.servers, "members": members}

    def __str__(self) -> str:
        others = [f"{each.host} {each.state}" for each in self.members if each.state != "ONLINE"]
        primary = [str(each.host) for each in self.members if each.role == "PRIMARY"]
        text = f"group: {self.online} of {self.servers} ONLINE"
        text += f", primary {' and '.join(primary)}" if primary else ""
        return text + (f", {', '.join(others)}" if others else "")


class State(NamedTuple):
    """What a server says of itself.

    Attributes:
        problem: Why it takes no writes; empty if it takes them.
        group: Its group; None without Group Replication.
    """

    problem: str
    group: Group | None


def state_of(cursor: Any, hosts: int) -> State:
    """Ask a server whether it takes writes.

    Args:
        cursor: Of a connection to it.
        hosts: Number of hosts in the URL.

    Raises:
        StoreMisconfigured: It is in a group, and the user may not read the group's members.
        pymysql.MySQLError: It does not answer.
    """
    names = ", ".join(f"'{name}'" for name in VARIABLES)
    cursor.execute(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    variables = dict(cursor.fetchall())
    read_only = "ON" in (variables.get("read_only"), variables.get("super_read_only"))
    if not variables.get("group_replication_group_name"):
        return State("read-only" if read_only else "", None)
    try:
        cursor.execute(MEMBERS)
    except pymysql.MySQLError as denied:
        if denied.args[0] not in DENIED:
            raise
        raise StoreMisconfigured(
            "the server is in a group whose members its user may not read; as an administrator: "
            "GRANT SELECT ON performance_schema.replication_group_members TO that user"
        ) from None
    rows = cursor.fetchall()
    members = tuple(Member(Host(name, port), state, role) for _, name, port, state, role in rows)
    group = Group(members, max(hosts, len(members)))
    own = next((row for row in rows if row[0] == variables.get("server_uuid")), None)
    _, _, _, state, role = own or ("", "", 0, "OFFLINE", "")
    if state != "ONLINE":
        problem = f"{state} in its group"
    elif not group.has_majority:
        problem = f"its group has lost its majority ({group})"
    elif role != "PRIMARY":
        problem = "a secondary of its group"
    else:
        problem = "read-only" if read_only else ""
    return State(problem, group)


class Primary:
    """Of several hosts the one that takes writes. Any thread or greenlet may call it.

    The primary is asked again at most once a `CHECK_S`, over a connection of its own: a server that was demoted, or cut off from its
    group, still answers reads, with data that grow old.

    Attributes:
        hosts: All hosts, in the order of the URL.
        found: The last one that took writes; the first one until one is found.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        connect: Callable[[Host], "pymysql.Connection[Any]"],
        errors_translated: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Remember the hosts, without connecting.

        Args:
            hosts: At least one.
            connect: Opens a connection that waits at most `ANSWER_S` for each answer.
            errors_translated: Raises errors of the driver as `StoreError`.
        """
        self.hosts = tuple(hosts)
        self.found = self.hosts[0]
        self._connect = connect
        self._errors_translated = errors_translated
        # Protects the following: of several callers one asks.
        self._lock = threading.Lock()
        self._connection: pymysql.Connection[Any] | None = None
        self._asked = float("-inf")

    def find(self) -> Host:
        """Return the primary, as it was at most `CHECK_S` ago.

        Raises:
            StoreUnavailable: No host takes writes; the message says why, for each.
            StoreMisconfigured: The same, and an operator must act at each host that was reached.
        """
        with self._lock:
            if time.monotonic() - self._asked < CHECK_S:
                return self.found
            problems: dict[Host, StoreError] = {}
            at = self.hosts.index(self.found)
            for host in self.hosts[at:] + self.hosts[:at]:
                try:
                    self._ask(host)
                except StoreError as problem:
                    problems[host] = problem
                    self._disconnect()
                else:
                    self.found, self._asked = host, time.monotonic()
                    return host
        hosts: dict[str, list[str]] = {}
        for host, each in problems.items():
            hosts.setdefault(str(each), []).append(str(host))
        text = "no host takes writes: " + "; ".join(f"{', '.join(names)}: {why}" for why, names in hosts.items())
        misconfigured = all(isinstance(each, StoreMisconfigured) for each in problems.values())
        raise StoreMisconfigured(text) if misconfigured else StoreUnavailable(text)

    def choose_for(self, engine: Engine) -> None:
        """Let an engine connect to the primary alone, and leave connections to a host that is not the primary any more."""

        def connect(_dialect: Any, record: ConnectionPoolEntry | None, _args: Any, options: dict[str, Any]) -> None:
            host = self.find()
            options.update(host=host.name, port=host.port)
            if record is not None:
                record.info.update({HOST: host, NEW: True})

        def check(_connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
            # Its host was found just now. SQLAlchemy fails where a second connection is refused too, as after a switch meanwhile.
            if record.info.pop(NEW, False):
                return
            if record.info.get(HOST) != self.find():
                raise DisconnectionError

        event.listen(engine, "do_connect", connect)
        event.listen(engine, "checkout", check)

    def _ask(self, host: Host) -> None:
        """Raise an error unless a host takes writes."""
        with self._errors_translated():
            if self._connection is None or host != self.found:
                self._disconnect()
                self._connection = self._connect(host)
            problem = state_of(self._connection.cursor(), len(self.hosts)).problem
        if problem:
            raise StoreUnavailable(problem)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(pymysql.MySQLError, OSError):
                connection.close()
