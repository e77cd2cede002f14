"""Callers that wait for what becomes of a probe."""

import asyncio
from typing import TypeAlias

import pytest

from stagedoor._call import Env
from stagedoor._deadline import DueTime
from stagedoor._events import BreakerMoved, CallShed
from stagedoor.errors import (
    CircuitOpen,
    ConfigError,
    UpstreamTimeout,
)
from stagedoor.policies._circuit_breaker import CircuitBreaker, CircuitBreakerSend
from stagedoor.policies._deadline import Deadline
from stagedoor.testing import Events, ManualClock, ScriptedTransport, call_of, settle
from tests.stagedoor.policies.broken import fail, guarded

Asked: TypeAlias = "asyncio.Future[str]"


FIRST = CircuitBreaker(consecutive=2, jitter=0)  # as it comes: the first probe goes out after 0.1 s


async def probing(
    script: ScriptedTransport[int, str], env: Env, clock: ManualClock
) -> tuple[CircuitBreakerSend[int, str], Asked]:
    """Return a breaker that has opened, with its first probe under way."""
    breaker = guarded(script.fails(UpstreamTimeout).fails(UpstreamTimeout), env, FIRST)
    await fail(breaker, 2)
    await clock.advance(0.1)
    return breaker, asyncio.ensure_future(breaker(call_of(1)))


def within(clock: ManualClock, seconds: float) -> DueTime:
    return DueTime(clock.now() + seconds)


async def test_c8_callers_wait_for_a_probe_and_use_its_success(env: Env, clock: ManualClock) -> None:
    """C8, F4: who comes while a probe is out is answered a moment later instead of refused; it is still one probe."""
    script = ScriptedTransport[int, str](clock)
    breaker, probe = await probing(script, env, clock)
    script.after(0.05, "Ann").then("Bob")
    await settle()
    waiters = [asyncio.ensure_future(breaker(call_of(1, deadline=within(clock, 0.18)))) for _ in range(3)]
    await settle()
    held, asked = dict(breaker.counts()), len(script.calls)
    await clock.advance(0.05)

    assert (held, asked) == ({"probes": 1, "waiting": 3}, 3)
    assert [await task for task in (probe, *waiters)] == ["Ann", "Bob", "Bob", "Bob"]
    assert (breaker.state, dict(breaker.counts()), clock.pending()) == (
        "closed",
        {"probes": 0, "waiting": 0},
        0,
    )


async def test_c8_a_probe_that_fails_refuses_all_who_wait(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """C8, F4: with the new open time, twice the last; nobody goes to the upstream."""
    script = ScriptedTransport[int, str](clock)
    breaker, probe = await probing(script, env, clock)
    script.fails(UpstreamTimeout, after=0.05)
    await settle()
    waiters = [asyncio.ensure_future(breaker(call_of(1))) for _ in range(3)]
    await clock.advance(0.05)
    outcomes = await asyncio.gather(probe, *waiters, return_exceptions=True)

    assert [type(error) for error in outcomes] == [UpstreamTimeout, *[CircuitOpen] * 3]
    assert [error.retry_after for error in outcomes if isinstance(error, CircuitOpen)] == [
        pytest.approx(0.2)
    ] * 3
    assert len(script.calls) == 3
    assert len(events.of(CallShed)) == 3


async def test_c8_nobody_waits_for_a_probe_past_the_deadline(env: Env, clock: ManualClock) -> None:
    """C8, D1: a caller whose time is over is refused then, and leaves no timer; the probe goes on."""
    script = ScriptedTransport[int, str](clock)
    breaker, probe = await probing(script, env, clock)
    script.after(0.05, "Ann")
    await settle()
    waiter = asyncio.ensure_future(breaker(call_of(1, deadline=within(clock, 0.02))))
    await clock.advance(0.02)

    with pytest.raises(CircuitOpen):
        await waiter
    assert dict(breaker.counts()) == {"probes": 1, "waiting": 0}
    await clock.advance(0.03)
    assert (await probe, clock.pending()) == ("Ann", 0)


async def test_c8_a_guard_of_the_same_deadline_outside_changes_no_refusal(
    env: Env, clock: ManualClock
) -> None:
    """C8: both see the same moment; what the client is told is the breaker, not a time-out."""
    script = ScriptedTransport[int, str](clock)
    breaker, probe = await probing(script, env, clock)
    script.after(0.05, "Ann")
    await settle()
    waiter = asyncio.ensure_future(Deadline().wrap(breaker, env)(call_of(1, deadline=within(clock, 0.02))))
    await clock.advance(0.05)

    with pytest.raises(CircuitOpen):
        await waiter
    assert await probe == "Ann"


async def test_c8_the_wait_for_a_probe_may_be_bounded(env: Env, clock: ManualClock) -> None:
    """F4: `max_wait` is for callers without a deadline."""
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout).after(0.05, "Ann")
    breaker = guarded(script, env, CircuitBreaker(consecutive=1, jitter=0, max_wait=0.02))
    await fail(breaker, 1)
    await clock.advance(0.1)
    probe, waiter = (asyncio.ensure_future(breaker(call_of(1))) for _ in range(2))
    await clock.advance(0.02)

    with pytest.raises(CircuitOpen):
        await waiter
    await clock.advance(0.03)
    assert await probe == "Ann"


