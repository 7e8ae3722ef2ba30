import base64
import json
import re
from datetime import datetime, timedelta
from urllib.parse import quote, urljoin

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
        ("[" * 3000, 400, {"code": "not_json"}),
        ("[]", 422, {"code": "empty"}),
        ('"fast"', 422, {"code": "not_an_object"}),
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


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "readings", "GET, POST"),
        ("DELETE", "summary", "GET"),
        ("GET", "import", "POST"),
        ("POST", "sources/car", "DELETE, GET, PATCH"),
    ],
)
def test_method_that_a_path_does_not_have_is_named_with_those_that_it_has(server, method, path, allowed):
    answer = requests.request(method, f"{server.url}/api/v1/{path}", timeout=5)
    assert_problem(answer, 405)
    assert set(allowed.split(", ")) <= set(answer.headers["Allow"].split(", "))


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


def ride(server, source, speeds, start="2026-03-01T08:00:00Z"):
    first = datetime.fromisoformat(start)
    body = [
        {"source": source, "timestamp": (first + timedelta(seconds=n)).isoformat(), "seq": n, "speed": speed}
        for n, speed in enumerate(speeds)
    ]
    assert post(server, "/api/v1/readings", body).status_code == 201


def test_trips_and_summary_have_the_figures_of_the_readings(server):
    ride(server, "trip", [0, 0, 36, 72, 36, 0])
    ride(server, "trip", [0, 10, 0], start="2026-03-01T09:00:00Z")
    answer = get(server, "/api/v1/trips", source="trip", limit=1).json()
    assert answer["trips"] == [
        {
            "start": "2026-03-01T08:00:01.000000Z", "end": "2026-03-01T08:00:05.000000Z", "count": 5, "mean_speed": 28.8,
            "mean_moving_speed": 48.0, "max_speed": 72.0, "distance_km": 0.04, "duration_s": 4.0, "moving_s": 4.0, "stops": 1,
            "jumps": 0, "name": "", "note": "", "tag": "",
        }
    ]  # fmt: skip
    rest = get(server, "/api/v1/trips", **{"source": "trip", "from": answer["next_from"]}).json()
    assert [each["max_speed"] for each in rest["trips"]] == [10]
    assert rest["next_from"] is None
    whole = get(server, "/api/v1/summary", source="trip").json()
    assert (whole["count"], whole["stops"], whole["max_speed"]) == (9, 2, 72)
    empty = get(server, "/api/v1/summary", source="nobody").json()
    assert (empty["count"], empty["start"], empty["mean_speed"], empty["distance_km"]) == (0, None, None, 0)


def test_events_are_stored_stretches_and_jumps(server):
    assert (
        requests.patch(f"{server.url}/api/v1/sources/ev", json={"limit_kmh": 50}, timeout=5).json()["limit_kmh"] == 50
    )
    ride(server, "ev", [40, 60, 70, 40, 400, 41])

    def found():
        events = get(server, "/api/v1/events", source="ev").json()["events"]
        return [(each["kind"], each["peak"], each["limit_kmh"]) for each in events] if len(events) == 3 else None

    assert wait_for(found) == [("over", 70, 50), ("jump", 400, None), ("over", 400, 50)]


def test_events_are_paged_and_each_is_met_once(server):
    requests.patch(f"{server.url}/api/v1/sources/pages", json={"limit_kmh": 50}, timeout=5).raise_for_status()
    ride(server, "pages", [0, 80, 0, 80, 160, 0, 55, 0])
    whole = wait_for(
        lambda: (found := get(server, "/api/v1/events", source="pages").json()["events"]) and len(found) > 5 and found
    )
    paged, cursor = [], None
    while True:
        answer = get(server, "/api/v1/events", source="pages", limit=1, **({"cursor": cursor} if cursor else {})).json()
        paged += answer["events"]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert paged == whole
    assert_problem(get(server, "/api/v1/events", source="pages", cursor="x"), 400)
    nested = base64.urlsafe_b64encode(b"[" * 6000).decode()
    assert_problem(get(server, "/api/v1/readings", cursor=nested), 400)


def test_source_is_renamed_limited_and_deleted(server):
    ride(server, "before", [1, 2, 3])
    ride(server, "taken", [1])
    path = f"{server.url}/api/v1/sources/"
    assert_problem(requests.patch(path + "before", json={"source": "taken"}, timeout=5), 409)
    assert_problem(requests.patch(path + "nobody", json={"source": "x"}, timeout=5), 404)
    for body in ({}, [], {"limit_kmh": "fast"}, {"limit_kmh": -1}, {"colour": "red"}, {"source": "a b"}):
        assert_problem(requests.patch(path + "before", json=body, timeout=5), 422)
    changed = requests.patch(path + "before", json={"source": "after", "limit_kmh": 80}, timeout=5).json()
    assert changed == {
        "source": "after", "first": "2026-03-01T08:00:00.000000Z", "last": "2026-03-01T08:00:02.000000Z", "connections": 0,
        "limit_kmh": 80, "display_name": None,
    }  # fmt: skip
    assert len(server.readings("after")) == 3
    assert server.readings("before") == []
    assert requests.delete(path + "after", timeout=5).status_code == 204
    assert get(server, "/api/v1/sources/after").json()["first"] is None
    assert get(server, "/api/v1/sources/after").json()["limit_kmh"] is None


