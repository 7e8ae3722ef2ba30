"""One server of several does a piece of work, and what another one wrote too late is refused."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from speeddash.cluster.node import Node
from speeddash.errors import LeaseLost, StoreUnavailable
from speeddash.live.feed import Feed
from speeddash.reading import Reading
from speeddash.store import fences, leases, open_store
from speeddash.store.fences import BACKGROUND, SOURCES, Fence, fenced
from speeddash.store.nodes import NodeRow
from speeddash.store.tables import speed_lease, speed_node
from tests.running import wait_for

AT_US = 1_800_000_000_000_000


def expire(store, table=speed_lease):
    def step(connection):
        fences.limit_locks(connection)
        connection.execute(update(table).values(expires_us=0))

    store.database.change_once(step)


def write(store, name="x"):
    store.source_maintenance.set_display_name("car", name)


def test_lease_is_held_by_one_and_passes_when_it_expires(store):
    assert store.leases.take("work", "a") == 1
    assert store.leases.take("work", "b") is None
    assert store.leases.take("work", "a") == 1  # renewed
    expire(store)
    assert store.leases.take("work", "b") == 2
    assert store.leases.take("work", "a") is None


def test_released_lease_passes_at_once(store):
    store.leases.take("work", "a")
    store.leases.release("work", "b")  # not its own
    assert store.leases.take("work", "b") is None
    store.leases.release("work", "a")
    assert store.leases.take("work", "b") == 2


def test_what_a_holder_writes_after_its_lease_passed_is_refused(store):
    term = store.leases.take(BACKGROUND, "a")
    with fenced(Fence(BACKGROUND, "a", term)):
        write(store, "in time")
        expire(store)
        write(store, "still its own")  # nobody else has taken it
    store.leases.take(BACKGROUND, "b")
    with fenced(Fence(BACKGROUND, "a", term)), pytest.raises(LeaseLost):
        write(store, "too late")
    assert store.sources.settings("car").display_name == "still its own"


def test_change_of_a_source_refuses_background_work_that_began_before(store):
    term = store.leases.take(BACKGROUND, "a")
    store.source_lock.share(store.leases, "b")
    store.source_maintenance.delete("car")
    with fenced(Fence(BACKGROUND, "a", term)), pytest.raises(LeaseLost):
        write(store)
    new = store.leases.take(BACKGROUND, "a")
    assert new > term
    with fenced(Fence(BACKGROUND, "a", new)):
        write(store)


def test_two_servers_change_a_source_one_after_the_other(database_url, store):
    other = open_store(database_url)
    store.source_lock.share(store.leases, "a")
    other.source_lock.share(other.leases, "b")
    store.writer.insert([Reading("car", AT_US + n, n, 1.0) for n in range(3000)])
    outcomes = []

    def rename(of, name):
        try:
            of.source_maintenance.rename("car", name)
            outcomes.append(name)
        except Exception as problem:
            outcomes.append(type(problem).__name__)

    threads = [threading.Thread(target=rename, args=each) for each in ((store, "bike"), (other, "boat"))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    names = {each.source for each in store.sources.select(after=None, limit=10)}
    assert len(names) == 1, (
        names,
        outcomes,
    )  # all of it has one name: one rename, then the other found nothing, or failed
    (name,) = names
    assert len(store.readings.select(source=name, limit=10_000)) == 3000
    other.close()


def test_source_that_another_server_changes_for_too_long_may_be_changed_later(store, monkeypatch):
    monkeypatch.setattr(leases, "WAIT_S", 0.3)
    store.leases.take(SOURCES, "a")
    store.source_lock.share(store.leases, "b")
    with pytest.raises(StoreUnavailable, match="another server is changing a source"):
        store.source_maintenance.delete("car")


def test_server_that_stands_still_within_a_transaction_does_not_keep_its_lease(mariadb, monkeypatch):
    monkeypatch.setattr(fences, "IDLE_S", 2)
    database_url = mariadb.create("speed")
    store = open_store(database_url)
    store.prepare()
    term = store.leases.take(BACKGROUND, "a")
    with store.database.engine.connect() as connection:
        Fence(BACKGROUND, "a", term).check(connection)  # and nothing follows
        other = open_store(database_url)
        with pytest.raises(StoreUnavailable):
            expire(other)

        def taken():
            try:
                expire(other)
                return other.leases.take(BACKGROUND, "b")
            except StoreUnavailable:
                return None

        assert wait_for(taken, 60) == term + 1
        other.close()
        connection.invalidate()
    store.close()


@pytest.mark.parametrize("held", [SOURCES, BACKGROUND])
def test_change_of_a_source_waits_for_a_long_transaction_of_another_server(mariadb, monkeypatch, held):
    monkeypatch.setattr(fences, "IDLE_S", 600)
    database_url = mariadb.create("speed")
    store, other = open_store(database_url), open_store(database_url)
    store.prepare()
    term = other.leases.take(held, "a")
    other.leases.take(BACKGROUND, "a")
    store.source_lock.share(store.leases, "b")
    if held == SOURCES:
        other.leases.release(SOURCES, "a")  # its last transaction still runs
    waits = lock_waits(mariadb)
    with ThreadPoolExecutor() as changes, other.database.engine.begin() as connection:
        fences.limit_locks(connection)
        query = select(speed_lease.c.term).where(speed_lease.c.name == held).with_for_update(read=True)
        assert connection.execute(query).scalar() == term
        changed = changes.submit(store.source_maintenance.delete, "car")
        wait_for(lambda: lock_waits(mariadb) >= waits + 2, 60)  # the first has ended with an error of the database
        assert not changed.done()
        connection.commit()
        changed.result(60)
    other.close()
    store.close()


def lock_waits(mariadb):
    """How often a transaction has waited for a lock of another one."""
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'")
        return int(cursor.fetchone()[1])


def test_servers_are_known_until_they_leave_or_say_nothing(store):
    store.nodes.beat(NodeRow("a", "http://a", 1))
    store.nodes.beat(NodeRow("b", "http://b", 2))
    store.nodes.beat(NodeRow("b", "http://b", 3))
    assert store.nodes.others("a") == [NodeRow("b", "http://b", 3)]
    store.nodes.leave("b")
    assert store.nodes.others("a") == []
    assert store.nodes.others("b") == [NodeRow("a", "http://a", 1)]
    expire(store, speed_node)
    assert store.nodes.others("b") == []


def test_server_that_others_do_not_know_any_more_says_that_it_lives_before_it_commits(mariadb, monkeypatch):
    database_url = mariadb.create("speed")
    store, other = open_store(database_url), open_store(database_url)
    store.prepare()
    monkeypatch.setattr("speeddash.cluster.node.KNOWN_S", math.inf)
    monkeypatch.setattr("speeddash.store.writer.SHARED_IDLE_S", math.inf)
    node = Node(store, Feed(1000), "http://a", None, "", lambda: True)
    insert(store, 0)
    assert [each.node for each in other.nodes.others("b")] == [node.id]
    expire(other, speed_node)  # it stands still for 15 s
    assert other.nodes.others("b") == []
    insert(store, 1)
    assert other.nodes.others("b") == []  # told a moment ago, as far as it knows
    monkeypatch.setattr("speeddash.cluster.node.KNOWN_S", -1)
    insert(store, 2)
    assert [each.node for each in other.nodes.others("b")] == [node.id]
    other.close()
    store.close()


def test_server_that_stood_still_before_a_commit_does_not_make_it_over_the_same_connection(mariadb, monkeypatch):
    for module in ("writer", "mysql"):
        monkeypatch.setattr(f"speeddash.store.{module}.SHARED_IDLE_S", 1)
    store = open_store(mariadb.create("speed"))
    store.prepare()
    joined = []

    def stand_still(_new_connection):
        """Last until the database has closed the connection of the first try."""
        joined.append(store.writer._connection.driver_connection.thread_id())
        wait_for(lambda: len(joined) > 1 or joined[0] not in connections(mariadb), 60)

    store.writer.share(stand_still)
    with pytest.raises(StoreUnavailable):
        insert(store, 0)
    assert store.readings.select(source="car", limit=10) == []
    insert(store, 0)
    assert len(joined) == 2
    assert len(store.readings.select(source="car", limit=10)) == 1
    store.close()


def insert(store, n):
    store.writer.insert([Reading("car", AT_US + n, n, 1.0)])


def connections(mariadb):
    """Numbers of the open connections."""
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist")
        return {number for (number,) in cursor.fetchall()}
