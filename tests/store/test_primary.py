"""Several hosts of one database: the one that takes writes is found, and found again after a switch."""

import json

import pytest
from sqlalchemy import event

from speeddash.errors import SettingsError, StoreMisconfigured, StoreUnavailable
from speeddash.reading import Reading
from speeddash.store import open_store
from speeddash.store.primary import Group, Host, Member, hosts_of
from tests.mariadb import free_port, private_mariadb
from tests.running import wait_for

AT_US = 1_800_000_000_000_000


@pytest.fixture(scope="module")
def pair():
    """Two servers of one database. They do not replicate, so what is stored where can be told apart."""
    with private_mariadb() as first, private_mariadb() as second:
        for each in (first, second):
            each.create("speed")
            with each.connect("root", "") as connection, connection.cursor() as cursor:
                # A user who may do everything may write to a read-only server too.
                cursor.execute("CREATE USER plain@'%' IDENTIFIED BY 'secret-1'")
                cursor.execute("GRANT ALL ON speed.* TO plain@'%'")
            open_store(each.url("speed")).prepare()
        yield first, second


def url_of(*servers, password="secret-1"):
    hosts = ",".join(f"127.0.0.1:{each.port}" for each in servers)
    return f"mysql://plain:{password}@{hosts}/speed"


def read_only(server, *, on):
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SET GLOBAL read_only = {int(on)}")


def stored(server, source):
    with server.connect(database="speed") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM speed_data WHERE source = %s", (source,))
        return cursor.fetchone()[0]


def insert(store, source, seq):
    store.writer.insert([Reading(source, AT_US, seq, 50.0)])


@pytest.fixture
def second_takes_writes(pair):
    first, second = pair
    read_only(first, on=True)
    read_only(second, on=False)
    yield first, second
    read_only(first, on=False)


def test_read_only_host_is_passed_over(second_takes_writes):
    first, second = second_takes_writes
    store = open_store(url_of(first, second))
    store.prepare()
    insert(store, "passed", 1)
    assert (stored(first, "passed"), stored(second, "passed")) == (0, 1)
    store.close()


def test_switch_is_followed_by_the_writer_and_by_readers(second_takes_writes):
    first, second = second_takes_writes
    store = open_store(url_of(first, second))
    insert(store, "switch", 1)
    assert len(store.readings.select(source="switch", limit=9)) == 1
    read_only(second, on=True)
    read_only(first, on=False)
    with pytest.raises(StoreUnavailable, match="read-only"):
        insert(store, "switch", 2)

    def inserted():
        try:
            insert(store, "switch", 2)
        except StoreUnavailable:
            return False
        return True

    wait_for(inserted, 20)
    assert (stored(first, "switch"), stored(second, "switch")) == (1, 1)
    assert [each.seq for each in store.readings.select(source="switch", limit=9)] == [
        2
    ]  # from the new primary: the old one has only the first
    store.close()


def test_switch_back_while_a_reader_connects_is_no_error(second_takes_writes, monkeypatch):
    first, second = second_takes_writes
    monkeypatch.setattr("speeddash.store.primary.CHECK_S", 0.0)  # the primary is asked each time
    store = open_store(url_of(first, second))
    insert(store, "back", 1)
    assert len(store.readings.select(source="back", limit=9)) == 1
    read_only(second, on=True)
    read_only(first, on=False)

    def switch_back(*_):
        read_only(first, on=True)
        read_only(second, on=False)

    event.listen(store.database.engine, "connect", switch_back)
    store.readings.select(source="back", limit=9)
    assert len(store.readings.select(source="back", limit=9)) == 1  # from the second again
    store.close()


def test_every_host_is_named_when_none_takes_writes(pair):
    first, _ = pair
    read_only(first, on=True)
    store = open_store(f"mysql://plain:secret-1@127.0.0.1:{first.port},127.0.0.1:{free_port()}/speed")
    with pytest.raises(StoreUnavailable) as problem:
        store.check_writable()
    read_only(first, on=False)
    assert str(problem.value).startswith(f"no host takes writes: 127.0.0.1:{first.port}: read-only; 127.0.0.1:")
    assert "refused" in str(problem.value)
    store.close()


def test_wrong_password_at_all_hosts_needs_an_operator(pair):
    store = open_store(url_of(*pair, password="wrong"))
    with pytest.raises(StoreMisconfigured, match="Access denied"):
        store.prepare()


def test_server_goes_on_at_the_new_primary(second_takes_writes, run):
    first, second = second_takes_writes
    server = run(url_of(first, second))
    with server.connect("/ws?source=car") as socket:
        frames = [json.dumps({"speed": float(n), "timestamp": AT_US / 1e6 + n, "seq": n}) for n in range(40)]
        for frame in frames[:20]:
            socket.send(frame)
            assert socket.recv(timeout=30) == frame
        read_only(second, on=True)
        read_only(first, on=False)
        for frame in frames[20:]:
            socket.send(frame)
        assert [socket.recv(timeout=30) for _ in frames[20:]] == frames[20:]
    assert (stored(first, "car"), stored(second, "car")) == (20, 20)
    assert server.readings("car")[-1]["seq"] == 39
    assert "secret-1" not in server.output
    assert f"plain:***@127.0.0.1:{first.port},127.0.0.1:{second.port}/speed" in server.output


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("db1,db2:3307,db3", [("db1", 3306), ("db2", 3307), ("db3", 3306)]),
        ("[::1],[::1]:3307", [("::1", 3306), ("::1", 3307)]),
        ("db1:3306", []),  # one host is SQLAlchemy's affair
    ],
)
def test_hosts_are_read_from_the_url(hosts, expected):
    first, found = hosts_of(f"mysql://user:a%2Cb@{hosts}/speed?charset=utf8mb4")
    assert found == expected
    assert first == f"mysql://user:a%2Cb@{hosts.split(',')[0]}/speed?charset=utf8mb4"


@pytest.mark.parametrize("hosts", ["db1,", "db1,:3307", "db1,db2:x", "db1,db2:0", "db1,db2:70000", "db1,db1:3306"])
def test_invalid_host_is_named_without_the_password(hosts):
    with pytest.raises(SettingsError) as problem:
        open_store(f"mysql://user:secret@{hosts}/speed")
    assert "secret" not in str(problem.value)
    assert any(part in str(problem.value) for part in hosts.split(","))


def test_password_with_a_slash_is_not_shown_as_a_host():
    with pytest.raises(SettingsError, match="host 1 is not a host") as problem:
        open_store("mysql://user:sec,ret/s@db1/speed")
    assert "sec" not in str(problem.value).removeprefix("SPEEDDASH_DATABASE_URL")


def test_group_needs_more_than_half_of_its_members():
    def group(*states):
        roles = ["PRIMARY"] + ["SECONDARY"] * (len(states) - 1)
        return Group(
            tuple(
                Member(Host(f"db{n}", 3306), state, role)
                for n, (state, role) in enumerate(zip(states, roles, strict=True))
            ),
            servers=3,
        )

    assert group("ONLINE", "ONLINE", "UNREACHABLE").has_majority
    assert group("ONLINE", "RECOVERING", "UNREACHABLE").has_majority
    assert not group("ONLINE", "UNREACHABLE", "UNREACHABLE").has_majority
    assert not group("ONLINE", "UNREACHABLE").has_majority
    assert str(group("ONLINE", "ONLINE", "UNREACHABLE")) == "group: 2 of 3 ONLINE, primary db0, db2 UNREACHABLE"
