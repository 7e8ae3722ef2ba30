"""The primary is cut off from the other members of its group, while its clients still reach it: only the majority echoes."""

import time

import pytest

from tests.cluster.group import ReplicationGroup
from tests.cluster.hosts import three_hosts
from tests.cluster.test_group import readiness
from tests.faults.fleet import Fleet
from tests.mysql import ROOT, folder_in_root
from tests.running import wait_for

pytestmark = pytest.mark.cluster


def test_primary_cut_off_with_the_minority_echoes_nothing(run, record_property):
    """The primary is cut off with the minority (network namespaces), and the network heals: senders of the minority get no echo, those of the majority go on, nothing is lost"""
    if not (ROOT / "usr/sbin/mysqld").exists():
        pytest.skip("there is no MySQL in a folder; `bash tests/cluster/run.sh` makes it")
    with folder_in_root() as folder, three_hosts() as hosts:
        group = ReplicationGroup(folder, hosts.places)
        try:
            cut = group.primary()
            everywhere, minority = run(group.url()), run(group.url(nodes=[cut]))
            with (
                Fleet(everywhere.port, name="all") as majority_fleet,
                Fleet(minority.port, name="few") as minority_fleet,
            ):
                majority_fleet.under_way()
                minority_fleet.under_way()
                hosts.cut_off(cut)
                echoed = minority_fleet.halt()
                record_property("majority_echoes_again_s", round(majority_fleet.heal(60), 1))
                wait_for(lambda: readiness(minority)[0] == 503, 30)
                time.sleep(
                    12
                )  # beyond group_replication_unreachable_majority_timeout: what must not happen has its time
                assert minority_fleet.echoed == echoed
                assert readiness(everywhere)[1]["group"]["online"] == 2
                hosts.heal(cut)
                group.restore()
                assert minority_fleet.echoed == echoed  # it is a secondary now
                group.switch_to(cut)
                record_property("minority_echoes_again_s", round(minority_fleet.heal(60), 1))
                for fleet in (majority_fleet, minority_fleet):
                    fleet.rest(60)
                group.wait_until_replicated()
                for each in group.nodes:
                    for fleet in (majority_fleet, minority_fleet):
                        account = fleet.verify(group.url(nodes=[each]))
                        assert account.kept, (each.number, account)
                        assert account.echoed == account.sent
                for name in ("sent", "echoed", "lost", "doubled"):
                    record_property(
                        name,
                        sum(
                            getattr(each.verify(group.url(nodes=[group.primary()])), name)
                            for each in (majority_fleet, minority_fleet)
                        ),
                    )
        except BaseException:
            print(group.logs())
            raise
        finally:
            group.stop()
