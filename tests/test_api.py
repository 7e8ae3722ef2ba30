import json
from urllib.parse import quote

import pytest
import requests

from tests.running import wait_for

NOON = "2026-01-31T12:00:00.000000Z"


def post(server, path, body, **options):
    return requests.post(
        server.url + path,
        timeout=10,
        **({"json": body} if not isinstance(body, str | bytes) else {"data": body}),
        **options,
    )


def get(server, path, **query):
    return requests.get(server.url + path, query, timeout=10)


def assert_problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= set(answer.json())
    assert answer.json()["status"] == status


def test_health_and_readiness(server):
    assert get(server, "/healthz").json() == {"status": "alive"}
    ready = get(server, "/readyz")
    assert ready.status_code == 200
    assert ready.json()["durable"] is True


def test_one_reading_and_an_array_are_stored(server):
    answer = post(server, "/api/v1/readings?source=rest", {"speed": 1, "timestamp": NOON, "seq": 1})
    assert (answer.status_code, answer.json()) == (201, {"stored": 1})
    answer = post(server, "/api/v1/readings", [{"speed": 2, "timestamp": NOON, "seq": 2, "source": "rest"}] * 2)
    assert (answer.status_code, answer.json()) == (201, {"stored": 2})
    assert [each["speed"] for each in server.readings("rest")] == [1, 2]


@pytest.mark.parametrize(
    ("body", "status", "members"),
    [
        ("nope", 400, {"code": "not_json"}),
        (b'{"speed": 1, "x": "\xff"}', 400, {"code": "not_json"}),
        ("[]", 422, {"code": "empty"}),
        ('[{"speed": 1}, {"speed": "x"}]', 422, {"code": "bad_speed", "index": 1}),
    ],
)
def test_bad_body_is_a_problem(server, body, status, members):
    answer = post(server, "/api/v1/readings?source=bad", body, headers={"Content-Type": "application/json"})
    assert_problem(answer, status)
    assert members.items() <= answer.json().items()
    assert server.readings("bad") == []


def test_body_of_another_type_or_too_large_is_a_problem(server):
    assert_problem(post(server, "/api/v1/readings", '{"speed": 1}', headers={"Content-Type": "text/plain"}), 415)
    assert_problem(
        post(server, "/api/v1/readings", "x" * (1 << 20) + "x", headers={"Content-Type": "application/json"}), 413
    )


def test_readings_come_page_by_page_within_a_range(server):
    post(
        server,
        "/api/v1/readings?source=pages",
        [{"speed": n, "timestamp": 1_769_860_800 + n, "seq": n} for n in range(25)],
    )
    found, cursor = [], ""
    while cursor is not None:
        page = get(
            server,
            "/api/v1/readings",
            source="pages",
            limit=10,
            cursor=cursor,
            **{"from": 1_769_860_801, "to": "2026-01-31T13:00:24+01:00"},
        ).json()
        found += [each["seq"] for each in page["readings"]]
        cursor = page["next_cursor"]
    assert found == list(range(1, 24))


def test_nothing_stored_is_an_empty_list(server):
    assert get(server, "/api/v1/readings", source="never").json() == {"readings": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "10001"), ("limit", "x"), ("limit", "²"), ("from", "yesterday"), ("to", "2026-01-31"), ("source", "a b"), ("cursor", "x"),
     ("cursor", "WzFd"), ("cursor", "WyJhIiwgMWU5OSwgMV0="), ("cursor", "WyJhIiwgOTk5OTk5OTk5OTk5OTk5OTk5OTksIDFd")],
)  # fmt: skip
def test_wrong_query_is_a_problem_that_names_it(server, name, value):
    answer = get(server, "/api/v1/readings", **{name: value})
    assert_problem(answer, 400)
    assert name in answer.json()["detail"]


def test_send_stores_and_reaches_that_connection_alone(server):
    with server.connect("/ws?source=target") as target, server.connect("/ws?source=bystander") as bystander:
        listed = wait_for(
            lambda: [
                each for each in get(server, "/api/v1/connections").json()["connections"] if each["source"] == "target"
            ]
        )
        answer = post(server, "/send", {"connection_id": listed[0]["id"], "speed": 77.5, "timestamp": NOON})
        assert answer.status_code == 200
        pushed = json.loads(target.recv(5))
        assert (pushed["speed"], pushed["timestamp"], pushed["source"]) == (77.5, NOON, "target")
        assert server.readings("target") == [pushed]
        with pytest.raises(TimeoutError):
            bystander.recv(0.2)


