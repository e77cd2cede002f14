"""Policies in pairs and as a whole stack: what each promises alone must hold together."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

import pytest

from stagedoor import _context as context
from stagedoor._call import Env, Policy
from stagedoor._context import RequestContext
from stagedoor._deadline import DueTime
from stagedoor._events import AttemptEnded, BreakerMoved
from stagedoor._upstream import Upstream
from stagedoor.errors import CircuitOpen, Overloaded, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from stagedoor.policies._budget import Account, Budget
from stagedoor.policies._bulkhead import Bulkhead
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.policies._deadline import Deadline
from stagedoor.policies._hedge import Hedge
from stagedoor.policies._retry import Retry
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.policies._timeout import Timeout
from stagedoor.testing import Events, Faults, ManualClock, ScriptedTransport, settle

Users = Upstream[int, str]

AT_REST = {"flights": 0, "probes": 0, "permits": 0, "waiting": 0}
OUTAGE = UpstreamUnavailable("users.get", "refused", retryable=True)


def users(env: Env, script: ScriptedTransport[int, str], *policies: Policy[int, str]) -> Users:
    return Upstream("users", script, *policies, env=env)


def whole_stack() -> tuple[Policy[int, str], ...]:
    return (
        SingleFlight(),
        Deadline(),
        Retry(),
        CircuitBreaker(),
        Bulkhead(limit=20, queue=20),
        Timeout(attempt=0.08),
    )


async def ask(upstream: Users, payload: int = 1, *, within: float = 0.18, now: float | None = None) -> str:
    """Ask as one request would, with a deadline of its own."""
    start = now if now is not None else 1000.0
    token = context.enter(RequestContext(deadline=DueTime(start + within)))
    try:
        return await upstream.call("get", payload)
    finally:
        context.leave(token)


async def quietly(upstream: Users, payload: int, clock: ManualClock, within: float = 0.18) -> str:
    """Ask, and return the name of what went wrong in place of an answer."""
    try:
        return await ask(upstream, payload, within=within, now=clock.now())
    except UpstreamError as error:
        return type(error).__name__


async def test_a_breaker_inside_a_retry_opens(env: Env, clock: ManualClock, events: Events) -> None:
    """It sees every attempt, as its own kind of error, before the retry hides any."""
    script = ScriptedTransport[int, str](clock).fails(OUTAGE)
    upstream = users(env, script, Retry(), CircuitBreaker(consecutive=4))
    outcomes = [await clock.run(quietly(upstream, 1, clock)) for _ in range(4)]

    assert len(script.calls) == 4
    assert outcomes == ["UpstreamUnavailable"] * 2 + ["CircuitOpen"] * 2
    assert events.of(BreakerMoved) == [BreakerMoved("users.get", "closed", "open")]


async def test_an_open_breaker_is_not_retried(env: Env, clock: ManualClock) -> None:
    """No retry into a closed door: the refusal leaves at once, with the time that is left."""
    script = ScriptedTransport[int, str](clock).fails(OUTAGE)
    upstream = users(env, script, Retry(), CircuitBreaker(consecutive=1, probe_after=1.0, jitter=0))
    await clock.run(quietly(upstream, 1, clock))
    start = clock.now()
    with pytest.raises(CircuitOpen) as caught:
        await ask(upstream)

    assert (clock.now(), len(script.calls)) == (start, 1)
    assert caught.value.retry_after is not None
    assert 0.9 < caught.value.retry_after <= 1.0


async def test_d1_a_retry_gets_only_what_is_left(env: Env, clock: ManualClock) -> None:
    """D1: 3.0 s, the first attempt fails at 2.7 s: the second ends, with the whole call, at 3.0 s."""
    script = ScriptedTransport[int, str](clock).fails(OUTAGE, after=2.7).hangs()
    upstream = users(env, script, Deadline(), Retry(), Timeout(attempt=2.9))
    with pytest.raises(UpstreamTimeout) as caught:
        await clock.run(ask(upstream, within=3.0))

    assert not caught.value.retryable
    assert (clock.now(), len(script.calls)) == (1003.0, 2)
    assert script.calls[1].deadline == DueTime(1003.0)


async def test_d2_a_pause_beyond_the_deadline_is_not_slept(env: Env, clock: ManualClock) -> None:
    """D2: the last error goes out at once, not a time-out later."""
    script = ScriptedTransport[int, str](clock).fails(OUTAGE, after=2.9)
    upstream = users(env, script, Deadline(), Retry(base=10.0, cap=10.0))
    with pytest.raises(UpstreamUnavailable) as caught:
        await clock.run(ask(upstream, within=3.0))

    assert caught.value is OUTAGE
    assert clock.now() == 1002.9


@pytest.mark.parametrize("breaker", [True, False], ids=["breaker", "no breaker"])
async def test_a9_a_total_outage_is_amplified_by_a_fifth_at_most(
    env: Env, clock: ManualClock, breaker: bool
) -> None:
    """A9: 10,000 requests, each upstream failing totally: at most 1.2 times the calls without retries."""
    loads: list[dict[str, int]] = []
    for attempts in (1, 2):
        inner: tuple[Policy[int, str], ...] = (CircuitBreaker(),) if breaker else ()
        scripts = {name: ScriptedTransport[int, str](clock).fails(OUTAGE) for name in ("users", "orders")}
        upstreams = [
            Upstream(name, script, Deadline(), Retry(attempts=attempts), *inner, env=env)
            for name, script in scripts.items()
        ]
        await clock.run(outage(upstreams, clock))
        loads.append({name: len(script.calls) for name, script in scripts.items()})

    without, with_retries = loads
    for name in without:
        assert with_retries[name] <= 1.2 * without[name]
    if not breaker:
        assert without["users"] == 10_000
        assert with_retries["users"] >= 11_800  # the budget is there to be used


async def outage(upstreams: list[Users], clock: ManualClock) -> None:
    for _ in range(100):
        burst = [quietly(each, payload, clock) for payload in range(100) for each in upstreams]
        await asyncio.gather(*burst)
        await clock.sleep(0.05)


async def test_r4_at_one_per_cent_every_failure_is_repeated(env: Env, clock: ManualClock) -> None:
    """R4: on an ordinary day nobody notices that one in a hundred calls fails."""
    script = ScriptedTransport[int, str](clock).after(0.001, "Ann")
    faults = Faults(rate=0.01, error=UpstreamUnavailable)
    upstream = users(env, script, Deadline(), Retry(attempts=3), CircuitBreaker(), faults)

    async def load() -> Counter[str]:
        seen: Counter[str] = Counter()
        for _ in range(100):
            seen.update(await asyncio.gather(*(quietly(upstream, payload, clock) for payload in range(50))))
        return seen

    assert await clock.run(load()) == {"Ann": 5000}


async def test_retry_and_hedge_share_one_budget(env: Env, clock: ManualClock) -> None:
    """Together they add no more than the share, whatever mixture of slow and failed calls there is."""
    account = Account(Budget(share=0.1))
    script = ScriptedTransport[int, str](clock).fails(OUTAGE, after=0.06)
    upstream = users(env, script, Deadline(), Retry(budget=account), Hedge(delay=0.05, budget=account))

    async def load() -> None:
        for _ in range(50):
            await asyncio.gather(*(quietly(upstream, payload, clock, within=1.0) for payload in range(100)))

    await clock.run(load())

    assert 5_400 <= len(script.calls) <= 5_500


async def test_k4_a_thousand_callers_cost_one_call_through_the_whole_stack(
    env: Env, clock: ManualClock
) -> None:
    """K4: joined before anything else is spent on them."""
    script = ScriptedTransport[int, str](clock).after(0.02, "Ann")
    upstream = users(env, script, *whole_stack())

    async def load() -> list[str]:
        return await asyncio.gather(*(quietly(upstream, 1, clock) for _ in range(1000)))

    assert set(await clock.run(load())) == {"Ann"}
    assert len(script.calls) == 1
    assert dict(upstream.counts()) == AT_REST


async def test_d1_a_joined_call_ends_by_its_own_deadline(env: Env, clock: ManualClock) -> None:
    """D1: who joins late in a hung flight does not wait for the flight's end, nor does the flight outlive it."""
    script = ScriptedTransport[int, str](clock).hangs()
    upstream = users(env, script, SingleFlight(), Deadline())
    moments: list[float] = []

    async def caller(within: float) -> None:
        with pytest.raises(UpstreamTimeout):
            await ask(upstream, within=within)
        moments.append(round(clock.now() - 1000, 3))

    async def load() -> None:
        await asyncio.gather(caller(0.18), caller(0.05), caller(0.1))

    await clock.run(load())

    assert moments == [0.05, 0.1, 0.18]
    assert (script.active, clock.pending(), dict(upstream.counts())) == (0, 0, {"flights": 0})


