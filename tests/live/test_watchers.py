"""`/ws/live` over real sockets: the watcher pulls."""

import json
import time

import gevent
import pytest
import requests

from speeddash.live.watchers import Schedule
from tests.running import wait_for

pytestmark = pytest.mark.any_database


def pull(socket, number, timeout_s=5):
    socket.send(json.dumps({"pull": number}))
    answer = json.loads(socket.recv(timeout_s))
    assert answer["pull"] == number
    return answer


def watchers(server):
    shown = requests.get(f"{server.url}/metrics", timeout=5).text.splitlines()
    (line,) = [each for each in shown if each.startswith('speeddash_sockets_open{kind="watcher"}')]
    return float(line.split()[-1])


def test_pull_is_answered_with_what_is_stored_as_columns(server):
    with server.connect("/ws/live?source=seen") as watcher, server.connect("/ws?source=seen") as sender:
        sender.send('{"speed": 42.5, "timestamp": "2026-01-31T12:00:00.123456Z", "seq": 7}')
        sender.recv(5)
        assert pull(watcher, 1) == {
            "pull": 1,
            "source": ["seen"],
            "timestamp": ["2026-01-31T12:00:00.123456Z"],
            "seq": [7],
            "speed": [42.5],
            "dropped": 0,
        }


def test_pull_waits_until_there_is_something(server):
    with server.connect("/ws/live?source=later") as watcher, server.connect("/ws?source=later") as sender:
        watcher.send('{"pull": 1}')
        with pytest.raises(TimeoutError):
            watcher.recv(0.3)
        sender.send('{"speed": 1}')
        assert json.loads(watcher.recv(5))["speed"] == [1]


def test_slow_watcher_gets_one_larger_frame(server):
    with server.connect("/ws/live?source=fast") as watcher, server.connect("/ws?source=fast") as sender:
        for n in range(500):
            sender.send(f'{{"speed": {n % 100}, "seq": {n}}}')
        for _ in range(500):
            sender.recv(5)
        assert pull(watcher, 1)["seq"] == list(range(500))


def test_watcher_of_two_sources_gets_these_and_one_of_none_gets_all(server):
    with (
        server.connect("/ws/live?source=left&source=right") as two,
        server.connect("/ws/live") as everything,
        server.connect() as sender,
    ):
        sender.send(
            '[{"speed": 1, "source": "left"}, {"speed": 2, "source": "middle"}, {"speed": 3, "source": "right"}]'
        )
        sender.recv(5)
        assert pull(two, 1)["source"] == ["left", "right"]
        assert pull(everything, 1)["source"] == ["left", "middle", "right"]


def test_one_pull_asks_for_several_answers(server):
    with server.connect("/ws/live?source=several") as watcher, server.connect("/ws?source=several") as sender:
        watcher.send('{"pull": 7, "answers": 2}')
        for seq in range(3):
            sender.send(f'{{"speed": 1, "seq": {seq}}}')
            sender.recv(5)
            if seq < 2:
                answer = json.loads(watcher.recv(5))
                assert (answer["pull"], answer["seq"]) == (7, [seq])
        with pytest.raises(TimeoutError):
            watcher.recv(0.3)
        assert pull(watcher, 8)["seq"] == [2]


def test_answers_keep_the_interval_and_hold_what_came_meanwhile(server):
    with server.connect("/ws/live?source=paced") as watcher, server.connect("/ws?source=paced") as sender:
        watcher.send('{"pull": 1, "answers": 10, "interval_ms": 500}')
        began = time.monotonic()
        for seq in range(100):
            sender.send(f'{{"speed": 1, "seq": {seq}}}')
            sender.recv(5)
        seqs, answers = [], 0
        while len(seqs) < 100:
            seqs += json.loads(watcher.recv(5))["seq"]
            answers += 1
        assert seqs == list(range(100))
        assert answers <= 2 + (time.monotonic() - began) / 0.5


def test_new_pull_replaces_the_open_one(server):
    with server.connect("/ws/live?source=again") as watcher, server.connect("/ws?source=again") as sender:
        watcher.send('{"pull": 1, "answers": 5}')
        watcher.send('{"pull": 2, "answers": 1}')
        for seq in range(2):
            sender.send(f'{{"speed": 1, "seq": {seq}}}')
            sender.recv(5)
        assert json.loads(watcher.recv(5))["pull"] == 2
        with pytest.raises(TimeoutError):
            watcher.recv(0.3)


class Asked:
    """Stands in the place of a watcher's pulls."""

    def __init__(self, answer):
        self.answer = answer
        self.failed = False

    def fail(self):
        self.failed = True


def test_watcher_that_cannot_be_answered_stops_no_other(caplog):
    schedule, answered = Schedule(), []

    def fail(now):
        raise RuntimeError("no answer")

    broken = Asked(fail)
    schedule.add(broken, 0.0)
    schedule.add(Asked(answered.append), 0.0)
    schedule.add(Asked(answered.append), time.monotonic() + 0.05)
    with gevent.Timeout(60):
        while len(answered) < 2:
            gevent.sleep(0.01)
    assert "no answer" in caplog.text
    assert broken.failed, "it gets another connection, in the place of an answer that never comes"


@pytest.mark.parametrize(
    "text",
    [
        "nope",
        "{}",
        '{"pull": "1"}',
        '{"pull": 1, "answers": 0}',
        '{"pull": 1, "answers": 1001}',
        '{"pull": 1, "interval_ms": -1}',
        '{"pull": 1, "interval_ms": 0.5}',
        '{"pull": true}',
        "[1]",
        '{"pull": 1180591620717411303424, "x": NaN}',
    ],
)
def test_what_is_no_pull_is_answered_with_an_error(server, text):
    with server.connect("/ws/live") as watcher:
        watcher.send(text)
        assert json.loads(watcher.recv(5))["error"]["code"] in {"bad_pull", "not_json"}


def test_watcher_that_leaves_is_forgotten(server):
    with server.connect("/ws/live"):
        assert wait_for(lambda: watchers(server) == 1)
    assert wait_for(lambda: watchers(server) == 0)