async def test_c5_the_newest_waiter_takes_a_cancelled_probe_over(env: Env, clock: ManualClock) -> None:
    """C5, F4: the client of the probe has gone: one of those who wait goes in its place, the others wait for it."""
    script = ScriptedTransport[int, str](clock)
    breaker, probe = await probing(script, env, clock)
    script.hangs().after(0.05, "Bob").then("Ann")
    await settle()
    older, newer = (asyncio.ensure_future(breaker(call_of(number))) for number in (1, 2))
    await settle()
    probe.cancel()
    await settle()
    held, asked = dict(breaker.counts()), [call.payload for call in script.calls]
    await clock.advance(0.05)

    assert (held, asked) == ({"probes": 1, "waiting": 1}, [1, 1, 1, 2])
    assert [await newer, await older] == ["Bob", "Ann"]


async def test_x3_a_waiter_that_leaves_is_a_cancellation_and_holds_nothing(
    env: Env, clock: ManualClock
) -> None:
    """X3, D6: also in the very tick in which the probe ends."""
    script = ScriptedTransport[int, str](clock)
    breaker, probe = await probing(script, env, clock)
    script.after(0.05, "Ann").then("Bob")
    await settle()
    leaving, staying = (asyncio.ensure_future(breaker(call_of(1))) for _ in range(2))
    await settle()
    clock.call_at(clock.now() + 0.05, leaving.cancel)
    await clock.advance(0.05)
    await settle()

    assert (leaving.cancelled(), await staying, await probe) == (True, "Bob", "Ann")
    assert dict(breaker.counts()) == {"probes": 0, "waiting": 0}


async def test_c4_what_the_wait_left_too_little_time_for_teaches_nothing(
    env: Env, clock: ManualClock
) -> None:
    """C4, D5, F4: a call that waited for the probe and was then cut by its deadline says nothing of the upstream."""
    script = ScriptedTransport[int, str](clock)
    breaker, probe = await probing(script, env, clock)
    script.after(0.05, "Ann").hangs()
    await settle()
    late = [asyncio.ensure_future(breaker(call_of(1, deadline=within(clock, 0.06)))) for _ in range(5)]
    await clock.advance(0.1)
    outcomes = await asyncio.gather(*late, return_exceptions=True)

    assert {type(error) for error in outcomes} == {UpstreamTimeout}
    assert (await probe, breaker.state) == ("Ann", "closed")


async def test_an_observer_that_fails_keeps_nobody_waiting(env: Env, clock: ManualClock) -> None:
    """X1: they are woken before anybody is told."""
    script = ScriptedTransport[int, str](clock)

    def broken(event: object) -> None:
        if isinstance(event, BreakerMoved) and event.after == "closed":
            raise RuntimeError("the sink is full")

    breaker, probe = await probing(script, Env(clock, env.rng, broken), clock)
    script.after(0.05, "Ann").then("Bob")
    await settle()
    waiter = asyncio.ensure_future(breaker(call_of(1)))
    await clock.advance(0.05)

    with pytest.raises(RuntimeError):
        await probe
    assert await waiter == "Bob"


def test_a_wait_below_nothing_is_refused_by_name() -> None:
    """The options of the rule are checked as well."""
    for options in ({"max_wait": -1.0}, {"probes": 0}):
        with pytest.raises(ConfigError, match="CircuitBreaker"):
            CircuitBreaker(**options)
