"""SpeedDash in front of MySQL Group Replication: servers of the group are killed, stopped, switched and cut off, and nothing echoed is lost."""

import contextlib
import signal
import statistics
import time
from pathlib import Path

import pytest
import requests

from tests.cluster.watcher import Watcher, made
from tests.faults.fleet import Fleet
from tests.page.visit import Visit
from tests.running import wait_for

pytestmark = pytest.mark.cluster
#: From the fault to an echo of all that was sent until then. On two cores it takes 7 s; the second number is for a busy machine.
ECHOES_AGAIN_S, LATEST_S = 15.0, 60.0
#: From so many cycles on, times are results.
LONG = 20


@contextlib.contextmanager
def load(run, group, record_property):
    """A server and its senders under way; afterwards what was echoed is stored on every member that runs, each reading once."""
    server = run(group.url(), SPEEDDASH_DATABASE_TIMEOUT_S="5")
    with Fleet(server.port) as fleet:
        fleet.under_way()
        yield server, fleet
        fleet.rest(60)
        group.restore()
        group.wait_until_replicated()
        for each in group.nodes:
            account = fleet.verify(group.url(nodes=[each]))
            assert account.kept, (each.number, account)
            assert account.echoed == account.sent
        for name in ("sent", "echoed", "stored", "lost", "doubled"):
            record_property(name, getattr(account, name))


def readiness(server):
    answer = requests.get(f"{server.url}/readyz", timeout=10)
    return answer.status_code, answer.json()


class Pauses:
    """The times from a fault to the next echoes."""

    def __init__(self, cycles=0):
        self._cycles = cycles
        self._found_s = []

    def end(self, fleet):
        """Wait until a fleet has its echoes again."""
        self._found_s.append(fleet.heal(LATEST_S))
        assert self._cycles < LONG or self._found_s[-1] < ECHOES_AGAIN_S

    def record(self, record_property):
        """Record the median and the longest, and how many there were."""
        record_property("faults", len(self._found_s))
        record_property("echoes_again_median_s", round(statistics.median(self._found_s), 1))
        record_property("echoes_again_longest_s", round(max(self._found_s), 1))


def test_members_are_shown_by_readyz_the_metrics_the_console_and_the_page(run, group, context):
    """A secondary is killed while nobody sends: /readyz, the metrics and the page say that one is missing"""
    server = run(group.url())
    status, told = readiness(server)
    assert (status, told["durable"]) == (200, True)
    assert told["group"]["online"] == 3
    assert sorted(each["role"] for each in told["group"]["members"]) == ["PRIMARY", "SECONDARY", "SECONDARY"]
    assert "group: 3 of 3 ONLINE, primary 127.0.0.1:" in server.output
    assert 'speeddash_database_members{state="ONLINE"} 3.0' in requests.get(f"{server.url}/metrics", timeout=5).text
    group.secondaries()[0].stop(signal.SIGKILL)
    wait_for(lambda: readiness(server)[1]["group"]["online"] == 2, 60)
    visit = Visit(context, server)
    wait_for(lambda: "2 of 3 database servers are online." in visit.page.inner_text("#notice"), 30)
    assert visit.problems == []


