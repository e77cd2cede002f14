"""How many connections each client may hold."""

from ipaddress import ip_network

from stagedoor._door.connection_limiter import ConnectionLimiter


def test_t13_a_client_holds_so_many_and_no_more() -> None:
    """T13: one that leaves makes room; others are not concerned; nobody who left is remembered."""
    limiter = ConnectionLimiter(2)
    entered = [limiter.enter("192.0.2.1") for _ in range(3)]
    other = limiter.enter("192.0.2.2")
    limiter.leave("192.0.2.1")
    limiter.leave("192.0.2.1")
    again = limiter.enter("192.0.2.1")
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        limiter.leave(address)

    assert (entered, other, again) == ([True, True, False], True, True)
    assert repr(limiter) == "<ConnectionLimiter 0 connections of 0 clients>"


def test_t13_a_network_of_ipv6_is_one_client() -> None:
    """T13, T17: whoever has one address of a /64 has all of them."""
    limiter = ConnectionLimiter(1)

    assert [limiter.enter(f"2001:db8::{number}") for number in (1, 2)] == [True, False]
    assert limiter.enter("2001:db8:0:1::1")


def test_a_proxy_speaks_for_many() -> None:
    """H8: its connections are not those of one client."""
    limiter = ConnectionLimiter(1, [ip_network("10.0.0.0/8")])

    assert [limiter.enter("10.0.0.1") for _ in range(3)] == [True, True, True]
