"""Limits: events found from readings, stored, and delivered once to a webhook that may be down."""

import json

import pytest
import requests

from speeddash.alerts.alerts import Alerts
from speeddash.alerts.events import above
from speeddash.alerts.notifications import Notifications
from speeddash.errors import SettingsError, StoreUnavailable
from speeddash.history.worker import RollupWorker
from speeddash.reading import Reading
from speeddash.timerange import HOUR_US, SECOND_US, TimeRange
from tests.history.test_history import START, put
from tests.history.test_trips import drive
from tests.running import free_port, wait_for

EVER = 2**60
NOW = START + 3 * HOUR_US


def events(store):
    return [
        (each.start_us - START, each.end_us - START, each.peak) for each in store.events.select("car", TimeRange(), 100)
    ]


def seconds(*found):
    return [(start * SECOND_US, end * SECOND_US, peak) for start, end, peak in found]


def test_event_is_from_the_first_reading_above_the_limit_to_the_last():
    found = list(above("car", 50, drive([50, 51, 60, 50, 0, 70])))
    assert [
        ((each.start_us - START) // SECOND_US, (each.end_us - START) // SECOND_US, each.peak) for each in found
    ] == [
        (1, 2, 60),
        (5, 5, 70),
    ]
    assert [each.ongoing for each in found] == [False, True]


def test_gap_ends_an_event():
    found = list(above("car", 50, [*drive([60]), *drive([70], after_s=300)]))
    assert [each.peak for each in found] == [60, 70]


def test_events_are_found_as_readings_come(store):
    alerts = Alerts(store, None)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([40, 60, 70]))
    alerts.limits.check(START + 3 * SECOND_US)
    assert events(store) == seconds((1, 2, 70))
    assert store.events.select("car", TimeRange(), 1)[0].ongoing
    put(store, *drive([80, 40, 90, 10], after_s=3))
    alerts.limits.check(START + 7 * SECOND_US)
    assert events(store) == seconds((1, 3, 80), (5, 5, 90))
    assert not any(each.ongoing for each in store.events.select("car", TimeRange(), 9))
    alerts.limits.check(START + 8 * SECOND_US)
    assert events(store) == seconds((1, 3, 80), (5, 5, 90))


def test_event_of_a_source_that_fell_silent_is_over(store):
    alerts = Alerts(store, None)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([60]))
    alerts.limits.check(START + SECOND_US)
    assert store.events.select("car", TimeRange(), 1)[0].ongoing
    alerts.limits.check(START + 301 * SECOND_US)
    assert not store.events.select("car", TimeRange(), 1)[0].ongoing


def test_drive_that_is_sent_again_much_later_is_not_cut_into_events(store):
    alerts = Alerts(store, None)
    alerts.limits.set_limit("car", 50.0, START)
    for n in range(3):
        put(store, *drive([60 + n], after_s=n))
        alerts.limits.check(NOW)
    assert events(store) == seconds((0, 2, 62))


def test_new_limit_finds_the_events_of_all_history_again(store):
    put(store, *drive([40, 60, 40] * 1500))
    RollupWorker(store, recheck=lambda *_: None).roll_up(grace_s=-1)
    alerts = Alerts(store, None)
    alerts.limits.set_limit("car", 50.0, START)
    alerts.limits.check(NOW)
    assert len(store.events.select("car", TimeRange(), 5000)) == 1500
    alerts.limits.set_limit("car", 30.0, START)
    alerts.limits.check(NOW)
    assert events(store) == seconds((0, 4499, 60))
    alerts.limits.set_limit("car", None, START)
    alerts.limits.check(NOW)
    assert events(store) == []


def test_late_readings_change_the_events_of_their_hour(store):
    alerts = Alerts(store, None)
    rollups = RollupWorker(store, recheck=alerts.limits.recheck)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([60, 60, 60, 60]))
    put(store, *drive([0, 0], after_s=2 * 3600))
    alerts.limits.check(NOW)
    assert events(store) == seconds((0, 3, 60))
    put(store, Reading("car", START + SECOND_US + 1, 99, 10.0), Reading("car", START + 100 * SECOND_US, 1, 75.0))
    rollups.roll_up(grace_s=-1)
    assert [each[2] for each in events(store)] == [60, 75]
    store.source_maintenance.remove("car", TimeRange(START, START + 50 * SECOND_US))
    rollups.roll_up(grace_s=-1)
    assert events(store) == seconds((100, 100, 75))


