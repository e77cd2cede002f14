"""What every policy promises, whatever it adds: the same suite for each of them, and for the fakes."""

import asyncio
import dataclasses

import pytest

from stagedoor._call import Call, Env, Policy
from stagedoor._capabilities import InUseGauges
from stagedoor._deadline import DueTime
from stagedoor.errors import UpstreamRejected
from stagedoor.policies._bulkhead import Bulkhead
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.policies._deadline import Deadline
from stagedoor.policies._hedge import Hedge
from stagedoor.policies._retry import Retry
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.policies._timeout import Timeout
from stagedoor.testing import Faults, ManualClock, ScriptedTransport, call_of, settle

ALL: list[Policy[int, str]] = [
    CircuitBreaker(),
    Bulkhead(),
    SingleFlight(),
    Faults(rate=0.0),
    Hedge(delay=0.5),
    Retry(),
    Timeout(attempt=0.2),
    Deadline(),
]

pytestmark = pytest.mark.parametrize("policy", ALL, ids=lambda policy: type(policy).__name__)
CALL = call_of(7, identity="ann", deadline=DueTime(1000.5))


def counts(layer: object) -> set[int]:
    return set(layer.counts().values()) if isinstance(layer, InUseGauges) else {0}


async def test_options_are_frozen_and_keyword_only(policy: Policy[int, str]) -> None:
    """One rule may stand in many stacks: nobody changes it for the others."""
    fields = dataclasses.fields(policy)  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(policy, fields[0].name, None)

    assert all(field.kw_only for field in fields)


async def test_a_value_passes(policy: Policy[int, str], env: Env, clock: ManualClock) -> None:
    """On a good day a policy adds nothing, and holds nothing afterwards (X1)."""
    script = ScriptedTransport[int, str](clock).after(0.1, "Ann")
    send = policy.wrap(script.send, env)
    value = await clock.run(send(CALL))

    assert (value, len(script.calls), counts(send), clock.pending()) == ("Ann", 1, {0}, 0)


async def test_the_call_arrives_as_it_was_made(
    policy: Policy[int, str], env: Env, clock: ManualClock
) -> None:
    """Only the deadline may become sooner, never later (D1)."""
    script = ScriptedTransport[int, str](clock).then("Ann")
    await clock.run(policy.wrap(script.send, env)(CALL))
    [arrived] = script.calls

    assert dataclasses.replace(arrived, deadline=CALL.deadline) == CALL
    assert arrived.deadline <= CALL.deadline


@pytest.mark.parametrize("error", [UpstreamRejected("users.get"), ZeroDivisionError()], ids=repr)
async def test_x5_an_error_leaves_as_itself(
    policy: Policy[int, str], env: Env, clock: ManualClock, error: Exception
) -> None:
    """X5: not wrapped, not in a group, not swallowed; a bug neither."""

    def fail(call: Call[int]) -> str:
        raise error

    script = ScriptedTransport[int, str](clock).does(fail, 0.1)
    send = policy.wrap(script.send, env)
    with pytest.raises(type(error)) as caught:
        await clock.run(send(CALL))

    assert caught.value is error
    assert (counts(send), clock.pending()) == ({0}, 0)


async def test_x2_a_cancellation_reaches_the_transport_and_leaves_nothing(
    policy: Policy[int, str], env: Env, clock: ManualClock
) -> None:
    """X2, D6: the upstream sees it, and the caller sees a cancellation."""
    script = ScriptedTransport[int, str](clock).hangs()
    send = policy.wrap(script.send, env)
    task = asyncio.ensure_future(send(CALL))
    await settle()
    task.cancel()
    await settle()

    assert task.cancelled()
    assert (script.active, script.cancelled, counts(send), clock.pending()) == (0, 1, {0}, 0)


async def test_x1_cancelled_before_it_began(policy: Policy[int, str], env: Env, clock: ManualClock) -> None:
    """X1: gone in the tick in which it asked."""
    script = ScriptedTransport[int, str](clock).hangs()
    send = policy.wrap(script.send, env)
    task = asyncio.ensure_future(send(CALL))
    await asyncio.sleep(0)
    task.cancel()
    await settle()

    assert task.cancelled()
    assert (script.active, counts(send), clock.pending()) == (0, {0}, 0)


async def test_each_wrap_has_state_of_its_own(policy: Policy[int, str], env: Env, clock: ManualClock) -> None:
    """One rule for all upstreams, and an outage of one is none of another's."""
    broken, well = (
        ScriptedTransport[int, str](clock).hangs(),
        ScriptedTransport[int, str](clock).after(0.1, "Ann"),
    )
    first, second = policy.wrap(broken.send, env), policy.wrap(well.send, env)
    tasks = [asyncio.ensure_future(first(CALL)) for _ in range(5)]
    await settle()
    value = await clock.run(second(CALL))
    for task in tasks:
        task.cancel()
    await settle()

    assert value == "Ann"
    assert first is not second