@pytest.mark.parametrize(
    "policies",
    [
        (Deadline(), CircuitBreaker(consecutive=3)),
        (SingleFlight(), Deadline(), CircuitBreaker(consecutive=3)),
        (Deadline(), Hedge(delay=0.05), CircuitBreaker(consecutive=6)),
        (Deadline(), Retry(), CircuitBreaker(consecutive=6), Timeout(attempt=0.08)),
    ],
    ids=["guarded", "joined", "hedged", "repeated"],
)
async def test_a_hung_upstream_opens_the_breaker_whoever_ends_the_call(
    env: Env, clock: ManualClock, events: Events, policies: tuple[Policy[int, str], ...]
) -> None:
    """The guard, the last waiter, the race and the transport see the same moment: one of them is first."""
    script = ScriptedTransport[int, str](clock).hangs()
    upstream = users(env, script, *policies)
    for _ in range(3):
        await clock.run(quietly(upstream, 1, clock))
        await settle()

    assert [move.after for move in events.of(BreakerMoved)] == ["open"]
    assert all(ended.error is not None for ended in events.of(AttemptEnded))
    assert len(events.of(AttemptEnded)) == len(script.calls)


async def test_d5_callers_without_patience_open_no_breaker(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """D5: ten callers give a healthy upstream 1 ms each."""
    script = ScriptedTransport[int, str](clock).after(0.02, "Ann")
    upstream = users(
        env, script, SingleFlight(), Deadline(), Retry(), CircuitBreaker(consecutive=3), Timeout(attempt=0.08)
    )

    async def impatient(payload: int) -> None:
        whole = DueTime(clock.now() + 0.18)
        context.enter(RequestContext(deadline=DueTime(clock.now() + 0.001), route_deadline=whole))
        with pytest.raises(UpstreamTimeout):
            await upstream.call("get", payload)

    for payload in range(10):
        await clock.run(asyncio.create_task(impatient(payload)))

    assert events.of(BreakerMoved) == []


async def test_a_full_bulkhead_opens_no_breaker(env: Env, clock: ManualClock, events: Events) -> None:
    """C7: our own shedding is no failure of theirs, and is not repeated (O5)."""
    script = ScriptedTransport[int, str](clock).after(0.05, "Ann")
    upstream = users(env, script, Retry(), CircuitBreaker(consecutive=2), Bulkhead(limit=1, queue=0))

    async def load() -> Counter[str]:
        return Counter(await asyncio.gather(*(quietly(upstream, payload, clock) for payload in range(50))))

    assert await clock.run(load()) == {"Ann": 1, "Overloaded": 49}
    assert events.of(BreakerMoved) == []


async def test_waiting_beyond_the_deadline_is_overload_not_lateness(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """It never reached the upstream: 503, and nothing for the breaker to learn."""
    script = ScriptedTransport[int, str](clock).after(1.0, "Ann")
    upstream = users(env, script, Deadline(), CircuitBreaker(consecutive=1), Bulkhead(limit=1))
    first = asyncio.create_task(ask(upstream, within=5.0))
    await settle()
    second = asyncio.create_task(ask(upstream, 2, within=0.18))
    await clock.advance(1.0)

    assert isinstance(second.exception(), Overloaded)
    assert first.result() == "Ann"
    assert events.of(BreakerMoved) == []


@pytest.mark.parametrize("cancelled", [False, True], ids=["it answers", "it is cancelled"])
async def test_c3_a_thousand_callers_at_the_half_open_instant_make_one_probe(
    env: Env, clock: ManualClock, cancelled: bool
) -> None:
    """C3, C5, F4: exactly one goes out and all wait for it; if it is cancelled, exactly one of them takes over."""
    script = ScriptedTransport[int, str](clock).fails(OUTAGE).after(0.05, "Ann")
    upstream = users(env, script, Retry(), CircuitBreaker(consecutive=1, jitter=0), Bulkhead(queue=2000))
    await clock.run(quietly(upstream, 0, clock))
    await clock.advance(0.1)

    tasks = [asyncio.create_task(quietly(upstream, payload, clock)) for payload in range(1000)]
    await settle()
    asked = len(script.calls) - 1
    if cancelled:
        tasks[0].cancel()
        await settle()
        asked_again = len(script.calls) - 2
        assert asked_again == 1
    await clock.advance(0.05)
    after = len(script.calls)
    await clock.advance(1.0)
    outcomes = Counter(task.result() for task in tasks if not task.cancelled())

    assert asked == 1
    assert after == 1 + 1 + cancelled + 100  # the bulkhead's places, and no more
    assert outcomes["Ann"] >= 100
    assert outcomes["CircuitOpen"] == 0  # those whose time ran out in the queue teach nothing
    assert dict(upstream.counts()) == {"probes": 0, "permits": 0, "waiting": 0}


async def test_c7_a_probe_that_finds_no_place_gives_its_permit_back(env: Env, clock: ManualClock) -> None:
    """C7: the bulkhead refused it, the upstream never saw it."""
    script = ScriptedTransport[int, str](clock).after(5.0, "slow").fails(OUTAGE).then("Ann")
    upstream = users(env, script, CircuitBreaker(consecutive=1, jitter=0), Bulkhead(limit=2, queue=0))
    slow = asyncio.create_task(ask(upstream, 1, within=60))
    await settle()
    await quietly(upstream, 2, clock)
    await clock.advance(1.0)
    other = asyncio.create_task(ask(upstream, 3, within=60))
    await settle()

    assert other.result() == "Ann"
    slow.cancel()
    await settle()
    assert dict(upstream.counts()) == {"probes": 0, "permits": 0, "waiting": 0}


@pytest.mark.parametrize("seed", range(10))
async def test_a13_cancellations_at_random_moments_leave_nothing(
    clock: ManualClock, events: Events, seed: int
) -> None:
    """A13, X1: 10,000 in ten runs, the whole stack with faults and a hedge: counts at rest, no task left."""
    rng = random.Random(seed)
    env = Env(clock, rng.random, events)
    script = ScriptedTransport[int, str](clock).after(0.02, "Ann")
    upstream = users(
        env,
        script,
        SingleFlight(),
        Deadline(),
        Retry(),
        Hedge(delay=0.03),
        CircuitBreaker(open_for=0.05),
        Bulkhead(limit=20, queue=10, max_wait=0.05),
        Timeout(attempt=0.08),
        Faults(rate=0.2, error=UpstreamUnavailable, delay=0.01),
        Faults(rate=0.1, delay=0.2),
    )
    before = asyncio.all_tasks()
    tasks: list[asyncio.Task[str]] = []
    for _ in range(1000):
        tasks.append(asyncio.create_task(quietly(upstream, rng.randrange(60), clock)))
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        if rng.random() < 0.3:
            await clock.advance(rng.choice((0.0, 0.005, 0.02)))
        rng.choice(tasks[-30:]).cancel()
    await clock.advance(5)

    assert all(task.done() for task in tasks), seed
    assert dict(upstream.counts()) == AT_REST, seed
    assert (script.active, clock.pending(), asyncio.all_tasks() - before) == (0, 0, set()), seed
    outcomes = Counter("cancelled" if task.cancelled() else task.result() for task in tasks)
    assert outcomes["cancelled"] > 100, seed
    assert outcomes["Ann"] > 100, seed


async def test_g7_a_thousand_simulated_requests_are_quick_and_repeatable() -> None:
    """G7: one seed, one outcome, event by event; the time limit of the suite is the witness for quick."""
    runs = [await simulated(seed) for seed in (7, 7, 8)]

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


async def simulated(seed: int) -> tuple[Mapping[str, int], list[str]]:
    clock, events = ManualClock(), Events()
    env = Env(clock, random.Random(seed).random, events)
    script = ScriptedTransport[int, str](clock).after(0.02, "Ann")
    upstream = users(env, script, *whole_stack(), Faults(rate=0.3, error=UpstreamUnavailable, delay=0.01))

    async def load() -> Counter[str]:
        seen: Counter[str] = Counter()
        for _ in range(10):
            seen.update(await asyncio.gather(*(quietly(upstream, payload, clock) for payload in range(100))))
        return seen

    outcome = await clock.run(load())
    return outcome, [repr(event) for event in events]
