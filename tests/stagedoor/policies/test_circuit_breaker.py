"""What counts against an upstream, and what an open breaker does."""

import asyncio
from typing import Any

import pytest

from stagedoor import _context as context
from stagedoor._call import Env
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import LATE, DueTime
from stagedoor._events import BreakerMoved, CallShed
from stagedoor._requests import HttpResponse
from stagedoor._upstream import Upstream
from stagedoor.errors import (
    CircuitOpen,
    Overloaded,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.policies._adaptive import AdaptiveLimit
from stagedoor.policies._bulkhead import Bulkhead
from stagedoor.policies._circuit_breaker import CircuitBreaker, is_failure
from stagedoor.policies._retry import Retry
from stagedoor.policies._timeout import Timeout
from stagedoor.testing import Events, ManualClock, ScriptedTransport, call_of, settle
from tests.stagedoor.policies.broken import fail, guarded

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
        CircuitOpen("users.get"),
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


@pytest.mark.parametrize(("answered", "state"), [(0.06, "closed"), (0.02, "open")])
async def test_c1_time_outs_beside_an_answer_are_none_of_a_row(
    env: Env, clock: ManualClock, answered: float, state: str
) -> None:
    """C1, A11: who answers another call meanwhile has a queue and is not away; an answer before says nothing."""
    script = ScriptedTransport[int, str](clock).after(answered, "Ann")
    for _ in range(2):
        script.fails(UpstreamTimeout, after=0.05)
    breaker = guarded(script, env)
    answer = asyncio.ensure_future(breaker(call_of(1)))
    await clock.advance(0.03)
    late = [asyncio.ensure_future(breaker(call_of(1))) for _ in range(2)]
    await clock.advance(0.1)
    outcomes = await asyncio.gather(answer, *late, return_exceptions=True)

    assert [type(one) for one in outcomes] == [str, UpstreamTimeout, UpstreamTimeout]
    assert breaker.state == state


async def test_c1_what_failed_beside_an_answer_is_one_of_a_row(env: Env, clock: ManualClock) -> None:
    """C1: only who waits in vain may have stood in a queue."""
    script = ScriptedTransport[int, str](clock).after(0.02, "Ann")
    for _ in range(2):
        script.fails(said(500), after=0.05)
    breaker = guarded(script, env)
    asked = [asyncio.ensure_future(breaker(call_of(1))) for _ in range(3)]
    await clock.advance(0.1)
    await asyncio.gather(*asked, return_exceptions=True)

    assert breaker.state == "open"


@pytest.mark.parametrize("error", [NOT_IN_TIME, asyncio.CancelledError(LATE)], ids=repr)
def test_d5_an_attempt_that_a_caller_cut_short_teaches_nothing(error: BaseException) -> None:
    """D5: a caller with little patience must not open the breaker for all others."""
    assert not is_failure(error, shortened=True)


def test_d5_an_attempt_that_was_late_by_itself_counts_for_impatient_callers_too() -> None:
    """D5: here the attempt's own time-out ended it, not the caller's deadline."""
    assert is_failure(UpstreamTimeout("users.get", retryable=True), shortened=True)


async def test_c7_a_probe_that_hears_no_finds_the_service_back(env: Env, clock: ManualClock) -> None:
    """C7: a service that is asked for what it does not have alone stayed half open, one call at a time."""
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout)
    breaker = guarded(script.fails(UpstreamRejected), env)
    await fail(breaker, 2)
    await clock.advance(1.0)
    with pytest.raises(UpstreamRejected):
        await breaker(call_of(1))

    assert (breaker.state, breaker.counts()["probes"]) == ("closed", 0)


async def test_c8_an_open_breaker_answers_without_a_call(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """C8: no I/O; the error says how long it stays open; not retryable."""
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout)
    breaker = guarded(script, env)
    await fail(breaker, 2)
    await clock.advance(0.25)
    with pytest.raises(CircuitOpen) as caught:
        await breaker(call_of(1))

    assert (caught.value.retry_after, caught.value.retryable) == (0.75, False)
    assert len(script.calls) == 2
    assert events == [BreakerMoved("users.get", "closed", "open"), CallShed("users.get", "circuit_open")]