def test_killed_primary_is_replaced_and_nothing_is_lost(run, group, cycles, record_property):
    """The group's primary is killed with SIGKILL under load, again and again"""
    pauses = Pauses(cycles)
    with load(run, group, record_property) as (_, fleet):
        for _ in range(max(1, cycles // 2)):
            fleet.under_way()
            group.primary().stop(signal.SIGKILL)
            pauses.end(fleet)
            group.restore()
    pauses.record(record_property)


def test_stopped_primary_is_replaced_and_nothing_is_lost(run, group, record_property):
    """The group's primary is stopped with SIGSTOP under load, and goes on later"""
    pauses = Pauses()
    with load(run, group, record_property) as (_, fleet):
        group.primary().send(signal.SIGSTOP)
        pauses.end(fleet)
    pauses.record(record_property)


def test_killed_secondary_delays_little_and_nothing_is_lost(run, group, record_property):
    """A secondary of the group is killed with SIGKILL under load"""
    pauses = Pauses()
    with load(run, group, record_property) as (_, fleet):
        group.secondaries()[0].stop(signal.SIGKILL)
        pauses.end(fleet)
    pauses.record(record_property)


def test_planned_switch_of_the_primary_loses_nothing(run, group, cycles, record_property):
    """The primary is switched by the operator under load, again and again"""
    pauses = Pauses(cycles)
    with load(run, group, record_property) as (server, fleet):
        for _ in range(max(2, cycles)):
            fleet.under_way()
            group.switch_to(group.secondaries()[0])
            pauses.end(fleet)
            # Reads come from the new primary too: the last echoed reading is there at once.
            last = fleet.senders[0].echoed[-1]
            assert last[2] <= max(each["seq"] for each in server.readings(last[0]))
    pauses.record(record_property)


def test_nothing_is_echoed_without_a_majority(run, group, record_property):
    """Both secondaries do not answer (SIGSTOP): no echo, and /readyz and the page's word say why; afterwards everything is stored"""
    with load(run, group, record_property) as (server, fleet):
        stopped = group.secondaries()
        for each in stopped:
            each.send(signal.SIGSTOP)
        wait_for(lambda: readiness(server)[0] == 503, 30)
        echoed = fleet.halt()
        wait_for(lambda: "majority" in readiness(server)[1].get("detail", ""), 60)
        used = cpu_s(server)
        began = time.monotonic()
        time.sleep(5)  # the pause is what is tested
        assert fleet.echoed == echoed
        assert cpu_s(server) - used < 0.5 * (time.monotonic() - began)  # no hot loop
        for each in stopped:
            each.send(signal.SIGCONT)
        group.restore()
        fleet.heal(60)


def test_all_members_killed_at_once_and_started_again(run, group, record_property):
    """All servers of the group are killed with SIGKILL at once, and the group is started again"""
    with load(run, group, record_property) as (_, fleet):
        for each in group.nodes:
            each.send(signal.SIGKILL)
        for each in group.nodes:
            each.process.wait(30)
        fleet.halt()
        group.restore()
        fleet.heal(60)


def test_servers_of_the_group_are_restarted_one_after_the_other(run, group, cycles, record_property):
    """Rolling restart of the database group under load, with watchers: secondaries first, then the primary after a switch"""
    with load(run, group, record_property) as (server, fleet):
        watchers = [
            Watcher(server, [each.source for each in fleet.senders]) for _ in range(100 if cycles >= LONG else 10)
        ]
        try:
            slowest_s = 0.0
            old, others = group.primary(), group.secondaries()
            for each in (*others, old):
                if each is old:
                    group.switch_to(others[0])
                each.stop(signal.SIGTERM)
                counts, began = [len(watcher.held) for watcher in watchers], time.monotonic()
                wait_for(lambda: all(len(w.held) > count for w, count in zip(watchers, counts, strict=True)), LATEST_S)  # noqa: B023
                slowest_s = max(slowest_s, time.monotonic() - began)
                group.restore()
                fleet.heal(LATEST_S)
            record_property("watchers_again_after_s", round(slowest_s, 1))
            assert cycles < LONG or slowest_s < 10
            fleet.rest(60)
            for each in watchers:
                wait_for(lambda: each.held >= made(fleet), 30)  # noqa: B023
        finally:
            for each in watchers:
                each.ending = True
            for each in watchers:
                each.end()


def test_user_who_may_not_read_the_members_is_told_the_grant(run, group):
    """The database's user may not read the group's members: the start fails with the GRANT that is missing"""
    group.primary().execute(
        "DROP USER IF EXISTS less@'%'",
        "CREATE USER less@'%' IDENTIFIED BY 'secret'",
        "GRANT ALL ON speed.* TO less@'%'",
    )
    url = group.url().replace("//speed:p%40ss%2Fword%20%231@", "//less:secret@")
    with pytest.raises(AssertionError, match=r"GRANT SELECT ON performance_schema\.replication_group_members"):
        run(url)  # it ends at once: an operator must act


def cpu_s(server):
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