def test_late_reading_leaves_events_of_the_next_hour_whole(store):
    """Two events within 300 s of each other cross and follow the hour's end; a late reading changes neither."""
    hour_us = START // HOUR_US * HOUR_US

    def speed(at_s):
        return 140.0 if 4020 <= at_s <= 5400 and at_s > 4500 else 110.0 if above(at_s) else 50.0

    def above(at_s):
        return 3570 <= at_s <= 3630 or 3660 <= at_s <= 3960 or 4020 <= at_s <= 5400

    alerts = Alerts(store, None)
    alerts.limits.set_limit("car", 100.0, START)
    put(store, *[Reading("car", hour_us + at_s * SECOND_US, at_s, speed(at_s)) for at_s in range(3000, 6001, 10)])
    alerts.limits.check(NOW)
    before = store.events.select("car", TimeRange(), 9)
    assert [
        ((each.start_us - hour_us) // SECOND_US, (each.end_us - hour_us) // SECOND_US, each.peak) for each in before
    ] == [
        (3570, 3630, 110.0),
        (3660, 3960, 110.0),
        (4020, 5400, 140.0),
    ]
    rollups = RollupWorker(store, recheck=alerts.limits.recheck)
    rollups.roll_up(grace_s=-1)
    store.writer._marked.clear()
    put(store, Reading("car", hour_us + 1805 * SECOND_US, 0, 50.0))
    rollups.roll_up(grace_s=-1)
    assert store.events.select("car", TimeRange(), 9) == before


def test_late_reading_that_joins_and_one_that_parts_events_across_the_hour(store):
    hour_end_us = START // HOUR_US * HOUR_US + HOUR_US
    alerts = Alerts(store, None)
    rollups = RollupWorker(store, recheck=alerts.limits.recheck)

    def around(at_s, speed=60.0):
        return Reading("car", hour_end_us + at_s * SECOND_US, 10_000 + at_s, speed)

    alerts.limits.set_limit("car", 50.0, START)
    put(store, around(-500), around(200), around(400), around(401, 0.0), around(500), around(501, 0.0))
    alerts.limits.check(NOW + HOUR_US)
    assert len(store.events.select("car", TimeRange(), 9)) == 3
    put(store, around(-250), around(-10))
    rollups.roll_up(grace_s=-1)
    found = [
        (each.start_us - hour_end_us, each.end_us - hour_end_us) for each in store.events.select("car", TimeRange(), 9)
    ]
    assert found == [(-500 * SECOND_US, 400 * SECOND_US), (500 * SECOND_US, 500 * SECOND_US)]
    store.writer._marked.clear()
    put(store, around(-5, 10.0))
    rollups.roll_up(grace_s=-1)
    found = [
        (each.start_us - hour_end_us, each.end_us - hour_end_us) for each in store.events.select("car", TimeRange(), 9)
    ]
    assert found == [
        (-500 * SECOND_US, -10 * SECOND_US),
        (200 * SECOND_US, 400 * SECOND_US),
        (500 * SECOND_US, 500 * SECOND_US),
    ]


def test_sources_with_nothing_new_are_not_looked_at(store, monkeypatch):
    alerts = Alerts(store, None)
    for number in range(20):
        alerts.limits.set_limit(f"car{number}", 50.0, START)
        put(store, *drive([60, 0], source=f"car{number}"))
    put(store, *drive([60], source="silent"))
    alerts.limits.set_limit("silent", 50.0, START)
    alerts.limits.set_limit("without readings", 50.0, START)
    alerts.limits.check(START + 10 * SECOND_US)
    assert store.events.sources_to_check(START + 10 * SECOND_US, START - 1) == []
    looked = []
    monkeypatch.setattr(store.sources, "span", lambda source: looked.append(source))
    alerts.limits.check(START + 20 * SECOND_US)
    assert looked == []
    put(store, *drive([70], after_s=15, source="car3"))
    alerts.limits.check(START + 400 * SECOND_US)
    assert looked == ["car3", "silent"]


def test_delivery_is_claimed_by_one_of_two_processes(store, hook):
    first, second = Alerts(store, hook.url), Alerts(store, hook.url)
    first.limits.set_limit("car", 50.0, START)
    put(store, *drive([60, 0]))
    first.limits.check(START + 2 * SECOND_US)
    (due,) = store.events.undelivered(START + 2 * SECOND_US, 9)
    assert store.events.claim_delivery(due, START + 60 * SECOND_US)
    assert not store.events.claim_delivery(due, START + 60 * SECOND_US)
    second.webhook.deliver(START + 2 * SECOND_US)
    assert hook.got == []
    second.webhook.deliver(START + 61 * SECOND_US)
    first.webhook.deliver(START + 61 * SECOND_US)
    assert len(hook.got) == 1


def test_event_that_crosses_an_hour_stays_one(store):
    alerts = Alerts(store, None)
    edge_s = (START // HOUR_US * HOUR_US + HOUR_US - START) // SECOND_US
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([60] * 120, after_s=edge_s - 60), *drive([0], after_s=edge_s + 60))
    alerts.limits.check(NOW)
    before = events(store)
    assert len(before) == 1
    RollupWorker(store, recheck=alerts.limits.recheck).roll_up(grace_s=-1)
    assert events(store) == before


def test_events_of_removed_readings_stay_when_a_straggler_comes(store):
    alerts = Alerts(store, None)
    keeper = RollupWorker(store, keep_raw_days=1, recheck=alerts.limits.recheck)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([60, 60, 0]), *drive([0, 0], after_s=40 * 3600))
    alerts.limits.check(NOW)
    keeper.roll_up(grace_s=-1)
    keeper.retain(START + 60 * HOUR_US)
    store.writer._marked.clear()
    put(store, *drive([10], after_s=9))
    keeper.roll_up(grace_s=-1)
    assert events(store) == seconds((0, 1, 60))


