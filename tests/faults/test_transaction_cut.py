"""The connection to the database is cut at every moment of a transaction."""

import pytest

from tests.faults.fleet import Fleet
from tests.faults.mysql_proxy import Moment, MySQLProxy

HOUR_MS = 3_600_000
INSERT, COMMIT = "INSERT INTO speed_data", "COMMIT"


def cut_again_and_again(run, mariadb, statement, moment, cycles, record_property, step_ms=1):
    """With `step_ms` of an hour every batch marks hours, and is a transaction of several statements with a COMMIT."""
    direct = mariadb.create("speed")
    with MySQLProxy(mariadb.port) as proxy:
        server = run(mariadb.url("speed", port=proxy.port))
        with Fleet(server.port, senders=4, step_ms=step_ms) as fleet:
            healed_s = []
            for _ in range(cycles):
                fleet.under_way()
                assert proxy.cut(statement, moment).done.wait(10)
                healed_s.append(fleet.heal())
            account = fleet.settle(direct, record_property)
    assert account.stored == account.sent
    record_property("cycles", cycles)
    record_property("longest_heal_s", round(max(healed_s), 2))


@pytest.mark.long
def test_connection_cut_before_the_insert(run, mariadb, cycles, record_property):
    """The connection is cut before the INSERT reaches the database"""
    cut_again_and_again(run, mariadb, INSERT, Moment.BEFORE, cycles, record_property)


def test_connection_cut_after_the_insert(run, mariadb, cycles, record_property):
    """The connection is cut after the INSERT, before the COMMIT is sent"""
    cut_again_and_again(run, mariadb, COMMIT, Moment.BEFORE, cycles, record_property, HOUR_MS)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(Moment.SENT, id="while it works", marks=pytest.mark.long),
        pytest.param(Moment.UNANSWERED, id="when it is done"),
    ],
)
def test_connection_cut_before_the_answer_to_the_commit(run, mariadb, moment, cycles, record_property):
    """The connection is cut after the COMMIT was sent, before its answer"""
    cut_again_and_again(run, mariadb, COMMIT, moment, cycles, record_property, HOUR_MS)


@pytest.mark.parametrize("moment", [Moment.SENT, Moment.UNANSWERED], ids=["while it works", "when it is done"])
@pytest.mark.long
def test_connection_cut_before_the_answer_to_an_insert_that_commits(run, mariadb, moment, cycles, record_property):
    """The connection is cut after an autocommitted INSERT was sent, before its answer"""
    cut_again_and_again(run, mariadb, INSERT, moment, cycles, record_property)
