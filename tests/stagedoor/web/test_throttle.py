"""The throttle: a pure count by buckets."""

from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._web.throttle import Quota, Recent, Throttle
from stagedoor.errors import ConfigError
from stagedoor.testing import ManualClock


async def test_t17_a_client_has_its_quota_and_no_more(clock: ManualClock) -> None:
    """T17: the request after the last is refused, and told when to come back."""
    throttle = Throttle(Quota(requests=3, seconds=60), clock)

    told = [throttle.take("a") for _ in range(4)]

    assert [one.allowed for one in told] == [True, True, True, False]
    assert [one.remaining for one in told] == [2, 1, 0, 0]
    assert 60 <= told[3].reset <= 61


async def test_t17_clients_do_not_pay_for_one_another(clock: ManualClock) -> None:
    """T17: each key has a quota of its own."""
    throttle = Throttle(Quota(requests=1, seconds=60), clock)
    throttle.take("a")

    assert throttle.take("b").allowed


async def test_t17_a_place_comes_back_when_it_was_said_to(clock: ManualClock) -> None:
    """T17, H11: Retry-After is never too early."""
    throttle = Throttle(Quota(requests=2, seconds=10), clock)
    throttle.take("a")
    throttle.take("a")
    await clock.advance(throttle.take("a").reset)

    assert throttle.take("a").allowed


@given(st.lists(st.floats(0.0, 4.0), max_size=80), st.integers(1, 8))
async def test_t17_no_window_ever_holds_more_than_the_limit(pauses: list[float], limit: int) -> None:
    """T17: wherever the window begins; against a naive list of time stamps."""
    clock = ManualClock()
    throttle = Throttle(Quota(requests=limit, seconds=10), clock)
    passed: list[float] = []
    for pause in pauses:
        await clock.advance(pause)
        if throttle.take("a").allowed:
            passed.append(clock.now())

    for begin in passed:
        assert sum(begin <= moment < begin + 10.0 for moment in passed) <= limit


@given(st.lists(st.floats(0.0, 4.0), max_size=60))
async def test_t17_whoever_asks_slowly_is_never_refused(pauses: list[float]) -> None:
    """T17: the price of buckets is at most one bucket of waiting."""
    clock = ManualClock()
    throttle = Throttle(Quota(requests=5, seconds=60), clock)
    for pause in pauses:
        await clock.advance(pause + 60.0 / 5 + 1.0)

        assert throttle.take("a").allowed


async def test_t17_a_million_clients_stay_in_bounded_memory(clock: ManualClock) -> None:
    """T17: the table has a most; who asked least recently is forgotten first."""
    throttle = Throttle(Quota(requests=1, seconds=60), clock, most_clients=100)
    for number in range(10_000):
        throttle.take(f"client{number}")

    assert repr(throttle) == "<Throttle 1/60 s, 100 clients>"
    assert not throttle.take("client9999").allowed


async def test_t17_the_limit_holds_for_a_hundred_thousand_addresses_in_turns(clock: ManualClock) -> None:
    """T17: each is remembered until its next turn, however many come between."""
    throttle = Throttle(Quota(requests=2, seconds=60), clock)
    turns = [sum(throttle.take(f"client{number}").allowed for number in range(100_000)) for _ in range(3)]

    assert turns == [100_000, 100_000, 0]


async def test_a_client_that_is_quiet_for_two_windows_weighs_nothing(clock: ManualClock) -> None:
    """Of an address that comes once nothing stays, however few others come."""
    throttle = Throttle(Quota(requests=1, seconds=60), clock)
    throttle.take("once")
    for _ in range(3):
        await clock.advance(70.0)
        throttle.take("often")

    assert repr(throttle) == "<Throttle 1/60 s, 1 clients>"


def test_t17_who_asked_least_recently_is_forgotten_first() -> None:
    """T17: of two generations the older one goes, and who asks is always in the younger."""
    recent = Recent(list[int], most=4, seconds=60.0)
    for key in ("a", "b", "c", "a", "d", "e"):
        recent.of(key, 0.0).append(1)

    assert [recent.of(key, 0.0) for key in ("a", "e")] == [[1, 1], [1]]
    assert recent.of("b", 0.0) == []
    assert len(recent) <= 4


def test_h11_the_fields_are_structured() -> None:
    """H11: RateLimit-Policy and RateLimit as RFC 9651 has them."""
    fields = dict(Quota(requests=12000, seconds=60).fields(11999, 17))

    assert fields == {
        b"ratelimit-policy": b'"default";q=12000;w=60',
        b"ratelimit": b'"default";r=11999;t=17',
    }
    for said in fields.values():
        parsed: Any = http_sf.parse(said, tltype="list")
        assert parsed[0][0] == "default"
        assert all(isinstance(number, int) and number >= 0 for number in parsed[0][1].values())


async def test_h11_a_reset_is_never_longer_than_its_window(clock: ManualClock) -> None:
    """H11: places are given back by buckets, up to one late; Retry-After says so, `t` keeps to `w`."""
    throttle = Throttle(Quota(requests=1, seconds=60), clock)
    passed, refused = throttle.take("a"), throttle.take("a")

    assert (passed.reset, refused.allowed, refused.reset) == (61, False, 61)
    for told in (passed, refused):
        assert dict(throttle.quota.fields(told.remaining, told.reset))[b"ratelimit"] == b'"default";r=0;t=60'
    await clock.advance(refused.reset)
    assert throttle.take("a").allowed


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"requests": 0, "seconds": 60}, "1 or more"),
        ({"requests": 1, "seconds": 0}, "1 or more"),
        ({"requests": 1, "seconds": 1, "name": 'a"b'}, "lower-case word"),
    ],
)
def test_a_quota_that_lets_nobody_in_is_a_mistake(options: dict[str, Any], wrong: str) -> None:
    """0 switches the throttle off elsewhere; here it would be a wall. The name stands in a field."""
    with pytest.raises(ConfigError, match=wrong):
        Quota(**options)
