"""Trips over HTTP: names and notes, totals, CSV; and what happens to them when sources change."""

import csv
import io

import requests

from tests.api.test_api import assert_problem, get, ride


def note(server, source, start, **texts):
    address = f"{server.url}/api/v1/trips"
    return requests.patch(address, params={"source": source, "start": start}, json=texts, timeout=5)


def trips(server, source):
    return get(server, "/api/v1/trips", source=source).json()["trips"]


def test_half_a_character_in_a_note_is_refused(server):
    ride(server, "halved", [0, 10, 20, 0])
    address = f"{server.url}/api/v1/trips?source=halved&start=2026-03-01T08:00:02Z"
    answer = requests.patch(
        address, data='{"note": "\\ud800"}', headers={"Content-Type": "application/json"}, timeout=5
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_note")


def test_trip_gets_a_name_a_note_and_a_tag(server):
    ride(server, "noted", [0, 10, 20, 0])
    ride(server, "noted", [0, 10, 20, 0], start="2026-03-01T10:00:00Z")
    changed = note(server, "noted", "2026-03-01T10:00:02Z", name="Zum See", tag="private").json()
    assert (changed["name"], changed["note"], changed["tag"]) == ("Zum See", "", "private")
    assert note(server, "noted", "2026-03-01T10:00:00Z", note="Wind aus Südwest").json()["name"] == "Zum See"
    assert [(each["name"], each["note"]) for each in trips(server, "noted")] == [
        ("", ""),
        ("Zum See", "Wind aus Südwest"),
    ]
    assert note(server, "noted", "2026-03-01T10:00:00Z", name="", note="", tag="").json()["name"] == ""


def test_note_stays_with_its_trip_when_late_readings_move_the_start(server):
    ride(server, "late", [10, 20, 0], start="2026-03-01T08:01:00Z")
    note(server, "late", "2026-03-01T08:01:00Z", name="Early").raise_for_status()
    ride(server, "late", [0, 5, 8], start="2026-03-01T08:00:30Z")
    ride(server, "late", [10, 20, 0], start="2026-03-01T08:01:00Z")  # imported again
    assert [(each["start"], each["name"]) for each in trips(server, "late")] == [
        ("2026-03-01T08:00:30.000000Z", "Early")
    ]


def test_invalid_note_names_what_is_wrong(server):
    ride(server, "wrong", [0, 10, 0])
    at = "2026-03-01T08:00:00Z"
    for texts in ({}, {"colour": "red"}, {"name": 5}, {"name": "x" * 101}, {"tag": "a\nb"}):
        assert_problem(note(server, "wrong", at, **texts), 422)
    assert_problem(note(server, "wrong", "2026-03-01T09:00:00Z", name="x"), 404)
    assert_problem(requests.patch(f"{server.url}/api/v1/trips?source=wrong", json={"name": "x"}, timeout=5), 422)


def test_totals_count_a_trip_on_the_local_day_of_its_start(server):
    ride(server, "sums", [0, 36, 36, 0], start="2026-03-01T23:30:00Z")
    ride(server, "sums", [0, 72, 72, 0], start="2026-03-02T10:00:00Z")
    note(server, "sums", "2026-03-02T10:00:00Z", tag="business").raise_for_status()

    def totals(**query):
        return get(server, "/api/v1/totals", source="sums", **query).json()["totals"]

    assert [(each["from"], each["trips"]) for each in totals()] == [("2026-03-01", 1), ("2026-03-02", 1)]
    [day] = totals(zone="Europe/Berlin")
    assert (day["from"], day["trips"], day["max_speed"]) == ("2026-03-02", 2, 72)
    assert abs(day["distance_km"] - (0.02 + 0.04)) < 1e-9
    assert [each["from"] for each in totals(by="week")] == ["2026-02-23", "2026-03-02"]
    assert [(each["from"], each["trips"]) for each in totals(by="month")] == [("2026-03-01", 2)]
    assert [(each["tag"], each["trips"]) for each in totals(by="tag")] == [("", 1), ("business", 1)]
    assert_problem(get(server, "/api/v1/totals", source="sums", zone="Europe/Atlantis"), 400)


def test_performance_tells_time_at_speeds_and_accelerations(server):
    ride(server, "fast", [0, 0, *range(10, 121, 10), 120, 120, 0])
    found = get(server, "/api/v1/performance", source="fast", width_kmh=60, acceleration=["0-100", "50-90"]).json()
    # 0 to 100 in 10 steps of a second; the last standing second is its beginning.
    assert [(each["from_kmh"], each["to_kmh"], each["seconds"]) for each in found["accelerations"]] == [
        (0, 100, 10),
        (50, 90, 4),
    ]
    assert found["accelerations"][0] == {
        "start": "2026-03-01T08:00:01.000000Z", "from_kmh": 0, "to_kmh": 100, "seconds": 10, "error_s": 1,
    }  # fmt: skip
    # Means of two readings: 5, 15 to 55; 65 to 115 and the 60 of the last second; twice 120.
    assert found["seconds_at"] == [6, 7, 2]
    assert get(server, "/api/v1/performance", source="nobody").json() == {
        "width_kmh": 10,
        "seconds_at": [],
        "accelerations": [],
    }
    for wrong in ("100-0", "fast", "0-", "0-1000"):
        assert_problem(get(server, "/api/v1/performance", source="fast", acceleration=wrong), 400)


def test_trips_are_exported_as_csv_in_the_unit_asked_for(server):
    ride(server, "sheet", [0, 80.4672, 80.4672, 0])
    note(server, "sheet", "2026-03-01T08:00:00Z", name="=1+1", note="two\nlines").raise_for_status()
    answer = get(server, "/api/v1/trips.csv", source="sheet", unit="mph")
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["max_speed_mph"], row["distance_mi"], row["name"], row["note"]) == (
        "50.0",
        "0.028",
        "'=1+1",
        "two\nlines",
    )
    assert "speeddash_sheet_trips.csv" in answer.headers["Content-Disposition"]
    ride(server, "second", [0, 20, 0])
    answer = get(server, "/api/v1/trips.csv", source=["second", "sheet"])
    assert [each["source"] for each in csv.DictReader(io.StringIO(answer.text))] == ["second", "sheet"]
    assert "speeddash_second+sheet_trips.csv" in answer.headers["Content-Disposition"]
    note(server, "sheet", "2026-03-01T08:00:00Z", tag="business").raise_for_status()
    answer = get(server, "/api/v1/trips.csv", source=["second", "sheet"], tag="business")
    assert [each["source"] for each in csv.DictReader(io.StringIO(answer.text))] == ["sheet"]
    assert_problem(get(server, "/api/v1/trips.csv"), 400)
    assert_problem(get(server, "/api/v1/trips.csv", source=["x"] * 21), 400)


