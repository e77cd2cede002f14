"""Races between copies of a call: when they start, how they end, what they may cost."""

import asyncio

import pytest

from stagedoor._call import Call, Env
from stagedoor._deadline import LATE, DueTime, TimeoutScope
from stagedoor._events import BudgetExhausted, HedgeFired
from stagedoor.errors import CircuitOpen, ConfigError, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from stagedoor.policies._budget import Account, Budget
from stagedoor.policies._bulkhead import Bulkhead
from stagedoor.policies._hedge import Hedge
from stagedoor.testing import Events, ManualClock, ScriptedTransport, call_of, settle

RULE = Hedge(delay=0.05, copies=3, budget=Budget(share=1.0, reserve=10))


class Log:
    """A transport that notes when each copy starts and how it ends, and then does what its script says."""

    def __init__(self, clock: ManualClock, script: ScriptedTransport[int, str]) -> None:
        self.clock = clock
        self.script = script
        self.starts: list[tuple[float, int]] = []
        self.cancelled: list[tuple[object, ...]] = []

    async def send(self, call: Call[int]) -> str:
        self.starts.append((round(self.clock.now() - 1000, 3), call.attempt))
        try:
            return await self.script.send(call)
        except asyncio.CancelledError as error:
            self.cancelled.append(error.args)
            raise


async def test_r8_a_quick_answer_needs_no_copy(env: Env, clock: ManualClock, events: Events) -> None:
    """R8: the first copy goes after the delay, not before."""
    script = ScriptedTransport[int, str](clock).after(0.04, "Ann")
    value = await clock.run(RULE.wrap(script.send, env)(call_of(1)))

    assert (value, len(script.calls), list(events), clock.pending()) == ("Ann", 1, [], 0)


async def test_r8_copies_go_out_one_at_a_time(env: Env, clock: ManualClock, events: Events) -> None:
    """R8: after 0, d, 2d; never several at once. The first answer cancels the others and awaits them."""
    log = Log(clock, ScriptedTransport[int, str](clock).hangs().hangs().after(0.02, "Ann"))
    value = await clock.run(RULE.wrap(log.send, env)(call_of(1)))

    assert value == "Ann"
    assert log.starts == [(0.0, 1), (0.05, 2), (0.1, 3)]
    assert events.of(HedgeFired) == [HedgeFired("users.get", 2), HedgeFired("users.get", 3)]
    assert (log.cancelled, log.script.active, clock.pending()) == ([(), ()], 0, 0)


async def test_r8_a_copy_that_finds_no_place_leaves_the_first_alone(env: Env, clock: ManualClock) -> None:
    """R8: a service that was full, and about to answer, became a 503 because it was asked twice."""
    script = ScriptedTransport[int, str](clock).after(0.08, "Ann")
    places = Bulkhead(limit=1, queue=0).wrap(script.send, env)
    value = await clock.run(RULE.wrap(places, env)(call_of(1)))

    assert (value, len(script.calls), clock.pending()) == ("Ann", 1, 0)


async def test_a_call_that_is_refused_here_is_not_hedged(env: Env, clock: ManualClock) -> None:
    """One that has no place gets none by asking again."""
    script = ScriptedTransport[int, str](clock).fails(CircuitOpen, retryable=False)
    with pytest.raises(CircuitOpen):
        await clock.run(RULE.wrap(script.send, env)(call_of(1)))

    assert (len(script.calls), clock.pending()) == (1, 0)


@pytest.mark.parametrize("after", [0.01, 0.06], ids=["alone", "beside a copy"])
async def test_r5_who_asks_for_a_wait_gets_no_further_copy(
    env: Env, clock: ManualClock, after: float
) -> None:
    """R5: a service with too much to do was sent the same again at once, whatever its Retry-After said."""
    busy = UpstreamUnavailable("users.get", retryable=True, retry_after=5.0)
    log = Log(clock, ScriptedTransport[int, str](clock).fails(busy, after=after))
    with pytest.raises(UpstreamUnavailable):
        await clock.run(RULE.wrap(log.send, env)(call_of(1)))

    assert len(log.starts) == (1 if after < RULE.delay else 2)
    assert clock.pending() == 0


async def test_r8_a_retryable_failure_fires_the_next_at_once(env: Env, clock: ManualClock) -> None:
    """R8: why wait for the delay when the first is already lost."""
    log = Log(clock, ScriptedTransport[int, str](clock).fails(UpstreamTimeout, after=0.01).after(0.02, "Ann"))
    value = await clock.run(RULE.wrap(log.send, env)(call_of(1)))

    assert (value, log.starts) == ("Ann", [(0.0, 1), (0.01, 2)])


async def test_r8_a_fatal_answer_cancels_all(env: Env, clock: ManualClock) -> None:
    """R8: a "no" is an answer; asking again would not change it."""
    script = ScriptedTransport[int, str](clock).hangs().fails(UpstreamRejected, retryable=False, after=0.01)
    log = Log(clock, script)
    with pytest.raises(UpstreamRejected):
        await clock.run(RULE.wrap(log.send, env)(call_of(1)))

    assert (log.cancelled, script.active) == ([()], 0)


async def test_a_bug_ends_the_race_as_itself(env: Env, clock: ManualClock) -> None:
    """X5: not wrapped, not repeated."""

    def bug(call: Call[int]) -> str:
        raise ZeroDivisionError

    script = ScriptedTransport[int, str](clock).does(bug)
    with pytest.raises(ZeroDivisionError):
        await clock.run(RULE.wrap(script.send, env)(call_of(1)))

    assert len(script.calls) == 1


