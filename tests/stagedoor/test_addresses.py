"""Who a request comes from, directly and behind proxies."""

import random
from collections.abc import Callable
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._addresses import client_key, client_of, trust
from stagedoor._requests import Headers
from tests.growth import growth

TRUSTED = trust([ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")])
PROXY = "10.0.0.1"


def listed(*lines: str) -> Headers:
    return tuple((b"x-forwarded-for", line.encode()) for line in lines)


def forwarded(*lines: str) -> Headers:
    return tuple((b"forwarded", line.encode()) for line in lines)


@pytest.mark.parametrize(
    ("fields", "client"),
    [
        ((), PROXY),
        (listed("192.0.2.7"), "192.0.2.7"),
        (listed("198.51.100.1, 192.0.2.7"), "192.0.2.7"),
        (listed("198.51.100.1,192.0.2.7 , 10.9.9.9"), "192.0.2.7"),
        (listed("198.51.100.1", "192.0.2.7", "10.9.9.9"), "192.0.2.7"),
        (listed("192.0.2.7:4711"), "192.0.2.7"),
        (listed("2001:db8::7"), "2001:db8::7"),
        (listed("[2001:db8::7]:4711"), "2001:db8::7"),
        (listed("192.0.2.7, [2001:db8:ffff::1]:80"), "192.0.2.7"),
        (listed("192.0.2.7, unknown"), PROXY),
        (listed("192.0.2.7, 10.300.0.1"), PROXY),
        (listed("192.0.2.7, "), PROXY),
        (listed("10.1.1.1, 10.2.2.2"), PROXY),
        (listed(""), PROXY),
        (forwarded("for=192.0.2.7"), "192.0.2.7"),
        (forwarded("FOR=192.0.2.7;proto=https;by=10.0.0.1"), "192.0.2.7"),
        (forwarded('for="[2001:db8::7]:4711"'), "2001:db8::7"),
        (forwarded('for="192.0.2.7:80"; host="a,b", for=10.1.1.1'), "192.0.2.7"),
        (forwarded('for=198.51.100.1, for="192.0.2\\.7"'), "192.0.2.7"),
        (forwarded("for=198.51.100.1", "proto=http;for=192.0.2.7"), "192.0.2.7"),
        (forwarded("for=192.0.2.7, for=unknown"), PROXY),
        (forwarded("for=192.0.2.7, for=_hidden"), PROXY),
        (forwarded("for=192.0.2.7, proto=https"), PROXY),
        (forwarded("for=192.0.2.7, for = 10.1.1.1"), PROXY),
        (forwarded('for="192.0.2.7, for=192.0.2.8'), PROXY),
        (forwarded('for=198.51.100.1;a="\\\\"', "for=192.0.2.7"), "192.0.2.7"),
        (forwarded('for=198.51.100.1;a="\\', "for=192.0.2.7"), PROXY),
        (forwarded("for=1," * 1_000, "for=192.0.2.7"), "192.0.2.7"),
        (forwarded("for=192.0.2.7", *["for=10.1.1.1"] * 64), PROXY),
        (forwarded("for=1," * 2_000, "for=192.0.2.7"), PROXY),
        (listed("198.51.100.1," * 5_000, "192.0.2.7"), "192.0.2.7"),
        (listed("192.0.2.7", *["10.1.1.1"] * 64), PROXY),
        ((*listed("192.0.2.7"), *forwarded("for=192.0.2.7")), "192.0.2.7"),
        ((*listed("192.0.2.7"), *forwarded("for=192.0.2.8")), PROXY),
        (((b"x-real-ip", b"192.0.2.7"), (b"x-client-ip", b"192.0.2.7")), PROXY),
    ],
)
def test_h8_the_client_is_the_first_stranger_from_the_right(fields: Headers, client: str) -> None:
    """H8: what stands left of it is the client's own tale; a list that ends, or a name that hides, is the peer."""
    assert client_of(PROXY, fields, TRUSTED) == client


@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8::1", "", "unix"])
def test_h8_a_stranger_is_believed_nothing(peer: str) -> None:
    """H8, T17: without a trusted proxy the fields are ignored, whatever they say."""
    fields = (*listed("192.0.2.7"), *forwarded("for=192.0.2.7"))

    assert client_of(peer, fields, TRUSTED) == peer


def test_t17_random_fields_from_one_socket_are_one_client() -> None:
    """T17: ten thousand tales, one teller."""
    rng = random.Random(1)
    clients = {
        client_of("192.0.2.1", (*listed(f"203.0.113.{rng.randrange(256)}"), *forwarded(f"for=_{n}")), TRUSTED)
        for n in range(10_000)
    }

    assert clients == {"192.0.2.1"}


@pytest.mark.parametrize("tale", [",", "for=a,", 'for="', '"",', "10.1.1.1,", "a=b;"])
@pytest.mark.parametrize("form", [listed, forwarded])
def test_t17_a_long_tale_costs_no_more_than_its_end(tale: str, form: Callable[..., Headers]) -> None:
    """T17: a proxy passes on what a client wrote, and all of it was read for every request, also the refused ones."""
    fields = {1: form("for=192.0.2.7"), 4: form(tale * (64_000 // len(tale)), "for=192.0.2.7")}

    def told(which: int) -> set[str]:
        return {client_of(PROXY, fields[which], TRUSTED) for _ in range(20)}

    # To copy it is all that it costs, some ten times what a short one does; to read it costs a thousand times as much.
    assert growth(told, 1) < 100.0


@given(st.text(st.characters(max_codepoint=255), max_size=200), st.sampled_from([listed, forwarded]))
def test_t17_a_client_cannot_choose_who_it_is(tale: str, form: object) -> None:
    """T17: whatever a client writes, its proxy's own entry decides, or else it counts for the proxy."""
    name, own = (b"x-forwarded-for", b"192.0.2.7") if form is listed else (b"forwarded", b"for=192.0.2.7")
    fields = ((name, tale.encode("latin-1")), (name, own))

    assert client_of(PROXY, fields, TRUSTED) in {"192.0.2.7", PROXY}


@pytest.mark.parametrize(
    ("network", "believed"),
    [
        ("::ffff:10.0.0.1", {"10.0.0.1", "::ffff:10.0.0.1"}),
        ("::ffff:10.0.0.0/120", {"10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"}),
        ("::ffff:0:0/96", {"10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "192.0.2.1"}),
        ("10.0.0.1", {"10.0.0.1", "::ffff:10.0.0.1"}),
        ("::/0", {"::1"}),
    ],
)
def test_h8_a_proxy_may_be_named_by_its_mapped_address(network: str, believed: set[str]) -> None:
    """H8: as the log of a socket for both families shows it; before, it was taken and nobody was believed."""
    trusted = trust([ip_network(network)])
    asked = {"10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "192.0.2.1", "::1"}

    assert {one for one in asked if trusted(one)} == believed


def test_a_mapped_address_is_the_address_that_it_maps() -> None:
    """A socket that listens on both families shows IPv4 peers as `::ffff:10.0.0.1`."""
    assert client_of("::ffff:10.0.0.1", listed("192.0.2.7"), TRUSTED) == "192.0.2.7"


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:/socket", "unix:/socket"),
    ],
)
def test_t17_an_ipv6_network_is_one_client(address: str, key: str) -> None:
    """T17: whoever has one address of a /64 has all of them."""
    assert client_key(address) == key
