"""What counts as a failure, and the breaker's shell."""

import asyncio
from typing import TypeAlias

import pytest

from stagedoor import context
from stagedoor.call import Env
from stagedoor.context import RequestContext
from stagedoor.deadline import LATE, Deadline
from stagedoor.errors import (
    BreakerOpen,
    ConfigError,
    Overloaded,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.events import BreakerMoved, CallShed
from stagedoor.policies.breaker import Breaker, Guard, is_failure
from stagedoor.policies.deadline import Within
from stagedoor.requests import HttpResponse
from stagedoor.testing import Events, ManualClock, Script, call_of, settle

Asked: TypeAlias = "asyncio.Future[str]"
NOT_IN_TIME = UpstreamTimeout("users.get", retryable=False)


def said(status: int) -> UpstreamUnavailable:
    return UpstreamUnavailable("users.get", response=HttpResponse(status=status))


@pytest.mark.parametrize(
    "error",
    [
        UpstreamTimeout("users.get", retryable=True),
        NOT_IN_TIME,
        UpstreamUnavailable("users.get", "refused"),
        said(500),
        said(503),
        UpstreamGarbled("users.get", "the body was cut"),
        asyncio.CancelledError(LATE),
    ],
    ids=repr,
)
def test_c7_failures_of_the_upstream_count(error: BaseException) -> None:
    """C7: 5xx, time-outs, resets and cut bodies; and an answer cut off because the deadline passed."""
    assert is_failure(error, shortened=False)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamRejected("users.get"),
        said(429),
        BreakerOpen("users.get"),
        Overloaded("users.get"),
        asyncio.CancelledError(),
        asyncio.CancelledError("shutdown"),
        ValueError("a bug of ours"),
        UpstreamError("users.get"),
    ],
    ids=repr,
)
def test_c7_what_is_no_failure_of_the_upstream_does_not_count(error: BaseException) -> None:
    """C7: their "no", our own shedding, a caller who left, our bugs."""
    assert not is_failure(error, shortened=False)


@pytest.mark.parametrize("error", [NOT_IN_TIME, asyncio.CancelledError(LATE)], ids=repr)
def test_d5_an_attempt_that_a_caller_cut_short_teaches_nothing(error: BaseException) -> None:
    """D5: a caller with little patience must not open the breaker for all others."""
    assert not is_failure(error, shortened=True)


def test_d5_an_attempt_that_was_late_by_itself_counts_for_impatient_callers_too() -> None:
    """D5: here the attempt's own time-out ended it, not the caller's deadline."""
    assert is_failure(UpstreamTimeout("users.get", retryable=True), shortened=True)


def guarded(script: Script[int, str], env: Env, rule: Breaker | None = None) -> Guard[int, str]:
    """Guard a script; the first probe comes after a second if nothing else is said."""
    return (rule or Breaker(consecutive=2, probe_after=1.0, jitter=0)).wrap(script.send, env)


async def fail(guard: Guard[int, str], times: int) -> None:
    for _ in range(times):
        with pytest.raises(UpstreamError):
            await guard(call_of(1))


