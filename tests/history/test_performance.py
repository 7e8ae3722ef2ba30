"""Times of accelerations and time at each speed, against runs whose answer is known."""

import pytest

from speeddash.history.performance import Point, best_accelerations, time_at_speeds


def run(speed_of, until_s, step_s=0.1):
    """Readings of a speed as a function of seconds."""
    return [Point(round(n * step_s * 1e6), speed_of(n * step_s)) for n in range(round(until_s / step_s) + 1)]


def test_time_from_standing_to_100_is_that_of_a_constant_acceleration():
    [found, quarter] = best_accelerations(run(lambda s: 10 * s, 30), [(0, 100)])
    assert found.seconds == pytest.approx(10, abs=found.error_s)
    assert found.error_s == 0.1
    # s = a t^2 / 2 with a = 10 km/h a second
    assert quarter.seconds == pytest.approx((2 * 402.336 / (10 / 3.6)) ** 0.5, abs=found.error_s)


def test_time_between_two_speeds_is_the_best_of_several():
    slow, fast = run(lambda s: 5 * s, 30), run(lambda s: 20 * s, 10)
    second = [Point(each.at_us + 60_000_000, each.speed) for each in fast]
    [found] = [each for each in best_accelerations(slow + second, [(80, 120)]) if each.to_kmh]
    assert found.seconds == pytest.approx(2, abs=0.001)
    assert found.start_us > 60_000_000


def test_readings_too_far_apart_measure_no_acceleration():
    assert best_accelerations(run(lambda s: 10 * s, 15, step_s=5), [(0, 50)]) == []
    assert best_accelerations([], [(0, 100)]) == []


def test_implausible_jump_is_no_acceleration_and_hides_none():
    points = run(lambda s: 10 * s, 30)
    spike = [each._replace(speed=300.0) if at == 3 else each for at, each in enumerate(points)]
    [found, _] = best_accelerations(spike, [(0, 100)])
    assert found.seconds == pytest.approx(10, abs=found.error_s)
    standing = [Point(n * 1_000_000, 300.0 if n == 5 else 0.0) for n in range(10)]
    assert best_accelerations(standing, [(0, 50)]) == []
    assert sum(time_at_speeds(standing, 10)) == 0


def test_speeds_above_all_bands_are_in_the_last_one():
    bands = time_at_speeds([Point(0, 3e7), Point(1_000_000, 3e7)], 1)
    assert (len(bands), bands[-1]) == (1_000, 1)


def test_time_at_speeds_leaves_out_standing_and_gaps():
    points = [Point(0, 0), Point(1_000_000, 0), Point(2_000_000, 10), Point(3_000_000, 30), Point(400_000_000, 30)]
    assert time_at_speeds(points, 10) == [1, 0, 1]
