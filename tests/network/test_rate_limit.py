import pytest

from speeddash.network import rate_limit
from speeddash.network.rate_limit import MAX_NETWORKS, RateLimits, TokenBucket, TokenBuckets, spend


@pytest.fixture
def clock(monkeypatch):
    """Moves only when a test moves it."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(rate_limit.time, "monotonic", lambda: Clock.now)
    return Clock


def test_what_is_saved_up_may_be_spent_at_once_and_then_so_much_a_second(clock):
    bucket = TokenBucket(per_s=2, capacity=4)
    for _ in range(4):
        assert bucket.wait_s() == 0
        bucket.take(1)
    assert bucket.wait_s() == pytest.approx(0.0005)
    clock.now += 0.5
    assert bucket.wait_s() == 0
    clock.now += 3600
    assert bucket.wait_s() == 0
    bucket.take(4)
    assert bucket.wait_s() > 0


def test_large_batch_passes_and_is_paid_off_afterwards(clock):
    bucket = TokenBucket(per_s=10, capacity=10)
    bucket.take(500)
    assert bucket.wait_s() == pytest.approx(49, abs=0.01)
    clock.now += 49.1
    assert bucket.wait_s() == 0


def test_nothing_is_taken_where_one_of_several_has_nothing_left(clock):
    empty, full = TokenBucket(1, 1), TokenBucket(1, 10)
    empty.take(5)
    assert spend([full, empty], 10) == pytest.approx(4, abs=0.01)
    assert full.wait_s() == 0
    assert spend([full], 10) == 0
    assert full.wait_s() > 0


def test_no_limit_takes_everything():
    assert spend(RateLimits(None, None).of_socket("192.0.2.1"), 10**9) == 0


def test_sockets_of_an_address_share_its_allowance(clock):
    rates = RateLimits(None, 5)
    assert spend(rates.of_socket("192.0.2.1"), 6) == 0
    assert spend(rates.of_socket("192.0.2.1"), 1) > 0
    assert spend(rates.of_socket("192.0.2.2"), 1) == 0


def test_remembered_addresses_are_bounded():
    known = TokenBuckets(1, 1)
    for number in range(MAX_NETWORKS + 10):
        known.of(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}").take(1)
    assert len(known._by_network) == MAX_NETWORKS
