"""The wire contract over a real socket, on both databases."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.rawsocket import BINARY, CLOSE, RawSocket
from tests.running import wait_for

STRANGE = '{ "speed" : 50.0 ,\t"seq":1,"timestamp":"2026-01-31T12:00:00.1Z", "unknown": {"ü": [1, "€", null]} }'


@pytest.mark.parametrize("path", ["/", "/ws"])
@pytest.mark.any_database
def test_echo_is_the_same_text_byte_for_byte(server, path):
    with server.connect(f"{path}?source=same{path.replace('/', '-')}") as socket:
        for text in (STRANGE, '[{"speed":1},{"speed":2.50}]', '{"speed":0}'):
            socket.send(text)
            assert socket.recv(5) == text


def test_original_address_without_a_path_is_the_endpoint(server):
    with connect(f"ws://localhost:{server.port}") as socket:
        socket.send('{"speed": 1}')
        assert socket.recv(5) == '{"speed": 1}'


def test_echo_means_stored_with_its_time_to_the_microsecond(server):
    with server.connect("/ws?source=stored") as socket:
        socket.send('{"speed": 88.123456789, "timestamp": "2026-01-31T12:00:00.123456Z", "seq": 7}')
        socket.recv(5)
        assert server.readings("stored") == [
            {"source": "stored", "timestamp": "2026-01-31T12:00:00.123456Z", "seq": 7, "speed": 88.123456789}
        ]


def test_same_seq_again_is_echoed_and_stored_once(server):
    text = '{"speed": 1, "timestamp": 1769860800, "seq": 1}'
    for _ in range(2):
        with server.connect("/ws?source=again") as socket:
            for _ in range(3):
                socket.send(text)
                assert socket.recv(5) == text
    assert len(server.readings("again")) == 1


def test_without_seq_every_frame_is_a_row(server):
    with server.connect("/ws?source=rows") as socket:
        for _ in range(5):
            socket.send('{"speed": 1, "timestamp": 1769860800}')
        for _ in range(5):
            socket.recv(5)
    assert len(server.readings("rows")) == 5


def test_own_source_wins_over_the_url_and_the_id_serves_without_either(server):
    with server.connect("/ws?source=url") as socket:
        socket.send('{"speed": 1, "source": "own"}')
        socket.recv(5)
    assert len(server.readings("own")) == 1
    assert server.readings("url") == []
    with server.connect() as socket:
        socket.send('{"speed": 1}')
        socket.recv(5)
        listed = requests.get(f"{server.url}/api/v1/connections", timeout=5).json()["connections"]
        # connections of earlier tests may still be on their way out
        mine = [each["id"] for each in listed if each["id"] == each["source"]]
        assert any(server.readings(each) for each in mine)


def test_many_frames_in_flight_come_back_in_order_with_errors_in_their_places(server):
    texts = ["nope" if n % 10 == 3 else json.dumps({"speed": n % 200, "n": n}) for n in range(1000)]
    with server.connect("/ws?source=order") as socket:
        for text in texts:
            socket.send(text)
        for text in texts:
            answer = socket.recv(5)
            assert json.loads(answer)["error"]["code"] == "not_json" if text == "nope" else answer == text
    assert len(server.readings("order")) == 900


def test_echo_goes_to_its_sender_alone(server):
    with server.connect("/ws?source=one") as one, server.connect("/ws?source=two") as two:
        for n in range(50):
            one.send(f'{{"speed": {n}, "from": "one"}}')
            two.send(f'{{"speed": {n}, "from": "two"}}')
        assert all("one" in one.recv(5) for _ in range(50))
        assert all("two" in two.recv(5) for _ in range(50))
        with pytest.raises(TimeoutError):
            one.recv(0.2)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nope", {"code": "not_json"}),
        ("[" * 50_000, {"code": "not_json"}),
        ("[]", {"code": "empty"}),
        ("5", {"code": "not_an_object", "index": 0}),
        ('[{"speed": 1}, {"speed": NaN}]', {"code": "bad_speed", "index": 1}),
        ('{"speed": 1, "timestamp": "2026-01-31T12:00:00"}', {"code": "bad_timestamp", "index": 0}),
        ('{"speed": 1, "source": "a b"}', {"code": "bad_source", "index": 0}),
        ('{"speed": 1, "seq": -1}', {"code": "bad_seq", "index": 0}),
    ],
)
def test_bad_frame_is_answered_and_nothing_of_it_is_stored(server, text, error):
    source = f"bad-{error['code']}-{len(text)}"
    with server.connect(f"/ws?source={source}") as socket:
        socket.send(text)
        answer = json.loads(socket.recv(5))["error"]
        assert {name: value for name, value in answer.items() if name != "message"} == error
        assert answer["message"]
        assert server.readings(source) == []
        socket.send('{"speed": 1}')
        assert socket.recv(5) == '{"speed": 1}'


def test_binary_frame_is_answered_with_an_error(server):
    with RawSocket(server.port) as socket:
        socket.send(b'{"speed": 1}', BINARY)
        assert json.loads(socket.receive_text())["error"]["code"] == "not_text"


def test_fragments_are_one_frame(server):
    with RawSocket(server.port) as socket:
        socket.socket.sendall(
            socket.frame(b'{"spe', first_byte=0x01)
            + socket.frame(b"ed", first_byte=0x00)
            + socket.frame(b'": 1}', first_byte=0x80)
        )
        assert socket.receive_text() == b'{"speed": 1}'


def test_close_is_answered_with_close(server):
    with RawSocket(server.port) as socket:
        socket.send((1000).to_bytes(2, "big"), CLOSE)
        assert socket.receive_close() == 1000


def test_text_that_is_not_utf8_closes_with_1007(server):
    with RawSocket(server.port) as socket:
        socket.send(b'{"speed": 1, "x": "\xff"}')
        assert socket.receive_close() == 1007


def test_wrong_source_on_the_url_is_refused_before_the_handshake(server):
    with pytest.raises(InvalidStatus) as refused:
        server.connect(f"/ws?source={quote('a b')}")
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["code"] == "bad_source"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/ws?sorce=car", "unknown_parameter"),
        ("/ws/live?sorce=car", "unknown_parameter"),
        ("/ws?source=a&source=b", "too_many_sources"),
    ],
)
def test_parameter_that_would_be_ignored_is_refused_before_the_handshake(server, address, code):
    with pytest.raises(InvalidStatus) as refused:
        server.connect(address)
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["code"] == code


def test_handshake_without_a_key_is_a_bad_request(server):
    answer = requests.get(
        f"{server.url}/ws",
        headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
        timeout=5,
    )
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/ws", "/ws/live"])
def test_plain_http_on_the_endpoint_says_what_it_is(server, path):
    answer = requests.get(f"{server.url}{path}", timeout=5)
    assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")


@pytest.mark.parametrize("path", ["/wss", "/trips", "/api/v1/sources"])
def test_handshake_at_another_address_says_where_the_sockets_are(server, path):
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://localhost:{server.port}{path}"):
        pass
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["detail"].endswith("sent to /ws and watched at /ws/live")


def test_connection_is_listed_from_open_to_close(server):
    def listed():
        return [
            each
            for each in requests.get(f"{server.url}/api/v1/connections", timeout=5).json()["connections"]
            if each["source"] == "listed"
        ]

    with server.connect("/ws?source=listed") as socket:
        socket.send('[{"speed": 1}, {"speed": 2}]')
        socket.recv(5)
        (connection,) = listed()
        assert set(connection) == {"id", "source", "opened_at", "readings"}
        assert connection["readings"] == 2
        assert connection["opened_at"].endswith("Z")
    wait_for(lambda: not listed())


@pytest.mark.any_database
def test_a_hundred_senders_at_once_lose_nothing(server):
    def drive(number, failures):
        try:
            with server.connect(f"/ws?source=crowd-{number}") as socket:
                for n in range(20):
                    text = f'{{"speed": {n}, "seq": {n}, "timestamp": 1769860800}}'
                    socket.send(text)
                    assert socket.recv(10) == text
        except Exception as failure:
            failures.append(failure)

    failures = []
    senders = [threading.Thread(target=drive, args=(number, failures)) for number in range(100)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert failures == []
    assert all(len(server.readings(f"crowd-{number}")) == 20 for number in range(100))


def test_connection_above_the_limit_is_answered_before_the_handshake_and_accepted_after_another_closes(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db", SPEEDDASH_MAX_CONNECTIONS="3")
    inside = [RawSocket(server.port) for _ in range(3)]
    with pytest.raises(InvalidStatus) as refused, server.connect():
        pass
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"]
    assert "all 3 connections" in json.loads(refused.value.response.body)["detail"]
    assert server.answers("/healthz")
    inside.pop().close()
    wait_for(lambda: len(requests.get(f"{server.url}/api/v1/connections", timeout=5).json()["connections"]) == 2)
    inside.append(RawSocket(server.port))
    for socket in inside:
        socket.send(b'{"speed": 1}')
        assert socket.receive_text() == b'{"speed": 1}'
        socket.close()


def test_half_a_character_in_a_bad_frame_costs_its_neighbours_nothing(server):
    with RawSocket(server.port, "/ws?source=surrogate") as socket:
        bad = b'{"speed": 1, "source": "\\ud800"}'
        socket.socket.sendall(b"".join(map(socket.frame, [b'{"speed": 1}', bad, b'{"speed": 2}'])))
        assert socket.receive_text() == b'{"speed": 1}'
        assert json.loads(socket.receive_text())["error"]["code"] == "bad_source"
        assert socket.receive_text() == b'{"speed": 2}'


def test_echo_does_not_wait_for_a_dozen_long_answers_of_sqlite(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    for at in range(0, 200_000, 10_000):
        part = [{"timestamp": 1_700_000_000 + n / 100, "seq": n, "speed": 50} for n in range(at, at + 10_000)]
        requests.post(f"{server.url}/api/v1/readings?source=lab", json=part, timeout=60).raise_for_status()
    address = f"{server.url}/api/v1/trips?source=lab"
    with ThreadPoolExecutor(12) as readers, server.connect("/ws") as socket:
        answers = [readers.submit(requests.get, address, timeout=120) for _ in range(12)]
        for _ in range(100):  # longer than all of them take to be asked
            socket.send('{"speed": 1}')
            socket.recv(60)
        assert not any(each.done() for each in answers)
    assert all(each.result().ok for each in answers)


def test_sqlite_file_that_is_removed_gets_no_more_receipts_until_there_is_one_again(run, tmp_path):
    path = tmp_path / "speed.db"
    server = run(f"sqlite:///{path}")
    with RawSocket(server.port, "/ws?source=removed") as socket:
        socket.send(b'{"speed": 1}')
        socket.receive_text()
        for each in tmp_path.glob("speed.db*"):
            each.unlink()
        socket.send(b'{"speed": 2}')
        assert socket.receive_text() == b'{"speed": 2}'
        assert [each["speed"] for each in server.readings("removed")] == [2]
        assert path.exists()