async def test_a_value_beats_a_failure_of_the_same_tick(env: Env, clock: ManualClock) -> None:
    """Both copies end in one tick: what counts is that there is an answer."""
    gates = [asyncio.get_running_loop().create_future() for _ in range(2)]

    async def gated(call: Call[int]) -> str:
        answer: str = await gates[call.attempt - 1]
        return answer

    race = asyncio.ensure_future(RULE.wrap(gated, env)(call_of(1)))
    await clock.advance(0.06)
    gates[0].set_exception(UpstreamRejected("users.get"))
    gates[1].set_result("Ann")
    await settle()

    assert race.result() == "Ann"


async def test_the_bell_may_ring_as_a_copy_answers(env: Env, clock: ManualClock, events: Events) -> None:
    """The delay and the answer in one tick: the answer counts, and no copy is sent for nothing."""
    gate = asyncio.get_running_loop().create_future()

    async def gated(call: Call[int]) -> str:
        answer: str = await gate
        return answer

    race = asyncio.ensure_future(RULE.wrap(gated, env)(call_of(1)))
    await settle()
    clock.call_at(1000.05, lambda: gate.set_result("Ann"))
    await clock.advance(0.05)

    assert (race.result(), list(events), clock.pending()) == ("Ann", [], 0)


async def test_the_last_failure_leaves_when_every_copy_failed(env: Env, clock: ManualClock) -> None:
    """No copy is left, and nothing runs."""
    last = UpstreamUnavailable("users.get", "reset", retryable=True)
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout).fails(UpstreamTimeout).fails(last)
    with pytest.raises(UpstreamUnavailable) as caught:
        await clock.run(RULE.wrap(script.send, env)(call_of(1)))

    assert caught.value is last
    assert len(script.calls) == 3


async def test_a_failure_waits_for_the_copies_that_still_run(env: Env, clock: ManualClock) -> None:
    """All copies are out: one that fails does not end the race for the others."""
    rule = Hedge(delay=0.05, copies=2, budget=RULE.budget)
    script = ScriptedTransport[int, str](clock).after(0.2, "Ann").fails(UpstreamTimeout)

    assert await clock.run(rule.wrap(script.send, env)(call_of(1))) == "Ann"
    assert clock.now() == 1000.2


async def test_r8_a_copy_without_budget_is_dropped_not_queued(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """R8: the call goes on without it, and says so once."""
    account = Account(Budget(reserve=1))
    account.draw()
    rule = Hedge(delay=0.05, copies=2, budget=account)
    script = ScriptedTransport[int, str](clock).after(1.0, "Ann")
    value = await clock.run(rule.wrap(script.send, env)(call_of(1)))

    assert (value, len(script.calls)) == ("Ann", 1)
    assert list(events) == [BudgetExhausted("users.get")]


async def test_r8_extra_load_stays_at_or_under_the_share(env: Env, clock: ManualClock) -> None:
    """R8: every one of 10,000 calls is slow, and the upstream sees at most 5 % more."""
    script = ScriptedTransport[int, str](clock).after(0.06, "Ann")
    send = Hedge(delay=0.05).wrap(script.send, env)

    async def load() -> None:
        for _ in range(100):
            await asyncio.gather(*(send(call_of(1)) for _ in range(100)))

    await clock.run(load())

    assert 10_400 <= len(script.calls) <= 10_500


@pytest.mark.parametrize(
    "call", [call_of(1, idempotent=False), call_of(1, attempt=2)], ids=["POST", "attempt"]
)
async def test_what_may_not_be_repeated_is_not_hedged(env: Env, clock: ManualClock, call: Call[int]) -> None:
    """R1, R7: a copy is a repetition."""
    script = ScriptedTransport[int, str](clock).after(1.0, "Ann")
    await clock.run(RULE.wrap(script.send, env)(call))

    assert script.calls == [call]


async def test_d6_a_cancelled_call_cancels_all_its_copies(env: Env, clock: ManualClock) -> None:
    """D6: within one tick, and nothing is left."""
    log = Log(clock, ScriptedTransport[int, str](clock).hangs())
    race = asyncio.ensure_future(RULE.wrap(log.send, env)(call_of(1)))
    await clock.advance(0.07)
    race.cancel()
    await settle()

    assert race.cancelled()
    assert (log.cancelled, clock.pending()) == ([(), ()], 0)


async def test_copies_learn_that_the_deadline_passed(env: Env, clock: ManualClock) -> None:
    """A breaker inside must be able to tell a hung upstream from a client who left."""
    log = Log(clock, ScriptedTransport[int, str](clock).hangs())

    async def outside() -> None:
        with pytest.raises(TimeoutError), TimeoutScope(clock, DueTime(1000.07)):
            await RULE.wrap(log.send, env)(call_of(1))

    await clock.run(outside())

    assert log.cancelled == [(LATE,), (LATE,)]


async def test_a_copy_cancelled_from_outside_ends_the_race(env: Env, clock: ManualClock) -> None:
    """Shutdown cancels every task: the race must not wait for the rest."""
    race = asyncio.ensure_future(RULE.wrap(ScriptedTransport[int, str](clock).hangs().send, env)(call_of(1)))
    await settle()
    for task in asyncio.all_tasks() - {asyncio.current_task(), race}:
        task.cancel()
    await settle()

    assert race.cancelled()


@pytest.mark.parametrize(
    ("field", "value"), [("delay", 0.0), ("delay", float("inf")), ("copies", 1), ("copies", 6)]
)
def test_options_that_cannot_work_are_refused_by_name(field: str, value: float) -> None:
    """The error names the field."""
    with pytest.raises(ConfigError, match=rf"Hedge\({field}="):
        Hedge(**{"delay": 0.05, field: value})  # type: ignore[arg-type]