async def test_a_service_that_returns_is_whole_after_one_good_probe(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """Open 1 s, one probe, closed: each move is an event."""
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout).then("Ann")
    breaker = guarded(script, env)
    await fail(breaker, 2)
    await clock.advance(1.0)
    value = await breaker(call_of(1))

    assert (value, breaker.state) == ("Ann", "closed")
    moves = [(event.before, event.after) for event in events.of(BreakerMoved)]
    assert moves == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


async def test_c6_a_hung_probe_ends_in_time_and_opens_again(env: Env, clock: ManualClock) -> None:
    """C6: it has a deadline like every call."""
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout).hangs()
    breaker = guarded(script, env)
    await fail(breaker, 2)
    await clock.advance(1.0)
    with pytest.raises(UpstreamTimeout):
        await clock.run(breaker(call_of(1, deadline=DueTime(clock.now() + 0.2))))

    assert (breaker.state, dict(breaker.counts())) == ("open", {"probes": 0, "waiting": 0})


async def test_c5_cancelled_probe_returns_its_permit(env: Env, clock: ManualClock) -> None:
    """C5: neither closed on it, nor stuck: the next caller probes."""
    script = (
        ScriptedTransport[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout).hangs().then("Ann")
    )
    breaker = guarded(script, env)
    await fail(breaker, 2)
    await clock.advance(1.0)
    probe = asyncio.ensure_future(breaker(call_of(1)))
    await settle()
    held = dict(breaker.counts())
    probe.cancel()
    await settle()
    freed = dict(breaker.counts())

    assert (held, freed, breaker.state) == (
        {"probes": 1, "waiting": 0},
        {"probes": 0, "waiting": 0},
        "half_open",
    )
    assert await breaker(call_of(1)) == "Ann"
    assert breaker.state == "closed"


async def test_a_refusal_beside_a_probe_asks_for_no_wait(env: Env, clock: ManualClock) -> None:
    """The open time is over: what is left of it is nothing, and never below."""
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout).hangs()
    breaker = guarded(script, env, CircuitBreaker(consecutive=2, max_wait=0))
    await fail(breaker, 2)
    await clock.advance(1.5)
    probe = asyncio.ensure_future(breaker(call_of(1)))
    await settle()
    with pytest.raises(CircuitOpen, match="half_open") as caught:
        await breaker(call_of(1))
    probe.cancel()
    await settle()

    assert caught.value.retry_after == 0.0


async def test_slow_answers_open_it(env: Env, clock: ManualClock) -> None:
    """C1: every call answers, and each takes longer than anyone can use."""
    script = ScriptedTransport[int, str](clock).after(0.5, "Ann")
    breaker = guarded(script, env, CircuitBreaker(slow_after=0.4, slow_rate=1.0, minimum=3))
    for _ in range(3):
        await clock.run(breaker(call_of(1)))

    assert breaker.state == "open"


async def test_d5_a_callers_deadline_moves_nothing(env: Env, clock: ManualClock) -> None:
    """D5: the context says that the deadline was a caller's."""
    script = ScriptedTransport[int, str](clock).hangs()
    breaker = guarded(script, env, CircuitBreaker(consecutive=1))

    async def impatient() -> None:
        context.enter(RequestContext(route_deadline=DueTime(2000.0)))
        with pytest.raises(UpstreamTimeout):
            await breaker(call_of(1, deadline=DueTime(clock.now() + 0.01)))

    await clock.run(impatient())

    assert breaker.state == "closed"