async def test_c8_an_open_breaker_answers_without_a_call(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """C8: no I/O; the error says how long it stays open; not retryable."""
    script = Script[int, str](clock).fails(UpstreamTimeout)
    guard = guarded(script, env)
    await fail(guard, 2)
    await clock.advance(0.25)
    with pytest.raises(BreakerOpen) as caught:
        await guard(call_of(1))

    assert (caught.value.retry_after, caught.value.retryable) == (0.75, False)
    assert len(script.calls) == 2
    assert events == [BreakerMoved("users.get", "closed", "open"), CallShed("users.get", "circuit_open")]


async def test_a_service_that_returns_is_whole_after_one_good_probe(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """Open 1 s, one probe, closed: each move is an event."""
    script = Script[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout).then("Ann")
    guard = guarded(script, env)
    await fail(guard, 2)
    await clock.advance(1.0)
    value = await guard(call_of(1))

    assert (value, guard.state) == ("Ann", "closed")
    moves = [(event.before, event.after) for event in events.of(BreakerMoved)]
    assert moves == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


async def test_c6_a_hung_probe_ends_in_time_and_opens_again(env: Env, clock: ManualClock) -> None:
    """C6: it has a deadline like every call."""
    script = Script[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout).hangs()
    guard = guarded(script, env)
    await fail(guard, 2)
    await clock.advance(1.0)
    with pytest.raises(UpstreamTimeout):
        await clock.run(guard(call_of(1, deadline=Deadline(clock.now() + 0.2))))

    assert (guard.state, dict(guard.counts())) == ("open", {"probes": 0, "waiting": 0})


async def test_c5_cancelled_probe_returns_its_permit(env: Env, clock: ManualClock) -> None:
    """C5: neither closed on it, nor stuck: the next caller probes."""
    script = Script[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout).hangs().then("Ann")
    guard = guarded(script, env)
    await fail(guard, 2)
    await clock.advance(1.0)
    probe = asyncio.ensure_future(guard(call_of(1)))
    await settle()
    held = dict(guard.counts())
    probe.cancel()
    await settle()
    freed = dict(guard.counts())

    assert (held, freed, guard.state) == (
        {"probes": 1, "waiting": 0},
        {"probes": 0, "waiting": 0},
        "half_open",
    )
    assert await guard(call_of(1)) == "Ann"
    assert guard.state == "closed"


async def test_a_refusal_beside_a_probe_asks_for_no_wait(env: Env, clock: ManualClock) -> None:
    """The open time is over: what is left of it is nothing, and never below."""
    script = Script[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout).hangs()
    guard = guarded(script, env, Breaker(consecutive=2, max_wait=0))
    await fail(guard, 2)
    await clock.advance(1.5)
    probe = asyncio.ensure_future(guard(call_of(1)))
    await settle()
    with pytest.raises(BreakerOpen, match="half_open") as caught:
        await guard(call_of(1))
    probe.cancel()
    await settle()

    assert caught.value.retry_after == 0.0


async def test_slow_answers_open_it(env: Env, clock: ManualClock) -> None:
    """C1: every call answers, and each takes longer than anyone can use."""
    script = Script[int, str](clock).after(0.5, "Ann")
    guard = guarded(script, env, Breaker(slow_after=0.4, slow_rate=1.0, minimum=3))
    for _ in range(3):
        await clock.run(guard(call_of(1)))

    assert guard.state == "open"


async def test_d5_a_callers_deadline_moves_nothing(env: Env, clock: ManualClock) -> None:
    """D5: the context says that the deadline was a caller's."""
    script = Script[int, str](clock).hangs()
    guard = guarded(script, env, Breaker(consecutive=1))

    async def impatient() -> None:
        context.enter(RequestContext(unshortened=Deadline(2000.0)))
        with pytest.raises(UpstreamTimeout):
            await guard(call_of(1, deadline=Deadline(clock.now() + 0.01)))

    await clock.run(impatient())

    assert guard.state == "closed"


async def test_an_observer_that_fails_keeps_no_probe(env: Env, clock: ManualClock) -> None:
    """X1: whatever happens between the permit and the call, the permit returns."""
    script = Script[int, str](clock).fails(UpstreamTimeout)

    def broken(event: object) -> None:
        if isinstance(event, BreakerMoved) and event.after == "half_open":
            raise RuntimeError("the sink is full")

    guard = guarded(script, Env(clock, env.rng, broken))
    await fail(guard, 2)
    await clock.advance(1.0)
    with pytest.raises(RuntimeError):
        await guard(call_of(1))

    assert dict(guard.counts()) == {"probes": 0, "waiting": 0}


async def test_a_breaker_shows_its_state(env: Env, clock: ManualClock) -> None:
    """The representation is what an operator wants to read first."""
    script = Script[int, str](clock).then("Ann").fails(UpstreamTimeout)
    guard = guarded(script, env)
    seen = [repr(guard)]
    await guard(call_of(1))
    seen.append(repr(guard))
    await fail(guard, 2)
    await clock.advance(0.4)
    seen.append(repr(guard))
    await clock.advance(20)
    seen.append(repr(guard))

    assert seen == [
        "<Breaker unused closed 0/0 failed>",
        "<Breaker users closed 0/1 failed>",
        "<Breaker users open 2/3 failed, 0.6 s left>",
        "<Breaker users open 0/0 failed>",
    ]


FIRST = Breaker(consecutive=2, jitter=0)  # as it comes: the first probe goes out after 0.1 s


async def probing(script: Script[int, str], env: Env, clock: ManualClock) -> tuple[Guard[int, str], Asked]:
    """Return a guard that has opened, with its first probe under way."""
    guard = guarded(script.fails(UpstreamTimeout).fails(UpstreamTimeout), env, FIRST)
    await fail(guard, 2)
    await clock.advance(0.1)
    return guard, asyncio.ensure_future(guard(call_of(1)))


def within(clock: ManualClock, seconds: float) -> Deadline:
    return Deadline(clock.now() + seconds)


async def test_c8_callers_wait_for_a_probe_and_use_its_success(env: Env, clock: ManualClock) -> None:
    """C8, F4: who comes while a probe is out is answered a moment later instead of refused; it is still one probe."""
    script = Script[int, str](clock)
    guard, probe = await probing(script, env, clock)
    script.after(0.05, "Ann").then("Bob")
    await settle()
    waiters = [asyncio.ensure_future(guard(call_of(1, deadline=within(clock, 0.18)))) for _ in range(3)]
    await settle()
    held, asked = dict(guard.counts()), len(script.calls)
    await clock.advance(0.05)

    assert (held, asked) == ({"probes": 1, "waiting": 3}, 3)
    assert [await task for task in (probe, *waiters)] == ["Ann", "Bob", "Bob", "Bob"]
    assert (guard.state, dict(guard.counts()), clock.pending()) == ("closed", {"probes": 0, "waiting": 0}, 0)


async def test_c8_a_probe_that_fails_refuses_all_who_wait(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """C8, F4: with the new open time, twice the last; nobody goes to the upstream."""
    script = Script[int, str](clock)
    guard, probe = await probing(script, env, clock)
    script.fails(UpstreamTimeout, after=0.05)
    await settle()
    waiters = [asyncio.ensure_future(guard(call_of(1))) for _ in range(3)]
    await clock.advance(0.05)
    outcomes = await asyncio.gather(probe, *waiters, return_exceptions=True)

    assert [type(error) for error in outcomes] == [UpstreamTimeout, *[BreakerOpen] * 3]
    assert [error.retry_after for error in outcomes if isinstance(error, BreakerOpen)] == [
        pytest.approx(0.2)
    ] * 3
    assert len(script.calls) == 3
    assert len(events.of(CallShed)) == 3


async def test_c8_nobody_waits_for_a_probe_past_the_deadline(env: Env, clock: ManualClock) -> None:
    """C8, D1: a caller whose time is over is refused then, and leaves no timer; the probe goes on."""
    script = Script[int, str](clock)
    guard, probe = await probing(script, env, clock)
    script.after(0.05, "Ann")
    await settle()
    waiter = asyncio.ensure_future(guard(call_of(1, deadline=within(clock, 0.02))))
    await clock.advance(0.02)

    with pytest.raises(BreakerOpen):
        await waiter
    assert dict(guard.counts()) == {"probes": 1, "waiting": 0}
    await clock.advance(0.03)
    assert (await probe, clock.pending()) == ("Ann", 0)


async def test_c8_a_guard_of_the_same_deadline_outside_changes_no_refusal(
    env: Env, clock: ManualClock
) -> None:
    """C8: both see the same moment; what the client is told is the breaker, not a time-out."""
    script = Script[int, str](clock)
    guard, probe = await probing(script, env, clock)
    script.after(0.05, "Ann")
    await settle()
    waiter = asyncio.ensure_future(Within().wrap(guard, env)(call_of(1, deadline=within(clock, 0.02))))
    await clock.advance(0.05)

    with pytest.raises(BreakerOpen):
        await waiter
    assert await probe == "Ann"


async def test_c8_the_wait_for_a_probe_may_be_bounded(env: Env, clock: ManualClock) -> None:
    """F4: `max_wait` is for callers without a deadline."""
    script = Script[int, str](clock).fails(UpstreamTimeout).after(0.05, "Ann")
    guard = guarded(script, env, Breaker(consecutive=1, jitter=0, max_wait=0.02))
    await fail(guard, 1)
    await clock.advance(0.1)
    probe, waiter = (asyncio.ensure_future(guard(call_of(1))) for _ in range(2))
    await clock.advance(0.02)

    with pytest.raises(BreakerOpen):
        await waiter
    await clock.advance(0.03)
    assert await probe == "Ann"


async def test_c5_the_newest_waiter_takes_a_cancelled_probe_over(env: Env, clock: ManualClock) -> None:
    """C5, F4: the client of the probe has gone: one of those who wait goes in its place, the others wait for it."""
    script = Script[int, str](clock)
    guard, probe = await probing(script, env, clock)
    script.hangs().after(0.05, "Bob").then("Ann")
    await settle()
    older, newer = (asyncio.ensure_future(guard(call_of(number))) for number in (1, 2))
    await settle()
    probe.cancel()
    await settle()
    held, asked = dict(guard.counts()), [call.payload for call in script.calls]
    await clock.advance(0.05)

    assert (held, asked) == ({"probes": 1, "waiting": 1}, [1, 1, 1, 2])
    assert [await newer, await older] == ["Bob", "Ann"]


async def test_x3_a_waiter_that_leaves_is_a_cancellation_and_holds_nothing(
    env: Env, clock: ManualClock
) -> None:
    """X3, D6: also in the very tick in which the probe ends."""
    script = Script[int, str](clock)
    guard, probe = await probing(script, env, clock)
    script.after(0.05, "Ann").then("Bob")
    await settle()
    leaving, staying = (asyncio.ensure_future(guard(call_of(1))) for _ in range(2))
    await settle()
    clock.call_at(clock.now() + 0.05, leaving.cancel)
    await clock.advance(0.05)
    await settle()

    assert (leaving.cancelled(), await staying, await probe) == (True, "Bob", "Ann")
    assert dict(guard.counts()) == {"probes": 0, "waiting": 0}


async def test_c4_what_the_wait_left_too_little_time_for_teaches_nothing(
    env: Env, clock: ManualClock
) -> None:
    """C4, D5, F4: a call that waited for the probe and was then cut by its deadline says nothing of the upstream."""
    script = Script[int, str](clock)
    guard, probe = await probing(script, env, clock)
    script.after(0.05, "Ann").hangs()
    await settle()
    late = [asyncio.ensure_future(guard(call_of(1, deadline=within(clock, 0.06)))) for _ in range(5)]
    await clock.advance(0.1)
    outcomes = await asyncio.gather(*late, return_exceptions=True)

    assert {type(error) for error in outcomes} == {UpstreamTimeout}
    assert (await probe, guard.state) == ("Ann", "closed")


async def test_an_observer_that_fails_keeps_nobody_waiting(env: Env, clock: ManualClock) -> None:
    """X1: they are woken before anybody is told."""
    script = Script[int, str](clock)

    def broken(event: object) -> None:
        if isinstance(event, BreakerMoved) and event.after == "closed":
            raise RuntimeError("the sink is full")

    guard, probe = await probing(script, Env(clock, env.rng, broken), clock)
    script.after(0.05, "Ann").then("Bob")
    await settle()
    waiter = asyncio.ensure_future(guard(call_of(1)))
    await clock.advance(0.05)

    with pytest.raises(RuntimeError):
        await probe
    assert await waiter == "Bob"


def test_a_wait_below_nothing_is_refused_by_name() -> None:
    """The options of the rule are checked as well."""
    for options in ({"max_wait": -1.0}, {"probes": 0}):
        with pytest.raises(ConfigError, match="Breaker"):
            Breaker(**options)


async def test_a_breaker_is_held_by_hand_and_says_so() -> None:
    """Issue 14: refused without a time to come back, and told once as a move."""
    clock, events = ManualClock(), Events()
    script: Script[str, str] = Script(clock)
    guard = Breaker().wrap(script.send, Env(clock, lambda: 0.0, events))
    guard.hold("open", "users.held")
    guard.hold("open", "users.held")
    with pytest.raises(BreakerOpen) as refused:
        await guard(call_of("x"))
    guard.hold("auto", "users.held")
    script.then("answer")
    answer = await guard(call_of("x"))

    assert refused.value.retry_after is None
    assert answer == "answer"
    assert [(one.before, one.after) for one in events.of(BreakerMoved)] == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]
