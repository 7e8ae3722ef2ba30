import pytest

from speeddash.errors import RecordingError, StoreUnavailable
from speeddash.formats import BadLine, Row
from speeddash.formats.importer import Importer
from speeddash.reading import Reading


def intake(drive, store=None, **options):
    batches = []
    taken = Importer(store or batches.append, **{"source": "car", "max_speed_kmh": 2000.0, **options})
    taken.run(drive)
    return taken, [reading for batch in batches for reading in batch]


def test_row_is_stored_under_its_own_name_and_number_else_under_the_given_ones():
    taken, stored = intake([Row(1, 10, 1.0, 2), Row(2, 20, 2.0, 3, "bus", 77), Row(3, 5, 3.0, 4, "", 0)])
    assert stored == [Reading("car", 10, 1, 1.0), Reading("bus", 20, 77, 2.0), Reading("", 5, 0, 3.0)]
    assert (taken.read, taken.stored, taken.bad, taken.complete) == (3, 3, 0, True)
    assert (taken.sources, taken.first_us, taken.last_us) == (["car", "bus", ""], 5, 20)


@pytest.mark.parametrize("speed", [-0.1, 100.1])
def test_speed_out_of_range_is_a_bad_line(speed):
    taken, stored = intake([Row(1, 1, speed, 2), Row(2, 2, 100.0, 3)], max_speed_kmh=100.0)
    assert taken.bad_lines == [BadLine(2, f"speed must be 0 to 100 km/h, got {speed}")]
    assert [each.speed for each in stored] == [100.0]
    assert not taken.complete


def test_only_the_first_bad_lines_and_sources_are_kept_and_all_are_counted():
    lines = [BadLine(n, "no") for n in range(1, 100)] + [Row(n, n, 1.0, n, f"s{n}") for n in range(100)]
    taken, _ = intake(lines)
    assert (taken.bad, [each.line for each in taken.bad_lines]) == (99, list(range(1, 21)))
    assert (len(taken.sources), taken.more_sources) == (20, True)


def test_nothing_is_not_complete():
    taken, _ = intake([])
    assert not taken.complete
    assert taken.as_dict()["first"] is None


def test_readings_before_an_interruption_are_stored_and_the_interruption_is_reported():
    def drive():
        yield from (Row(n, n, 1.0, n) for n in range(4500))
        raise RecordingError("it breaks off")

    sizes = []
    taken, _ = intake(drive(), store=lambda batch: sizes.append(len(batch)))
    assert sizes == [2000, 2000, 500]
    assert (taken.stored, taken.failure, taken.complete) == (4500, "it breaks off", False)
    assert taken.as_dict()["last"] == "1970-01-01T00:00:00.004499Z"


def test_store_that_fails_ends_it_and_what_was_stored_is_still_known():
    taken = Importer(
        lambda batch: batch[0].seq < 2000 or (_ for _ in ()).throw(StoreUnavailable("away")),
        source="car",
        max_speed_kmh=1,
    )
    with pytest.raises(StoreUnavailable):
        taken.run(Row(n, n, 1.0, n) for n in range(4500))
    assert taken.stored == 2000