def test_send_to_no_such_connection_is_404_and_a_bad_reading_422(server):
    assert_problem(post(server, "/send", {"connection_id": "nobody", "speed": 1}), 404)
    assert_problem(post(server, "/send", {"speed": 1}), 422)
    assert_problem(post(server, "/send", [1]), 422)
    assert_problem(post(server, "/send", "nope", headers={"Content-Type": "application/json"}), 400)
    with server.connect("/ws?source=strict"):
        listed = wait_for(
            lambda: [
                each for each in get(server, "/api/v1/connections").json()["connections"] if each["source"] == "strict"
            ]
        )
        assert_problem(post(server, "/send", {"connection_id": listed[0]["id"], "speed": "fast"}), 422)
    assert server.readings("strict") == []


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/nothing", "/api/v1/" + quote("../x")])
def test_unknown_path_below_api_is_a_problem_not_the_page(server, path):
    assert_problem(get(server, path), 404)


def test_wrong_method_is_a_problem_that_lists_the_right_ones(server):
    answer = requests.delete(f"{server.url}/send", timeout=5)
    assert_problem(answer, 405)
    assert "POST" in answer.headers["Allow"]


def test_metrics_count_what_happened(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    with server.connect("/ws") as socket:
        for text in ('[{"speed": 1}, {"speed": 2}]', '{"speed": -1}', "nope"):
            socket.send(text)
            socket.recv(5)
        post(server, "/api/v1/readings", {"speed": "x"})
        shown = get(server, "/metrics").text.splitlines()
    assert "speeddash_readings_received_total 2.0" in shown
    assert "speeddash_readings_stored_total 2.0" in shown
    assert 'speeddash_frames_rejected_total{code="bad_speed"} 2.0' in shown
    assert 'speeddash_frames_rejected_total{code="not_json"} 1.0' in shown
    assert 'speeddash_sockets_open{kind="sender"} 1.0' in shown
    assert 'speeddash_sockets_open{kind="watcher"} 0.0' in shown
    assert "speeddash_feed_dropped_total 0.0" in shown
    assert "speeddash_queue_depth 0.0" in shown
    assert 'speeddash_batch_readings_bucket{le="2.0"} 1.0' in shown
    assert "speeddash_commit_seconds_count 1.0" in shown


def test_sources_are_listed_with_their_span_and_who_is_connected(server):
    send = [{"source": "listed", "timestamp": f"2026-01-31T12:00:0{n}Z", "seq": n, "speed": 5} for n in range(3)]
    requests.post(f"{server.url}/api/v1/readings", json=send, timeout=5).raise_for_status()
    with server.connect("/ws?source=listed"):
        answer = requests.get(f"{server.url}/api/v1/sources?limit=10000", timeout=5).json()
    (listed,) = [each for each in answer["sources"] if each["source"] == "listed"]
    assert listed == {
        "source": "listed",
        "first": "2026-01-31T12:00:00.000000Z",
        "last": "2026-01-31T12:00:02.000000Z",
        "connections": 1,
    }


def test_series_is_readings_while_they_are_few_and_buckets_beyond(server):
    send = [{"source": "wide", "timestamp": 1_790_000_000 + n, "seq": n, "speed": n} for n in range(120)]
    requests.post(f"{server.url}/api/v1/readings", json=send, timeout=5).raise_for_status()
    url = f"{server.url}/api/v1/series?source=wide"
    few = requests.get(f"{url}&points=120", timeout=5).json()
    assert few["bucket_s"] == 0
    assert few["seq"] == list(range(120))
    many = requests.get(f"{url}&points=12&from=1790000000&to=1790000120", timeout=5).json()
    assert many["bucket_s"] == 10
    assert many["max"] == [9 + 10 * n for n in range(12)]
    assert many["mean"] == [4.5 + 10 * n for n in range(12)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "bad_source"),
        ("source=no!", "bad_source"),
        ("source=a&points=0", "bad_points"),
        ("source=a&from=x", "bad_timestamp"),
        ("source=a&from=20&to=20", "bad_range"),
    ],
)
def test_series_names_what_is_wrong_with_a_query(server, query, code):
    answer = requests.get(f"{server.url}/api/v1/series?{query}", timeout=5)
    assert answer.status_code == 400
    assert answer.json()["code"] == code