def test_readings_of_a_range_are_removed(server):
    ride(server, "cut", range(10))
    assert_problem(requests.delete(f"{server.url}/api/v1/readings?source=cut", timeout=5), 400)
    ends = {"source": "cut", "from": "2026-03-01T08:00:02Z", "to": "2026-03-01T08:00:08Z"}
    assert requests.delete(f"{server.url}/api/v1/readings", params=ends, timeout=5).json() == {"removed": 6}
    assert [each["speed"] for each in server.readings("cut")] == [0, 1, 8, 9]
    assert get(server, "/api/v1/summary", source="cut").json()["count"] == 4


def test_history_that_has_not_changed_is_not_sent_again(server):
    ride(server, "tag", [1, 2])
    first = get(server, "/api/v1/series", source="tag")
    again = requests.get(
        f"{server.url}/api/v1/series?source=tag", headers={"If-None-Match": first.headers["ETag"]}, timeout=5
    )
    assert (again.status_code, again.content) == (304, b"")
    ride(server, "tag", [3], start="2026-03-01T08:01:00Z")
    changed = requests.get(
        f"{server.url}/api/v1/series?source=tag", headers={"If-None-Match": first.headers["ETag"]}, timeout=5
    )
    assert changed.status_code == 200


def test_unknown_parameter_is_named(server):
    answer = get(server, "/api/v1/series", source="a", poinst=3)
    assert_problem(answer, 400)
    assert "poinst" in answer.json()["detail"]


def test_body_in_chunks_above_the_limit_is_413(server):
    def chunks():
        yield b'[{"speed": 1}]'
        for _ in range(9):
            yield b" " * 131_072
        yield b"garbage"

    answer = requests.post(
        f"{server.url}/api/v1/readings?source=chunks",
        data=chunks(),
        headers={"Content-Type": "application/json"},
        timeout=30,
    )
    assert_problem(answer, 413)
    assert server.readings("chunks") == []


def test_source_is_not_removed_with_a_range_that_would_be_ignored(server):
    ride(server, "whole", [10, 20, 30])
    answer = requests.delete(f"{server.url}/api/v1/sources/whole", params={"from": "2026-05-01T00:00:00Z"}, timeout=5)
    assert_problem(answer, 400)
    assert "there is no parameter from here" in answer.json()["detail"]
    assert len(server.readings("whole")) == 3


@pytest.mark.parametrize("form", ["csv", "ndjson", "gpx"])
def test_what_is_exported_is_imported_again_as_it_was(server, form):
    name = f"file-{form}"
    ride(server, name, [0.1, 55.123456789012345, 2 / 3])
    exported = get(server, f"/api/v1/export.{form}", source=name)
    assert exported.headers["Content-Disposition"] == f'attachment; filename="speeddash_{name}.{form}"'
    before = server.readings(name)
    assert requests.delete(f"{server.url}/api/v1/sources/{name}", timeout=5).status_code == 204
    answer = requests.post(
        f"{server.url}/api/v1/import", params={"name": f"x.{form}"}, data=exported.content, timeout=5
    )
    assert (answer.json()["stored"], answer.json()["bad_count"], answer.json()["sources"]) == (3, 0, [name])
    assert server.readings(name) == before
    middle = get(
        server,
        f"/api/v1/export.{form}",
        **{"source": name, "from": before[1]["timestamp"], "to": before[2]["timestamp"]},
    )
    assert middle.text.count(before[1]["timestamp"]) == 1
    assert before[0]["timestamp"] not in middle.text
    assert before[2]["timestamp"] not in middle.text


def test_bad_lines_of_an_import_are_named_and_the_good_ones_stored(server):
    answer = requests.post(
        f"{server.url}/api/v1/import?name=patchy.csv", data="time,speed\n2026-03-01 08:00:00,5\nnever,6\n", timeout=5
    ).json()
    assert (answer["stored"], answer["bad_count"], answer["bad"][0]["line"]) == (1, 1, 3)
    assert_problem(requests.post(f"{server.url}/api/v1/import?name=empty.csv", data=b"", timeout=5), 422)
    assert_problem(requests.post(f"{server.url}/api/v1/import?format=xls", data=b"x", timeout=5), 422)


def test_upload_may_be_larger_than_a_frame(server):
    lines = "".join(f"{1_772_000_000 + n},{n % 90},{'x' * 400}\n" for n in range(3_000))
    assert len(lines) > 1 << 20
    answer = requests.post(f"{server.url}/api/v1/import?name=large.csv", data="time,speed,note\n" + lines, timeout=60)
    assert answer.json()["stored"] == 3_000
    assert get(server, "/api/v1/summary", source="large").json()["count"] == 3_000
    assert requests.delete(f"{server.url}/api/v1/sources/large", timeout=60).status_code == 204


def test_interface_is_described_and_readable_from_here_alone(server):
    document = get(server, "/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert {"/api/v1/series", "/api/v1/trips", "/api/v1/summary", "/api/v1/sources/{source}"} <= set(document["paths"])
    page = get(server, "/api")
    assert page.url.endswith("/api/swagger")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded
    assert all(requests.get(urljoin(page.url, each), timeout=5).ok and "://" not in each for each in loaded)
