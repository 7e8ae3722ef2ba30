import pytest

from speeddash.network.address import network_of, parts_of


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_ipv6_addresses_of_one_site_are_one(address, place):
    assert network_of(address) == place


@pytest.mark.parametrize("address", ["//[::1", "http://[", "//localhost:abc", "//localhost:99999"])
def test_address_that_cannot_be_read_has_no_parts(address):
    assert parts_of(address) is None
