"""MySQL Group Replication: real servers of one group on this machine, each of which can be killed, stopped and brought back."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pymysql

from tests.mariadb import PASSWORD, USER, free_port
from tests.mysql import START_DEADLINE_S, MySQL
from tests.running import wait_for

GROUP_NAME = "5d0f3f9e-6a51-4d0b-9f0a-5a1f0c3d2e11"
#: Without them a killed primary is replaced after 22 s instead of 7; docs/cluster.md says why.
RECOMMENDED = (
    "--loose-group_replication_member_expel_timeout=0",
    "--loose-group_replication_consistency=BEFORE_ON_PRIMARY_FAILOVER",
    "--loose-group_replication_unreachable_majority_timeout=10",
    "--loose-group_replication_exit_state_action=READ_ONLY",
)


@dataclass(frozen=True)
class Place:
    """Where a server of the group runs.

    Attributes:
        address: For its clients.
        group_address: For the other members.
        prefix: Of its command.
    """

    address: str = "127.0.0.1"
    group_address: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()


class Node(MySQL):
    """One server of the group."""

    def __init__(self, number: int, folder: Path, places: Sequence[Place], group_ports: Sequence[int]) -> None:
        place = places[number - 1]
        seeds = [f"{each.group_address}:{port}" for each, port in zip(places, group_ports, strict=True)]
        super().__init__(
            folder, f"--server-id={number}", f"--report-host={place.address}", "--gtid-mode=ON", "--enforce-gtid-consistency=ON",
            "--plugin-load-add=group_replication.so", f"--loose-group_replication_group_name={GROUP_NAME}",
            f"--loose-group_replication_local_address={seeds[number - 1]}", f"--loose-group_replication_group_seeds={','.join(seeds)}",
            f"--loose-group_replication_ip_allowlist={place.group_address}/24", "--loose-group_replication_recovery_get_public_key=ON",
            "--loose-group_replication_start_on_boot=OFF", *RECOMMENDED, address=place.address, prefix=place.prefix,
        )  # fmt: skip
        self.number = number

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def state(self) -> str:
        """Its own member's state and role; empty if it does not answer."""
        if not self.runs:
            return ""
        try:
            rows = self.execute(
                "SELECT CONCAT(member_state, ' ', member_role) FROM performance_schema.replication_group_members "
                "WHERE member_id = @@server_uuid",
                timeout_s=2,
            )
        except (pymysql.MySQLError, OSError):
            return ""
        return rows[0][0] if rows else ""

    def view(self) -> frozenset[tuple]:
        """The members, their states and their roles as this server sees them; empty if it does not answer."""
        if not self.runs:
            return frozenset()
        try:
            return frozenset(
                self.execute(
                    "SELECT member_id, member_state, member_role FROM performance_schema.replication_group_members",
                    timeout_s=2,
                )
            )
        except (pymysql.MySQLError, OSError):
            return frozenset()

    def join(self) -> None:
        """Become a member of a group that runs, and wait until it has all data."""
        self.execute("STOP GROUP_REPLICATION", "START GROUP_REPLICATION", timeout_s=START_DEADLINE_S)
        wait_for(lambda: self.state().startswith("ONLINE"), START_DEADLINE_S)


