"""Series: any stretch in as many entries as the screen is wide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speeddash.history.history import History
from speeddash.history.series import bucket_width
from speeddash.reading import Reading
from speeddash.timerange import TimeRange

SECOND = 1_000_000
START = 1_790_000_000 * SECOND


def put(store, *readings):
    store.writer.insert(sorted(readings))


def second_by_second(speeds, source="car", start=START):
    return [Reading(source, start + n * SECOND, n, float(speed)) for n, speed in enumerate(speeds)]


@given(st.integers(0, 2**41), st.integers(1, 10**15), st.integers(1, 5000))
def test_width_covers_the_stretch_in_at_most_as_many_buckets_as_points(from_us, length_us, points):
    to_us = from_us + length_us
    width = bucket_width(TimeRange(from_us, to_us), points)
    assert (to_us - 1) // width - from_us // width + 1 <= max(points, 1)
    larger = next((each for each in (SECOND, 60 * SECOND, 3600 * SECOND, 86_400 * SECOND) if width < each), width)
    assert larger % width == 0, "every width divides the next larger unit, so that days begin with a bucket"


@pytest.mark.parametrize(
    ("length_s", "points", "width_s"),
    [(3600, 1000, 4), (86_400, 1000, 120), (86_400, 1440, 60), (2_592_000, 1000, 3600), (31_536_000, 1000, 43_200)],
)
def test_width_falls_on_whole_seconds_minutes_and_hours(length_s, points, width_s):
    start = START // (3600 * SECOND) * 3600 * SECOND
    assert bucket_width(TimeRange(start, start + length_s * SECOND), points) == width_s * SECOND


def test_few_readings_come_as_they_are(store):
    put(store, *second_by_second([10, 0, 30]))
    series = History(store).series("car", TimeRange(), 3)
    columns = series.as_dict()
    assert columns["bucket_s"] == 0
    assert columns["t"] == [1_790_000_000.0, 1_790_000_001.0, 1_790_000_002.0]
    assert columns["mean"] == columns["min"] == columns["max"] == columns["first"] == columns["last"] == [10, 0, 30]
    assert columns["n"] == [1, 1, 1]
    assert columns["moving"] == [1, 0, 1]
    assert columns["seq"] == [0, 1, 2]


def test_many_readings_come_as_buckets_that_lose_no_peak(store):
    put(store, *second_by_second([n % 50 for n in range(5000)]), Reading("other", START, 0, 999.0))
    columns = History(store).series("car", TimeRange(), 100).as_dict()
    assert columns["bucket_s"] == 60
    assert len(columns["t"]) <= 100
    assert sum(columns["n"]) == 5000
    assert sum(columns["moving"]) == 4900
    assert max(columns["max"]) == 49
    assert all(t % 60 == 0 for t in columns["t"])


def test_buckets_are_what_a_person_would_compute_from_the_readings(store):
    # Uneven times, a gap, two readings at one moment.
    at = [0, 1, 1, 2, 59, 60, 61, 400, 401, 659]
    readings = [Reading("car", START + n * SECOND, seq, float(seq * 7 % 11)) for seq, n in enumerate(at)]
    put(store, *readings)
    width = 20 * SECOND
    expected = []
    for number in sorted({each.at_us // width for each in readings}):
        mine = [each for each in readings if each.at_us // width == number]
        speeds = [each.speed for each in mine]
        expected.append(
            (number * width, mine[0].at_us, mine[-1].at_us, len(mine), sum(speed > 0 for speed in speeds), sum(speeds),
             min(speeds), max(speeds), speeds[0], speeds[-1])
        )  # fmt: skip
    assert store.rollups.buckets("car", TimeRange(START, START + 660 * SECOND), width) == expected


def test_old_buckets_do_not_change_when_readings_come(store):
    put(store, *second_by_second(range(100)))
    before = store.rollups.buckets("car", TimeRange(START, START + 100 * SECOND), 10 * SECOND)
    put(store, *second_by_second([500] * 50, start=START + 100 * SECOND))
    after = store.rollups.buckets("car", TimeRange(START, START + 200 * SECOND), 10 * SECOND)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 5


def test_bucket_is_the_same_wherever_an_answer_begins(store):
    put(store, *second_by_second(range(600)))
    early = History(store).series("car", TimeRange(START, START + 600 * SECOND), 60)
    late = History(store).series("car", TimeRange(START + 105 * SECOND, START + 690 * SECOND), 60)
    assert early.width_us == late.width_us == 10 * SECOND
    assert late.buckets == early.buckets[10:]


def test_end_is_exclusive_and_an_empty_stretch_is_empty(store):
    put(store, *second_by_second(range(10)))
    series = History(store).series("car", TimeRange(START, START + 3 * SECOND), 100)
    assert [each.first for each in series.buckets] == [0, 1, 2]
    assert History(store).series("car", TimeRange(START + 100 * SECOND), 100).buckets == []
    assert History(store).series("nobody", TimeRange(), 100).buckets == []


def test_sources_are_listed_with_their_first_and_last_moment(store):
    put(store, *second_by_second(range(10), "b"), *second_by_second(range(3), "a"), Reading("", START, 1, 1.0))
    assert store.sources.select(limit=10) == [
        ("", START, START),
        ("a", START, START + 2 * SECOND),
        ("b", START, START + 9 * SECOND),
    ]
    assert [each.source for each in store.sources.select(after="", limit=1)] == ["a"]
    assert store.sources.select(after="b", limit=10) == []
    assert store.sources.span("nobody") is None
