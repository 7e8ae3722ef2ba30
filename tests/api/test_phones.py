"""Apps of phones: bodies in the shape in which each sends them, and the answers that each expects."""

import pytest
import requests

from tests.api.test_api import assert_problem
from tests.running import RunningServer

TOKEN = "the-token-of-the-phones"
pytestmark = pytest.mark.any_database


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = RunningServer(f"sqlite:///{tmp_path_factory.mktemp('phones')}/speed.db", SPEEDDASH_TOKEN=TOKEN)
    yield running
    running.stop()


def bearer(token=TOKEN):
    return {"Authorization": f"Bearer {token}"}


def owntracks(server, body, **options):
    return requests.post(f"{server.url}/in/owntracks", json=body, timeout=10, **{"auth": ("anna", TOKEN), **options})


def stored(server, source):
    return [(each["timestamp"], each["speed"]) for each in server.readings(source)]


LOCATION = {"_type": "location", "lat": 52.5, "lon": 13.4, "tst": 1_795_000_000, "vel": 61, "tid": "an", "batt": 67}


def test_owntracks_with_basic_auth_is_answered_with_an_empty_list(server):
    for _ in range(2):  # the app sends again what it has no answer for
        answer = owntracks(server, LOCATION, headers={"X-Limit-U": "anna", "X-Limit-D": "phone"})
        assert (answer.status_code, answer.json()) == (200, [])
    assert stored(server, "anna-phone") == [("2026-11-18T11:06:40.000000Z", 61)]


def test_owntracks_without_a_speed_or_of_another_type_stores_nothing(server):
    without = {name: value for name, value in LOCATION.items() if name != "vel"}
    transition = {"_type": "transition", "event": "enter", "tst": 1_795_000_000}
    for body in (without, LOCATION | {"vel": -1}, transition, {"_type": "status"}):
        answer = owntracks(server, body, params={"source": "nothing"})
        assert (answer.status_code, answer.json()) == (200, [])
    empty = requests.post(f"{server.url}/in/owntracks?source=nothing", auth=("anna", TOKEN), timeout=10)
    assert (empty.status_code, empty.json()) == (200, [])
    assert stored(server, "nothing") == []


def test_owntracks_encrypted_is_a_clear_error(server):
    answer = owntracks(server, {"_type": "encrypted", "data": "abc"})
    assert_problem(answer, 422)
    assert "remove the encryption key" in answer.json()["detail"]


def test_wrong_tokens_are_refused(server):
    assert owntracks(server, LOCATION, auth=("anna", "wrong")).status_code == 401
    assert requests.get(f"{server.url}/in/osmand?speed=1&unit=mps&token=wrong", timeout=10).status_code == 401
    assert requests.get(f"{server.url}/in/osmand?speed=1&unit=mps", timeout=10).status_code == 401
    # Elsewhere a token in the address or as a password does not count.
    assert requests.get(f"{server.url}/api/v1/sources?token={TOKEN}", timeout=10).status_code == 401
    assert requests.get(f"{server.url}/api/v1/sources", auth=("anna", TOKEN), timeout=10).status_code == 401


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        ("1795000000", "2026-11-18T11:06:40.000000Z"),
        ("1795000000123", "2026-11-18T11:06:40.123000Z"),
        ("2026-11-18T11:06:40Z", "2026-11-18T11:06:40.000000Z"),
        ("2026-11-18 11:06:40", "2026-11-18T11:06:40.000000Z"),
    ],
)
def test_osmand_by_get_in_each_form_of_time(server, timestamp, at):
    source = f"osmand-{len(timestamp)}"
    query = {"id": source, "lat": 52.5, "lon": 13.4, "speed": "10", "hdop": "6.0", "timestamp": timestamp}
    answer = requests.get(f"{server.url}/in/osmand", query | {"unit": "mps", "token": TOKEN}, timeout=10)
    assert answer.status_code == 200
    assert stored(server, source) == [(at, 36)]


def test_traccar_client_by_post_in_knots(server):
    query = {"id": "861001", "timestamp": "1795000001", "speed": "40", "lat": "40.7", "lon": "-74.0", "batt": "87"}
    path = f"{server.url}/in/osmand?unit=kn"
    assert requests.post(path, params=query, headers=bearer(), timeout=10).status_code == 200
    assert requests.post(path, data=query | {"id": "861002"}, headers=bearer(), timeout=10).status_code == 200
    for source in ("861001", "861002"):
        assert stored(server, source) == [("2026-11-18T11:06:41.000000Z", pytest.approx(40 * 1.852))]


