"""The list of sources that the page offers."""

import pytest

from speeddash import page
from speeddash.reading import Reading
from tests.history.test_history import START, put

pytestmark = pytest.mark.any_database


def test_latest_of_many_sources_are_listed(store, monkeypatch):
    monkeypatch.setattr(page, "MAX_LISTED", 3)
    put(store, *[Reading(f"car-{n}", START + n * 7 % 20, 1, 50.0) for n in range(20)])
    # 7 n modulo 20 is highest for 17 (19), 14 (18) and 11 (17).
    assert [each["value"] for each in page.Page(store).options(0)] == ["car-17", "car-14", "car-11"]
