"""The steps of clients, by themselves; `tests/hostile` attacks the whole server."""

from itertools import pairwise

import gevent

from speeddash.network.turn_gate import TurnGate


def test_networks_take_turns_and_one_request_starts_in_each_turn():
    gate, started, turns = TurnGate(), [], []
    check = gevent.get_hub().loop.check(ref=False)
    check.start(lambda: turns.append(len(started)))

    def request(peer):
        gate.wait(peer)
        started.append(peer)

    requests = [gevent.spawn(request, "busy") for _ in range(100)]
    requests.append(gevent.spawn(request, "quiet"))
    gevent.joinall(requests, timeout=60, raise_error=True)
    check.stop()
    check.close()
    assert len(started) == 101
    assert started.index("quiet") < 10  # and not behind the hundred
    assert max(after - before for before, after in pairwise(turns)) <= 2
    gevent.spawn(gate.wait, "later").get(timeout=60)