def test_renamed_source_takes_its_notes_along(server):
    ride(server, "old-name", [0, 10, 0])
    note(server, "old-name", "2026-03-01T08:00:00Z", name="Mine").raise_for_status()
    address = f"{server.url}/api/v1/sources/old-name"
    assert (
        requests.patch(address, json={"display_name": "Grüner Bus"}, timeout=5).json()["display_name"] == "Grüner Bus"
    )
    requests.patch(address, json={"source": "new-name"}, timeout=5).raise_for_status()
    assert [each["name"] for each in trips(server, "new-name")] == ["Mine"]
    assert get(server, "/api/v1/sources/new-name").json()["display_name"] == "Grüner Bus"
    requests.delete(f"{server.url}/api/v1/sources/new-name", timeout=5).raise_for_status()
    ride(server, "new-name", [0, 10, 0])
    assert [each["name"] for each in trips(server, "new-name")] == [""]


def test_merged_source_is_one_with_each_reading_once(server):
    ride(server, "part-1", [0, 10, 20, 0])
    ride(server, "part-2", [0, 10, 20, 0])  # the same moments and numbers
    ride(server, "part-2", [0, 30, 0], start="2026-03-01T12:00:00Z")
    note(server, "part-2", "2026-03-01T12:00:00Z", name="Second").raise_for_status()
    path = f"{server.url}/api/v1/sources/part-2"
    assert_problem(requests.patch(path, json={"merge_into": "part-2"}, timeout=5), 422)
    assert len(server.readings("part-2")) == 7
    assert_problem(requests.patch(path, json={"merge_into": "part-1", "limit_kmh": 5}, timeout=5), 422)
    assert_problem(requests.patch(path, json={"merge_into": "prat-1"}, timeout=5), 404)
    assert len(server.readings("part-2")) == 7
    merged = requests.patch(path, json={"merge_into": "part-1"}, timeout=5).json()
    assert (merged["source"], merged["last"]) == ("part-1", "2026-03-01T12:00:02.000000Z")
    assert len(server.readings("part-1")) == 7
    assert server.readings("part-2") == []
    assert [(each["max_speed"], each["name"]) for each in trips(server, "part-1")] == [(20, ""), (30, "Second")]
    assert_problem(requests.patch(path, json={"merge_into": "part-1"}, timeout=5), 404)