async def test_an_observer_that_fails_keeps_no_probe(env: Env, clock: ManualClock) -> None:
    """X1: whatever happens between the permit and the call, the permit returns."""
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout)

    def broken(event: object) -> None:
        if isinstance(event, BreakerMoved) and event.after == "half_open":
            raise RuntimeError("the sink is full")

    breaker = guarded(script, Env(clock, env.rng, broken))
    await fail(breaker, 2)
    await clock.advance(1.0)
    with pytest.raises(RuntimeError):
        await breaker(call_of(1))

    assert dict(breaker.counts()) == {"probes": 0, "waiting": 0}


async def test_a_breaker_shows_its_state(env: Env, clock: ManualClock) -> None:
    """The representation is what an operator wants to read first."""
    script = ScriptedTransport[int, str](clock).then("Ann").fails(UpstreamTimeout)
    breaker = guarded(script, env)
    seen = [repr(breaker)]
    await breaker(call_of(1))
    seen.append(repr(breaker))
    await fail(breaker, 2)
    await clock.advance(0.4)
    seen.append(repr(breaker))
    await clock.advance(20)
    seen.append(repr(breaker))

    assert seen == [
        "<CircuitBreaker unused closed 0/0 failed>",
        "<CircuitBreaker users closed 0/1 failed>",
        "<CircuitBreaker users open 2/3 failed, 0.6 s left>",
        "<CircuitBreaker users open 0/0 failed>",
    ]


async def test_c7_what_waited_for_a_place_of_ours_is_no_slowness_of_theirs(
    env: Env, clock: ManualClock
) -> None:
    """C7: the wait stands inside the breaker, and is taken off; a call that had less time for it teaches nothing."""
    script = (
        ScriptedTransport[int, str](clock)
        .after(0.01, "Ann")
        .after(0.01, "Ann")
        .fails(UpstreamTimeout, retryable=False)
    )
    limit = Bulkhead(limit=1).wrap(script.send, env)
    breaker = CircuitBreaker(consecutive=1, slow_rate=0.5, slow_after=0.015, minimum=2).wrap(limit, env)

    async def ask() -> str:
        context.enter(RequestContext())
        return await breaker(call_of(1))

    tasks = [asyncio.ensure_future(ask()) for _ in range(3)]
    await clock.advance(1.0)

    assert [task.exception() is None for task in tasks] == [True, False, True]
    assert breaker.state == "closed"


@pytest.mark.parametrize("fused", [False, True])
async def test_c1_the_wait_of_one_call_hides_no_slowness_of_the_next(
    env: Env, clock: ManualClock, *, fused: bool
) -> None:
    """C1: what is taken off is the call's own wait, not those of all calls that its request made before."""
    script = ScriptedTransport[int, str](clock).after(0.02, "Ann")
    policies: tuple[Any, ...] = (
        Retry(),
        CircuitBreaker(slow_rate=1.0, slow_after=0.015, minimum=3),
        AdaptiveLimit(attempt=0.1),
        Timeout(attempt=0.1),
    )
    upstream = Upstream[int, str]("users", script, *policies[not fused :], env=env)
    context.enter(RequestContext(record=Record(waited=5.0)))
    for _ in range(3):
        await clock.run(upstream.call("get", 1))

    assert upstream.circuits() == {"open"}


async def test_a_breaker_is_held_by_hand_and_says_so() -> None:
    """Issue 14: refused without a time to come back, and told once as a move."""
    clock, events = ManualClock(), Events()
    script: ScriptedTransport[str, str] = ScriptedTransport(clock)
    breaker = CircuitBreaker().wrap(script.send, Env(clock, lambda: 0.0, events))
    breaker.hold("open", "users.held")
    breaker.hold("open", "users.held")
    with pytest.raises(CircuitOpen) as refused:
        await breaker(call_of("x"))
    breaker.hold("auto", "users.held")
    script.then("answer")
    answer = await breaker(call_of("x"))

    assert refused.value.retry_after is None
    assert answer == "answer"
    assert [(one.before, one.after) for one in events.of(BreakerMoved)] == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]
