"""The retry's decision by values, and its shell over scripted transports."""

import asyncio
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._call import Env
from stagedoor._deadline import DueTime
from stagedoor._events import BudgetExhausted, RetryScheduled
from stagedoor._requests import HttpResponse
from stagedoor.errors import (
    CircuitOpen,
    ConfigError,
    Overloaded,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.policies._budget import Budget
from stagedoor.policies._retry import Retry, may_repeat, next_wait
from stagedoor.testing import Events, ManualClock, ScriptedTransport, call_of, settle

LATE = UpstreamTimeout("users.get", retryable=True)


def wait_for(
    error: UpstreamError = LATE,
    *,
    rule: Retry | None = None,
    attempt: int = 1,
    repeatable: bool = True,
    left: float = 1.0,
    roll: float = 0.5,
) -> float | None:
    return next_wait(rule or Retry(), attempt, error, repeatable, left, roll)


def test_r2_the_default_is_one_retry() -> None:
    """R2: what is not decided otherwise costs an upstream in trouble at most one more call."""
    waits = [wait_for(attempt=1), wait_for(attempt=2)]

    assert waits == [0.0125, None]


@pytest.mark.parametrize("attempts", [0, 6, -1])
def test_r2_more_than_five_attempts_are_refused_at_start(attempts: int) -> None:
    """R2: nobody finds out in an outage that a typo made it worse."""
    with pytest.raises(ConfigError, match=r"Retry\(attempts="):
        Retry(attempts=attempts)


@pytest.mark.parametrize("options", [{"base": -1.0}, {"base": math.nan}, {"base": 1.0, "cap": 0.5}])
def test_pauses_that_make_no_sense_are_refused_at_start(options: dict[str, float]) -> None:
    """A pause below zero, not a number, or capped below its base is a mistake."""
    with pytest.raises(ConfigError, match=r"Retry\((base|cap)="):
        Retry(**options)  # type: ignore[arg-type]


@given(
    attempt=st.integers(1, 10_000),
    base=st.floats(0, 10),
    more=st.floats(0, 10),
    roll=st.floats(0, 1, exclude_max=True),
)
def test_r3_pauses_stay_inside_their_bounds_at_any_attempt(
    attempt: int, base: float, more: float, roll: float
) -> None:
    """R3: uniform in [0, min(cap, base x 2^(n-1))], and no overflow at any n (floats overflow at 1,024)."""
    rule = Retry(attempts=5, base=base, cap=base + more)
    object.__setattr__(rule, "attempts", 20_000)  # beyond what may be configured, to reach every n
    wait = wait_for(rule=rule, attempt=attempt, left=math.inf, roll=roll)

    assert wait is not None
    assert 0 <= wait <= min(rule.cap, base * 2 ** min(attempt - 1, 1000))


@pytest.mark.parametrize(("attempt", "bound"), [(1, 0.025), (2, 0.05), (3, 0.1), (4, 0.2)])
def test_r3_a_hundred_thousand_pauses_are_uniform(attempt: int, bound: float) -> None:
    """R3: the Kolmogorov-Smirnov statistic of 100,000 draws stays under its 0.1 % critical value."""
    rng = random.Random(attempt)
    rule = Retry(attempts=5)
    draws = sorted(wait_for(rule=rule, attempt=attempt, roll=rng.random()) or 0.0 for _ in range(100_000))

    count = len(draws)
    distance = max(
        max(abs(draw / bound - index / count), abs(draw / bound - (index + 1) / count))
        for index, draw in enumerate(draws)
    )
    assert 0 <= draws[0] <= draws[-1] <= bound
    assert distance < 1.95 / math.sqrt(count)


def test_d2_a_wait_that_would_outlive_the_deadline_is_not_slept() -> None:
    """D2: with 20 ms left, a wait of 25 ms is refused at once."""
    waits = [wait_for(left=0.020, roll=1.0), wait_for(left=0.0251, roll=1.0), wait_for(left=0.0, roll=0.0)]

    assert waits == [None, 0.025, None]


def test_r5_retry_after_is_waited_exactly() -> None:
    """R5: no jitter below what upstream asked for, and no cap on it."""
    error = UpstreamUnavailable("users.get", retryable=True, retry_after=0.7)

    assert [wait_for(error, roll=roll) for roll in (0.0, 0.5, 0.999)] == [0.7, 0.7, 0.7]


def test_r5_retry_after_beyond_the_deadline_is_no_retry() -> None:
    """R5: waiting shorter than they asked for would only add to their trouble."""
    error = UpstreamUnavailable("users.get", retryable=True, retry_after=2.0)

    assert wait_for(error, left=1.0) is None


@pytest.mark.parametrize(("retry_after", "wait"), [(None, None), (0.3, 0.3)])
def test_r5_429_is_retried_only_at_the_moment_it_names(retry_after: float | None, wait: float | None) -> None:
    """R5: "too many requests" without a moment is not answered with one more request."""
    error = UpstreamUnavailable(
        "users.get", retryable=True, retry_after=retry_after, response=HttpResponse(status=429)
    )

    assert wait_for(error) == wait


def test_503_without_a_moment_has_ordinary_back_off() -> None:
    """R5's rule for 429 is not for other answers."""
    error = UpstreamUnavailable("users.get", retryable=True, response=HttpResponse(status=503))

    assert wait_for(error) == 0.0125


@pytest.mark.parametrize(
    "error",
    [
        CircuitOpen("users.get", retry_after=0.1),
        Overloaded("users.get", retry_after=1),
        UpstreamRejected("users.get"),
        UpstreamGarbled("users.get"),
        UpstreamTimeout("users.get"),
        UpstreamUnavailable("users.get", response=HttpResponse(status=500)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_retryable_is_not_repeated(error: UpstreamError) -> None:
    """No retry into a closed door, after a "no", or when the time is over."""
    assert wait_for(error) is None


def test_r1_what_is_not_idempotent_is_not_repeated() -> None:
    """R1: a POST reaches the upstream exactly once, whatever went wrong."""
    assert wait_for(repeatable=may_repeat(call_of(1, idempotent=False))) is None


def test_r7_a_call_that_arrived_as_a_repetition_is_not_repeated() -> None:
    """R7: one layer retries; five layers of three attempts would be 243 calls."""
    repeats = [may_repeat(call_of(1, attempt=attempt)) for attempt in (1, 2, 3)]

    assert repeats == [True, False, False]


async def test_a_failure_is_repeated_and_told(env: Env, clock: ManualClock, events: Events) -> None:
    """The second attempt brings the value; the event says what happened and how long the pause is."""
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout).then("Ann")
    value = await clock.run(send_once(Retry(), script, env))

    assert value == "Ann"
    assert [call.attempt for call in script.calls] == [1, 2]
    [told] = events.of(RetryScheduled)
    assert (told.operation, told.attempt) == ("users.get", 1)
    assert clock.now() == 1000.0 + told.wait


async def test_the_last_error_leaves_when_all_attempts_failed(env: Env, clock: ManualClock) -> None:
    """Whoever asked learns what went wrong last, as itself (X5)."""
    last = UpstreamUnavailable("users.get", "reset", retryable=True)
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout).fails(last)
    with pytest.raises(UpstreamUnavailable) as caught:
        await clock.run(send_once(Retry(attempts=3), script, env))

    assert caught.value is last
    assert len(script.calls) == 3


async def test_d2_the_error_goes_out_at_once_when_the_pause_does_not_fit(
    env: Env, clock: ManualClock
) -> None:
    """D2: no time is lost on a pause that cannot end in time."""
    script = ScriptedTransport[int, str](clock).fails(
        UpstreamUnavailable("users.get", retryable=True, retry_after=0.5)
    )
    with pytest.raises(UpstreamUnavailable):
        await send_once(Retry(), script, env, DueTime(clock.now() + 0.4))

    assert (clock.now(), len(script.calls)) == (1000.0, 1)


async def test_r4_without_budget_the_first_error_leaves_and_the_event_says_why(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """R4: an exhausted budget is an event and a metric, never silence."""
    account = Budget(share=0.2, reserve=1).account()
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout)
    send = Retry(base=0, cap=0, budget=account).wrap(script.send, env)
    for _ in range(3):
        with pytest.raises(UpstreamTimeout):
            await clock.run(send(call_of(1)))

    assert len(script.calls) == 4
    assert events.of(BudgetExhausted) == [BudgetExhausted("users.get")] * 2


async def test_r4_only_retryable_failures_draw_from_the_budget(env: Env, clock: ManualClock) -> None:
    """R4: a stream of 404s must not cost others their retries."""
    account = Budget(reserve=10).account()
    script = ScriptedTransport[int, str](clock).fails(UpstreamRejected, retryable=False)
    send = Retry(budget=account).wrap(script.send, env)
    for _ in range(100):
        with pytest.raises(UpstreamRejected):
            await send(call_of(1))

    assert repr(account) == "<Account 10.0/10 left, 20% of calls>"


async def test_x2_a_cancelled_call_is_not_repeated(env: Env, clock: ManualClock) -> None:
    """X2: cancellation is not failure."""
    script = ScriptedTransport[int, str](clock).hangs()
    task = asyncio.create_task(send_once(Retry(), script, env))
    await settle()
    task.cancel()
    await settle()

    assert task.cancelled()
    assert (len(script.calls), script.active) == (1, 0)


async def test_x2_a_cancelled_pause_ends_at_once(env: Env, clock: ManualClock) -> None:
    """D6: the client is gone, so nobody waits for the next attempt."""
    script = ScriptedTransport[int, str](clock).fails(
        UpstreamUnavailable("users.get", retryable=True, retry_after=5.0)
    )
    task = asyncio.create_task(send_once(Retry(), script, env))
    await settle()
    task.cancel()
    await settle()

    assert task.cancelled()
    assert (len(script.calls), clock.pending()) == (1, 0)


async def send_once(
    rule: Retry, script: ScriptedTransport[int, str], env: Env, deadline: DueTime | None = None
) -> str:
    call = call_of(1, deadline=deadline or DueTime(math.inf))
    return await rule.wrap(script.send, env)(call)