class ReplicationGroup:
    """A group of three with one primary."""

    def __init__(self, folder: Path, places: Sequence[Place] = (Place(), Place(), Place())) -> None:
        """Install and start a server at each place. `folder` lies below `tests.mysql.ROOT`."""
        ports = [free_port() for _ in places]
        self.nodes = [Node(number, folder / str(number), places, ports) for number, _ in enumerate(places, 1)]
        try:
            self._install()
        except BaseException:
            self.stop()
            raise

    def _install(self) -> None:
        first, *others = self.nodes
        for each in self.nodes:
            each.folder.mkdir(parents=True)
            each.install(first if each is not first else None)
        for each in self.nodes:
            each.start()
            each.execute(
                "SET SQL_LOG_BIN = 0",
                "CREATE USER replica@'%' IDENTIFIED BY 'replica'",
                "GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO replica@'%'",
                f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'",
                f"GRANT ALL ON speed.* TO {USER}@'%'",
                f"GRANT SELECT ON performance_schema.replication_group_members TO {USER}@'%'",
                "SET SQL_LOG_BIN = 1",
                "CHANGE REPLICATION SOURCE TO SOURCE_USER = 'replica', SOURCE_PASSWORD = 'replica' "
                "FOR CHANNEL 'group_replication_recovery'",
            )
        self.bootstrap(first)
        first.execute("CREATE DATABASE speed")
        for each in others:
            each.join()

    def bootstrap(self, node: Node) -> None:
        """Begin the group with one server; the others join it."""
        node.execute(
            "SET GLOBAL group_replication_bootstrap_group = ON", "START GROUP_REPLICATION", "SET GLOBAL group_replication_bootstrap_group = OFF"
        )  # fmt: skip
        wait_for(lambda: node.state() == "ONLINE PRIMARY", START_DEADLINE_S)

    def primary(self) -> Node:
        """The node that takes writes now; waits for an election."""
        return wait_for(
            lambda: next((each for each in self.nodes if each.state() == "ONLINE PRIMARY"), None), START_DEADLINE_S
        )

    def secondaries(self) -> list[Node]:
        return [each for each in self.nodes if each is not self.primary()]

    def switch_to(self, node: Node) -> None:
        """Make a node the primary, as an operator plans it."""
        uuid = node.execute("SELECT @@server_uuid")[0][0]
        node.execute(f"SELECT group_replication_set_as_primary('{uuid}')")

    @property
    def whole(self) -> bool:
        """Whether all servers see the same members, all online.

        One server's word is not enough: one that was stopped believes for a moment after it goes on what it saw before.
        """
        views = {each.view() for each in self.nodes}
        view = next(iter(views))
        return len(views) == 1 and len(view) == len(self.nodes) and all(state == "ONLINE" for _, state, _ in view)

    def restore(self) -> None:
        """Bring every node back into the group, whatever was done to it."""
        for each in self.nodes:
            if each.runs:
                each.send(signal.SIGCONT)
            else:
                each.start()
        wait_for(self._bring_together, 3 * START_DEADLINE_S)

    def _bring_together(self) -> bool:
        """Whether the group is whole; lets join who is out of it."""
        states = {each: each.state() for each in self.nodes}
        out = [each for each, state in states.items() if state.split(" ")[0] in ("OFFLINE", "ERROR")]
        try:
            if len(out) == len(self.nodes):
                self.restart_group()
            elif "ONLINE PRIMARY" in states.values():
                for each in out:
                    each.join()
        except (pymysql.MySQLError, AssertionError):  # the others have not yet agreed on who is in
            return False
        return self.whole

    def restart_group(self) -> None:
        """Begin the group again, with the server that has most transactions, after all members had ended."""

        def count(node: Node) -> int:
            executed = node.execute("SELECT @@GLOBAL.gtid_executed")[0][0]
            sets = [part for part in executed.replace("\n", "").split(",") if part.startswith(GROUP_NAME)]
            ranges = [
                each.split("-") for part in sets for each in part.split(":")[1:] if each.replace("-", "").isdigit()
            ]
            return sum(int(each[-1]) - int(each[0]) + 1 for each in ranges)

        best = max(self.nodes, key=count)
        for each in self.nodes:
            each.execute("STOP GROUP_REPLICATION", timeout_s=START_DEADLINE_S)
        self.bootstrap(best)
        for each in self.nodes:
            if each is not best:
                each.join()

    def url(self, *, nodes: Sequence[Node] | None = None) -> str:
        """The URL for SpeedDash, with all hosts or some."""
        hosts = ",".join(f"{each.address}:{each.port}" for each in nodes or self.nodes)
        return f"mysql://{USER}:p%40ss%2Fword%20%231@{hosts}/speed"

    def wait_until_replicated(self) -> None:
        """Wait until every node that runs has applied what the primary has."""
        executed = self.primary().execute("SELECT @@GLOBAL.gtid_executed")[0][0]
        for each in self.nodes:
            if each.runs:
                late = each.execute(f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{executed}', 50)")[0][0]
                assert not late, f"node {each.number} has not applied what the primary has"

    def logs(self) -> str:
        return "\n".join(
            f"-- node {each.number}\n" + "\n".join((each.folder / "log.err").read_text().splitlines()[-30:])
            for each in self.nodes
            if (each.folder / "log.err").exists()
        )

    def stop(self) -> None:
        for each in self.nodes:
            each.end()