def test_late_event_is_found_although_the_database_was_away_between(store):
    alerts = Alerts(store, None)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([0]), *drive([0], after_s=7200))
    alerts.limits.check(NOW)
    put(store, *drive([60, 0], after_s=10))

    def away(*_):
        raise StoreUnavailable("away for a moment")

    with pytest.raises(StoreUnavailable):
        RollupWorker(store, recheck=away).roll_up(grace_s=-1)
    RollupWorker(store, recheck=alerts.limits.recheck).roll_up(grace_s=-1)
    assert events(store) == seconds((10, 10, 60))
    assert not store.events.select("car", TimeRange(), 1)[0].ongoing


def test_source_that_fails_takes_nothing_from_the_others(store, monkeypatch):
    alerts = Alerts(store, None)
    for source in ("bad", "good"):
        alerts.limits.set_limit(source, 50.0, START)
        put(store, *drive([60, 0], source=source))
    span = store.sources.span

    def failing(source):
        if source == "bad":
            raise StoreUnavailable("not this one")
        return span(source)

    monkeypatch.setattr(store.sources, "span", failing)
    with pytest.raises(StoreUnavailable):
        alerts.limits.check(NOW)
    assert len(store.events.select("good", TimeRange(), 9)) == 1


@pytest.mark.any_database
def test_many_events_are_stored(store):
    alerts = Alerts(store, None)
    put(store, *drive([40, 60] * 4000))
    alerts.limits.set_limit("car", 50.0, START)
    alerts.limits.check(NOW)
    assert len(store.events.select("car", TimeRange(), 9999)) == 4000


def test_same_limit_again_is_no_news_and_another_one_none_of_the_past(store, hook):
    alerts = Alerts(store, hook.url)
    put(store, *drive([60, 0], after_s=0))
    for limit_kmh in (50.0, 50.0, 40.0):
        alerts.limits.set_limit("car", limit_kmh, START + 200 * SECOND_US)
        alerts.limits.check(START + 300 * SECOND_US)
        alerts.webhook.deliver(START + 300 * SECOND_US)
    assert len(store.events.select("car", TimeRange(), 9)) == 1
    assert hook.got == []


def test_event_is_delivered_once_when_it_has_ended(store, hook):
    alerts = Alerts(store, hook.url)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([60, 70]))
    alerts.limits.check(START + 2 * SECOND_US)
    alerts.webhook.deliver(START + 2 * SECOND_US)
    assert hook.got == []
    put(store, *drive([10], after_s=2))
    for _ in range(2):
        alerts.limits.check(START + 3 * SECOND_US)
        alerts.webhook.deliver(START + 3 * SECOND_US)
    assert hook.got == [
        {
            "event": "over_limit", "source": "car", "start": "2026-09-21T14:13:20.000000Z", "end": "2026-09-21T14:13:21.000000Z",
            "peak_kmh": 70.0, "limit_kmh": 50.0,
        }
    ]  # fmt: skip