def test_traccar_client_9_by_json_in_metres_per_second(server):
    coords = {"latitude": 52.5, "longitude": 13.4, "accuracy": 3.8, "speed": 18.67, "heading": 63, "altitude": 35.7}
    location = {"timestamp": "2026-11-18T11:06:42.444Z", "coords": coords, "is_moving": True, "odometer": 0}
    for speed in (18.67, -1):
        body = {"location": location | {"coords": coords | {"speed": speed}}, "device_id": "8737767034"}
        answer = requests.post(f"{server.url}/in/osmand", json=body, headers=bearer(), timeout=10)
        assert (answer.status_code, answer.text) == (200, "")
    assert stored(server, "8737767034") == [("2026-11-18T11:06:42.444000Z", pytest.approx(18.67 * 3.6))]


def test_osmand_without_a_unit_is_a_clear_error_and_without_a_speed_is_none(server):
    answer = requests.get(f"{server.url}/in/osmand?id=x&speed=5&token={TOKEN}", timeout=10)
    assert_problem(answer, 400)
    assert "unit=kn for Traccar Client" in answer.json()["detail"]
    assert requests.get(f"{server.url}/in/osmand?id=x&lat=1&lon=2&token={TOKEN}", timeout=10).status_code == 200
    assert stored(server, "x") == []


def test_get_that_writes_needs_a_token_even_where_nothing_else_does(run, tmp_path):
    """Any page in a browser on this machine can make it send a GET"""
    server = run(f"sqlite:///{tmp_path}/speed.db")
    answer = requests.get(f"{server.url}/in/osmand?id=x&speed=5&unit=mps", timeout=10)
    assert_problem(answer, 403)
    assert "set SPEEDDASH_TOKEN" in answer.json()["detail"]
    assert requests.post(f"{server.url}/in/osmand?id=x&speed=5&unit=mps", timeout=10).status_code == 200


def test_overland_is_answered_with_ok_and_invalid_locations_are_left_out(server):
    def feature(timestamp, speed):
        return {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [-122.03, 37.33]},
            "properties": {
                "timestamp": timestamp,
                "speed": speed,
                "altitude": 80,
                "device_id": "my phone",
                "motion": ["driving"],
            },
        }

    locations = [
        feature("2026-11-18T04:06:40-0700", 4),
        feature("2026-11-18T11:06:41Z", -1),
        feature("2026-11-18T11:06:42Z", 5),
        feature("2026-11-18T11:06:43Z", 99_999),
        feature("yesterday", 5),
        feature("2026-11-18T11:06:44Z", 10**400),
        "nothing",
    ]
    for _ in range(2):
        answer = requests.post(
            f"{server.url}/in/overland", json={"locations": locations, "current": {}}, headers=bearer(), timeout=10
        )
        assert (answer.status_code, answer.json()) == (200, {"result": "ok"})
    expected = [("2026-11-18T11:06:40.000000Z", pytest.approx(14.4)), ("2026-11-18T11:06:42.000000Z", 18)]
    assert stored(server, "my-phone") == expected
    assert_problem(requests.post(f"{server.url}/in/overland", json=[1], headers=bearer(), timeout=10), 422)


def test_token_of_a_source_sends_for_that_source_alone(run, tmp_path):
    server = run(
        f"sqlite:///{tmp_path}/speed.db",
        SPEEDDASH_TOKEN=TOKEN,
        SPEEDDASH_SOURCE_TOKENS="bike=the-token-of-the-bike",
    )
    assert owntracks(server, LOCATION, auth=("anna", "the-token-of-the-bike")).status_code == 200
    assert stored(server, "bike") == [("2026-11-18T11:06:40.000000Z", 61)]
    assert_problem(owntracks(server, LOCATION, auth=("anna", "the-token-of-the-bike"), params={"source": "car"}), 403)


def test_token_in_an_address_is_not_logged(server):
    requests.get(f"{server.url}/in/osmand?id=x&speed=9999999&unit=mps&token={TOKEN}", timeout=10)
    requests.get(f"{server.url}/in/osmand?id=x&speed=fast&unit=mps&token={TOKEN}", timeout=10)
    assert TOKEN not in server.output.replace(f"?token={TOKEN}", "")  # the console prints the link to the page
