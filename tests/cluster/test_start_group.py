"""deploy/mysql/start-group.sh: three empty servers become a group, and one again after all of them were down."""

import os
import subprocess

import pytest

from speeddash.store import open_store
from tests.cluster.group import Node, Place
from tests.mariadb import free_port
from tests.mysql import ROOT as MYSQL_ROOT
from tests.mysql import folder_in_root
from tests.running import ROOT

pytestmark = pytest.mark.cluster
#: With what a shell and SQL treat as their own.
PASSWORD = "o'r\\d\"$x"


@pytest.fixture
def nodes():
    with folder_in_root() as folder:
        places = [Place()] * 3
        ports = [free_port() for _ in places]
        nodes = [Node(number, folder / str(number), places, ports) for number in (1, 2, 3)]
        try:
            for each in nodes:
                each.folder.mkdir(parents=True)
                each.install(nodes[0] if each is not nodes[0] else None)
            for each in nodes:
                each.start()
                quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
                each.execute(
                    "SET SQL_LOG_BIN = 0",
                    f"CREATE USER operator@'%' IDENTIFIED BY '{quoted}'",
                    "GRANT ALL ON *.* TO operator@'%' WITH GRANT OPTION",
                )
            yield nodes
        finally:
            for each in nodes:
                each.end()


def start_group(nodes, password=PASSWORD):
    env = os.environ | {
        "HOSTS": " ".join(f"127.0.0.1:{each.port}" for each in nodes),
        "MYSQL": f"chroot {MYSQL_ROOT} mysql",
        "ADMIN": "operator",
        "MYSQL_PWD": password,
        "REPLICA_PASSWORD": "re'plica",
        "DATABASE_PASSWORD": "data'base",
    }
    return subprocess.run(
        ["bash", ROOT / "deploy/mysql/start-group.sh"], env=env, capture_output=True, text=True, timeout=400
    )


def test_group_is_made_kept_and_made_again_with_every_transaction(nodes):
    wrong = start_group(nodes, "wrong")
    assert (wrong.returncode, "Access denied" in wrong.stderr) == (1, True)
    begun = start_group(nodes)
    assert begun.returncode == 0, begun.stderr
    assert "The group begins with" in begun.stdout
    assert sorted(each.state() for each in nodes) == ["ONLINE PRIMARY", "ONLINE SECONDARY", "ONLINE SECONDARY"]
    before = {each.view() for each in nodes}
    again = start_group(nodes).stdout
    assert "begins" not in again
    assert "joins" not in again
    assert {each.view() for each in nodes} == before
    primary = next(each for each in nodes if each.state() == "ONLINE PRIMARY")
    url = f"mysql://speeddash:data%27base@127.0.0.1:{primary.port}/speeddash"
    store = open_store(url)
    store.prepare()
    store.close()
    # One server goes first, and lacks what is written after it: the group must not begin with it.
    gone = next(each for each in reversed(nodes) if each is not primary)
    gone.stop()
    primary.execute("INSERT INTO speeddash.speed_data (speed, timestamp) VALUES (52.5, UTC_TIMESTAMP(6))")
    for each in nodes:
        if each is not gone:
            each.stop()
    for each in nodes:
        each.start()
    done = start_group([gone, *(each for each in nodes if each is not gone)])
    assert done.returncode == 0, done.stderr
    assert sorted(each.state() for each in nodes) == ["ONLINE PRIMARY", "ONLINE SECONDARY", "ONLINE SECONDARY"]
    for each in nodes:
        assert each.execute("SELECT COUNT(*) FROM speeddash.speed_data") == [(1,)]