def test_first_event_of_a_limit_set_before_the_readings_is_delivered(store, hook):
    alerts = Alerts(store, hook.url)
    alerts.limits.set_limit("car", 50.0, START - HOUR_US)
    put(store, *drive([60, 0]))  # from a phone that was offline
    alerts.limits.check(START + 600 * SECOND_US)
    alerts.webhook.deliver(START + 600 * SECOND_US)
    assert len(hook.got) == 1


def test_reading_ahead_of_its_time_hides_no_event(store):
    alerts = Alerts(store, None)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([10]), *drive([0], after_s=40 * 365 * 86_400))
    alerts.limits.check(START + SECOND_US)
    put(store, *drive([60, 10], after_s=5))
    alerts.limits.check(START + 8 * SECOND_US)
    assert events(store) == seconds((5, 5, 60))


def test_events_are_found_behind_days_of_nothing(store):
    alerts = Alerts(store, None)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([10]))
    alerts.limits.check(START + SECOND_US)
    put(store, *drive([60, 10], after_s=5 * 86_400), *drive([70, 10], after_s=11 * 86_400))
    alerts.limits.check(START + 12 * 24 * HOUR_US)
    assert [each[2] for each in events(store)] == [60, 70]


def test_webhook_that_is_away_is_tried_again_later_and_its_address_stays_secret(store, hook, caplog):
    hook.answers = [500, 302]
    alerts = Alerts(store, hook.url)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([60, 0]))
    now = START + 2 * SECOND_US
    alerts.limits.check(now)
    alerts.webhook.deliver(now)
    alerts.webhook.deliver(now + SECOND_US)
    assert len(hook.got) == 1, "not at once"
    later = Alerts(store, hook.url)  # another process goes on
    later.webhook.deliver(now + 7 * SECOND_US)
    later.webhook.deliver(now + 30 * SECOND_US)
    later.webhook.deliver(now + 3600 * SECOND_US)
    assert len(hook.got) == 3
    assert "it answered 500" in caplog.text
    assert "secret" not in caplog.text


def test_events_that_ended_long_ago_are_not_delivered(store, hook):
    alerts = Alerts(store, hook.url)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, *drive([60, 0]))
    alerts.limits.check(START + 25 * HOUR_US)
    alerts.webhook.deliver(START + 25 * HOUR_US)
    assert len(store.events.select("car", TimeRange(), 9)) == 1
    assert hook.got == []


@pytest.mark.any_database
def test_running_server_delivers_to_the_webhook(database_url, run, hook):
    server = run(database_url, SPEEDDASH_WEBHOOK_URL=hook.url)
    requests.patch(f"{server.url}/api/v1/sources/bike", json={"limit_kmh": 39}, timeout=5).raise_for_status()
    with server.connect("/ws?source=bike") as socket:
        for speed in (35.5, 40, 35.5):
            socket.send(json.dumps({"speed": speed}))
            socket.recv(5)
    wait_for(lambda: hook.got, 15)
    assert [(each["source"], each["peak_kmh"]) for each in hook.got] == [("bike", 40)]
    listed = requests.get(f"{server.url}/api/v1/events", {"source": "bike"}, timeout=5).json()["events"]
    assert [(each["kind"], each["peak"], each["ongoing"]) for each in listed] == [("over", 40, False)]


def noisy(count=60, limit=100.0):
    """Readings of a source that travels at the limit, with noise of 2 km/h; then it slows down."""
    speeds = [limit + 2 * (-1) ** n * ((n * 7) % 5) / 4 for n in range(count)]
    return drive([50.0, *speeds, 50.0])


def notifier(store, hook, **options):
    notifications = Notifications([hook.url.replace("http://", "json://")], options.pop("min_s", 0.0))
    return Alerts(store, None, notifications=notifications, **options)


def test_noise_around_the_limit_is_one_event_notified_at_its_begin_and_its_end(store, hook):
    """Limit 100, noise of 2 km/h around it for 60 s"""
    alerts = notifier(store, hook, tolerance_kmh=3.0)
    alerts.limits.set_limit("car", 100.0, START)
    for at, reading in enumerate(noisy()):
        put(store, reading)
        now_us = START + (at + 1) * SECOND_US
        alerts.limits.check(now_us)
        alerts.notifier.notify(now_us)
    (event,) = store.events.select("car", TimeRange(), 9)
    assert not event.ongoing
    assert [each["title"] for each in hook.got] == ["car is above 100 km/h", "car is below 100 km/h again"]
    assert "at most 102 km/h" in hook.got[1]["message"]
    alerts.notifier.notify(NOW)
    assert len(hook.got) == 2


