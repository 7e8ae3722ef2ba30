"""Trips and their figures, by the rules of the house: found by hand from the readings, and the same from the store."""

import random
from itertools import pairwise

import pytest

from speeddash.history.history import History
from speeddash.history.worker import RollupWorker
from speeddash.reading import EARLIEST_US, LATEST_US, Reading
from speeddash.store.rollups import Rollups
from speeddash.timerange import SECOND_US, TimeRange
from tests.history.test_history import START, put

FIGURES = ("start", "end", "count", "mean_speed", "mean_moving_speed", "max_speed", "distance_km", "duration_s", "moving_s", "stops")  # fmt: skip


def drive(speeds, *, after_s=0, source="car"):
    """A reading a second; None is a second without one."""
    return [
        Reading(source, START + (after_s + n) * SECOND_US, n, float(speed))
        for n, speed in enumerate(speeds)
        if speed is not None
    ]


def by_hand(readings):
    """The rules of docs/history.md, word for word."""
    found, ride = [], []
    for each in [*readings, None]:
        if each is not None and (not ride or each.at_us - ride[-1].at_us < 300 * SECOND_US):
            ride.append(each)
            continue
        moves = [n for n, one in enumerate(ride) if one.speed > 0]
        if moves:
            trip = ride[max(0, moves[0] - 1) :]
            pairs = [(a, b, (b.at_us - a.at_us) / 1e6) for a, b in pairwise(trip)]
            above = [one.speed for one in trip if one.speed > 0]
            found.append(
                {
                    "start_us": trip[0].at_us,
                    "end_us": trip[-1].at_us,
                    "readings": len(trip),
                    "mean_speed": sum(one.speed for one in trip) / len(trip),
                    "mean_moving_speed": sum(above) / len(above),
                    "max_speed": max(one.speed for one in trip),
                    "distance_km": sum((a.speed + b.speed) / 2 * s / 3600 for a, b, s in pairs),
                    "duration_s": (trip[-1].at_us - trip[0].at_us) / 1e6,
                    "moving_s": sum(s for a, b, s in pairs if a.speed or b.speed),
                    "stops": sum(1 for a, b, _ in pairs if a.speed and not b.speed),
                }
            )
        ride = [each]
    return found


def a_day(seed):
    """Rides and rests as people make them: stops, tunnels, a logger that forgets seconds."""
    chance = random.Random(seed)
    readings, at_s = [], 0
    for _ in range(6):
        speeds = [0.0] * chance.randrange(0, 90)
        for _ in range(chance.randrange(1, 6)):
            top = chance.uniform(5, 50)
            speeds += (
                [top * n / 30 for n in range(1, 31)] + [top] * chance.randrange(200) + [0.0] * chance.randrange(60)
            )
        hole = chance.randrange(len(speeds))
        speeds[hole : hole + chance.randrange(290)] = [None] * len(speeds[hole : hole + chance.randrange(290)])
        readings += drive(speeds, after_s=at_s)
        at_s += len(speeds) + chance.choice([299, 300, 301, 4000])
    return sorted({each[:2]: each for each in readings}.values())


@pytest.mark.parametrize("seed", range(4))
def test_trips_are_those_that_a_person_finds_by_hand(store, seed):
    readings = a_day(seed)
    put(store, *readings)
    expected = by_hand(readings)
    for _ in range(2):
        found = [each._asdict() for each in History(store).trips("car", TimeRange())]
        assert [{name: each[name] for name in expected[0]} for each in found] == [
            pytest.approx(each, rel=1e-12) for each in expected
        ]
        RollupWorker(store, recheck=lambda *_: None).roll_up(grace_s=-1)


def test_trip_begins_at_the_last_standing_reading_and_ends_at_its_last(store):
    put(store, *drive([0, 0, 0, 10, 20, 0, 0]))
    (trip,) = History(store).trips("car", TimeRange())
    assert (trip.start_us - START, trip.end_us - START) == (2 * SECOND_US, 6 * SECOND_US)
    assert (trip.readings, trip.stops, trip.duration_s, trip.moving_s) == (5, 1, 4, 3)
    assert trip.mean_moving_speed == 15


def test_gap_of_five_minutes_ends_a_trip_and_one_second_less_does_not(store):
    put(store, *drive([10, 10]), *drive([20, 20], after_s=300), *drive([30], after_s=301 + 300))
    assert [each.max_speed for each in History(store).trips("car", TimeRange())] == [20, 30]


def test_standing_all_day_is_no_trip(store):
    put(store, *drive([0] * 900))
    assert list(History(store).trips("car", TimeRange())) == []
    figures = History(store).summary("car", TimeRange())
    assert (figures.readings, figures.distance_km, figures.mean_moving_speed) == (900, 0, None)


def test_trip_is_whole_whatever_part_of_it_is_asked_for(store):
    put(store, *drive([0, *[50] * 9000, 0]), *drive([30, 30], after_s=20_000))
    whole = list(History(store).trips("car", TimeRange()))
    assert len(whole) == 2
    middle = START + 8000 * SECOND_US
    assert list(History(store).trips("car", TimeRange(middle, middle + SECOND_US))) == whole[:1]
    assert list(History(store).trips("car", TimeRange(START + 9500 * SECOND_US))) == whole[1:]
    assert list(History(store).trips("car", TimeRange(to_us=START + 10_000 * SECOND_US))) == whole[:1]


def test_jump_is_counted_left_out_of_the_maximum_and_kept(store):
    put(store, *drive([50, 52, 420, 53, 54, 0]))
    (trip,) = History(store).trips("car", TimeRange())
    assert (trip.max_speed, trip.jumps) == (54, 1)
    assert max(each.speed for each in store.readings.select(source="car", limit=10)) == 420
    assert max(History(store).series("car", TimeRange(), 10).as_dict()["max"]) == 420


def test_summary_is_of_exactly_the_window(store):
    put(store, *drive(range(1000)))
    figures = History(store).summary("car", TimeRange(START + 10 * SECOND_US, START + 13 * SECOND_US))
    assert (figures.readings, figures.max_speed, figures.mean_speed) == (3, 12, 11)
    assert figures.distance_km == pytest.approx(22 / 3600)
    assert History(store).summary("nobody", TimeRange()) is None
    assert History(store).summary("car", TimeRange(START - 10 * SECOND_US, START)) is None


def test_clock_that_was_wrong_once_delays_no_watcher(store, monkeypatch):
    put(store, *drive([10, 20]), Reading("car", EARLIEST_US, 1, 1.0), Reading("car", LATEST_US - SECOND_US, 1, 1.0))
    asked = []
    segments = Rollups.segments
    monkeypatch.setattr(Rollups, "segments", lambda *what: asked.append(what) or segments(*what))
    assert [each.max_speed for each in History(store).trips("car", TimeRange())] == [1, 20, 1]
    assert History(store).summary("car", TimeRange()).readings == 4
    assert len(asked) < 20
