"""The guard of the deadline: refuse late work, cut off late answers."""

import asyncio

import pytest

from stagedoor._call import Call, Env
from stagedoor._deadline import NEVER, DueTime
from stagedoor._events import CallShed
from stagedoor.errors import ConfigError, UpstreamTimeout
from stagedoor.policies._deadline import Deadline, due, until
from stagedoor.testing import Events, ManualClock, ScriptedTransport, call_of, settle


def test_a_limit_narrows_and_never_lengthens() -> None:
    """D1: the sooner of the two moments counts."""
    whole = DueTime(10.0)
    moments = [due(Deadline(limit=limit), whole, now=9.0).at for limit in (0.5, 1.0, 2.0, None)]

    assert moments == [9.5, 10.0, 10.0, 10.0]


def test_a_call_under_another_deadline_is_the_same_call() -> None:
    """Every field is carried over."""
    call = call_of({"id": 1}, identity="ann", idempotent=False, attempt=3)

    assert until(call, NEVER) == call
    assert until(until(call, DueTime(1.0)), NEVER) == call


async def test_d4_work_whose_deadline_has_passed_never_reaches_the_upstream(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """D4: it is refused before it costs anything, and counted."""
    script = ScriptedTransport[int, str](clock).then("too late")
    send = Deadline().wrap(script.send, env)
    with pytest.raises(UpstreamTimeout) as caught:
        await send(call_of(1, deadline=DueTime(clock.now())))

    assert not caught.value.retryable
    assert script.calls == []
    assert events == [CallShed("users.get", "deadline")]


async def test_d1_whatever_is_inside_ends_by_the_deadline(env: Env, clock: ManualClock) -> None:
    """D1: one deadline covers everything, also a layer that does not know it."""

    async def deaf(call: Call[int]) -> str:
        await clock.sleep(60)
        return "too late"

    send = Deadline().wrap(deaf, env)
    with pytest.raises(UpstreamTimeout) as caught:
        await clock.run(send(call_of(1, deadline=DueTime(1003.0))))

    assert not caught.value.retryable
    assert (clock.now(), clock.pending()) == (1003.0, 0)


async def test_d1_its_own_limit_holds_inside_a_later_deadline(env: Env, clock: ManualClock) -> None:
    """What is inside is told the narrower moment."""
    script = ScriptedTransport[int, str](clock).hangs()
    send = Deadline(limit=0.5).wrap(script.send, env)
    with pytest.raises(UpstreamTimeout):
        await clock.run(send(call_of(1, deadline=DueTime(1003.0))))

    assert script.calls[0].deadline == DueTime(1000.5)
    assert clock.now() == 1000.5


async def test_an_answer_in_time_passes_and_leaves_no_timer(env: Env, clock: ManualClock) -> None:
    """X1: nothing is left behind; the call itself goes in unchanged."""
    script = ScriptedTransport[int, str](clock).after(0.1, "Ann")
    call = call_of(1, deadline=DueTime(1001.0))
    value = await clock.run(Deadline().wrap(script.send, env)(call))

    assert value == "Ann"
    assert script.calls[0] is call
    assert clock.pending() == 0


async def test_x2_the_callers_cancellation_is_no_timeout(env: Env, clock: ManualClock) -> None:
    """X2: cancellation leaves as itself."""
    script = ScriptedTransport[int, str](clock).hangs()
    task = asyncio.ensure_future(Deadline(limit=5).wrap(script.send, env)(call_of(1)))
    await settle()
    task.cancel()
    await settle()

    assert task.cancelled()
    assert clock.pending() == 0


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_needs_a_length(limit: float) -> None:
    """The error names the field."""
    with pytest.raises(ConfigError, match=r"Deadline\(limit="):
        Deadline(limit=limit)