def test_without_a_tolerance_each_reading_at_the_limit_ends_an_event(store):
    alerts = Alerts(store, None)
    alerts.limits.set_limit("car", 100.0, START)
    put(store, *noisy())
    alerts.limits.check(NOW)
    assert len(store.events.select("car", TimeRange(), 99)) > 10


def test_tolerance_is_the_same_for_readings_that_were_rolled_up(store):
    """A segment whose lowest reading ends an event, and whose first and last do not"""
    speeds = [101.0] * 60 + [99.0] * 30 + [60.0] + [99.0] * 29 + [101.0] * 60
    put(store, *drive(speeds))
    alerts = Alerts(store, None, tolerance_kmh=3.0)
    alerts.limits.set_limit("car", 100.0, START)
    alerts.limits.check(NOW)
    before = events(store)
    assert len(before) == 2
    RollupWorker(store, recheck=alerts.limits.recheck).roll_up(grace_s=-1)
    alerts.limits.set_limit("car", None, START)
    alerts.limits.set_limit("car", 100.0, START)
    alerts.limits.check(NOW)
    assert events(store) == before


def test_short_event_is_not_notified(store, hook):
    alerts = notifier(store, hook, min_s=5.0)
    alerts.limits.set_limit("car", 100.0, START)
    put(store, *drive([50, 110, 110, 50]))
    alerts.limits.check(START + 4 * SECOND_US)
    alerts.notifier.notify(START + 4 * SECOND_US)
    put(store, *drive([110] * 4, after_s=10))
    alerts.limits.check(START + 14 * SECOND_US)
    alerts.notifier.notify(START + 14 * SECOND_US)
    assert hook.got == []
    put(store, *drive([110] * 4 + [50], after_s=14))
    alerts.limits.check(START + 19 * SECOND_US)
    for _ in range(2):
        alerts.notifier.notify(START + 19 * SECOND_US)
    assert [each["title"] for each in hook.got] == ["car is above 100 km/h", "car is below 100 km/h again"]


def test_notification_that_is_not_accepted_is_tried_again_later(store, hook, caplog):
    hook.answers = [500]
    alerts = notifier(store, hook)
    alerts.limits.set_limit("car", 100.0, START)
    put(store, *drive([50, 110]))
    alerts.limits.check(START + 2 * SECOND_US)
    alerts.notifier.notify(START + 2 * SECOND_US)
    alerts.notifier.notify(START + 3 * SECOND_US)
    assert len(hook.got) == 1
    alerts.notifier.notify(START + 20 * SECOND_US)
    assert len(hook.got) == 2
    assert "a notification was not accepted; retrying" in caplog.text
    assert "secret" not in caplog.text


def test_address_that_is_wrong_costs_the_others_nothing(store, hook, caplog):
    dead = f"json://127.0.0.1:{free_port()}/secret"
    alerts = Alerts(store, None, notifications=Notifications([dead, hook.url.replace("http://", "json://")], 0.0))
    alerts.limits.set_limit("car", 100.0, START)
    put(store, *drive([50, 110, 50]))
    alerts.limits.check(START + 3 * SECOND_US)
    for minute in range(1, 20):
        alerts.notifier.notify(START + minute * 60 * SECOND_US)
    assert [each["title"] for each in hook.got] == ["car is above 100 km/h", "car is below 100 km/h again"]
    assert "a notification was not accepted by 1 of 2 addresses" in caplog.text
    assert "secret" not in caplog.text


def test_events_are_found_after_a_clock_that_was_ahead(store):
    alerts = Alerts(store, None)
    alerts.limits.set_limit("car", 50.0, START)
    put(store, Reading("car", START + HOUR_US, 1, 10.0))
    alerts.limits.check(START + HOUR_US)
    put(store, *drive([40, 60, 70, 10]))
    alerts.limits.check(START + 4 * SECOND_US)
    assert events(store) == seconds((1, 2, 70))


def test_address_that_apprise_does_not_know_is_refused_without_being_shown():
    with pytest.raises(SettingsError, match="entry 2 is no address") as raised:
        Notifications(["json://localhost", "klingon://secret"], 0.0)
    assert "secret" not in str(raised.value)
