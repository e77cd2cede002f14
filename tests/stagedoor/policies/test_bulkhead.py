"""Places, the queue for them, and that no permit is ever lost or doubled."""

import asyncio
import random

import pytest

from stagedoor._call import Call, Env
from stagedoor._deadline import NEVER, DueTime, TimeoutScope
from stagedoor._events import CallShed
from stagedoor.errors import ConfigError, Overloaded
from stagedoor.policies._bulkhead import Bulkhead, BulkheadSend
from stagedoor.testing import Events, ManualClock, call_of, settle

AT_REST = {"permits": 0, "waiting": 0}


class Stage:
    """A transport whose calls end when the test says so, and a bulkhead round it."""

    def __init__(self, env: Env, **options: float) -> None:
        self.order: list[int] = []
        self.gates: dict[int, asyncio.Future[str]] = {}
        self.places: BulkheadSend[int, str] = Bulkhead(**options).wrap(self.send, env)  # type: ignore[arg-type]

    async def send(self, call: Call[int]) -> str:
        self.order.append(call.payload)
        self.gates[call.payload] = asyncio.get_running_loop().create_future()
        return await self.gates[call.payload]

    def ask(self, payload: int, deadline: DueTime = NEVER) -> "asyncio.Future[str]":
        return asyncio.ensure_future(self.places(call_of(payload, deadline=deadline)))

    async def end(self, payload: int) -> None:
        self.gates[payload].set_result("Ann")
        await settle()

    def counts(self) -> tuple[int, int]:
        counts = self.places.counts()
        return counts["permits"], counts["waiting"]


async def test_so_many_go_and_the_others_wait(env: Env) -> None:
    """The limit is the limit; a place that is given back is taken at once."""
    stage = Stage(env, limit=2)
    tasks = [stage.ask(payload) for payload in (1, 2, 3)]
    await settle()
    before = (list(stage.order), stage.counts())
    await stage.end(1)

    assert before == ([1, 2], (2, 1))
    assert (stage.order, stage.counts()) == ([1, 2, 3], (2, 0))
    await stage.end(2)
    await stage.end(3)
    assert await asyncio.gather(*tasks) == ["Ann"] * 3
    assert dict(stage.places.counts()) == AT_REST


async def test_o6_the_newest_is_served_first(env: Env) -> None:
    """O6: it has most of its deadline left; the oldest may be gone already."""
    stage = Stage(env, limit=1)
    tasks = [stage.ask(payload) for payload in (1, 2, 3, 4)]
    await settle()
    for payload in (1, 4, 3, 2):
        await stage.end(payload)

    assert stage.order == [1, 4, 3, 2]
    await asyncio.gather(*tasks)


async def test_o6_in_a_full_queue_the_oldest_makes_room(env: Env, events: Events) -> None:
    """O6: bounded in length; who is dropped learns it at once, and may come back in a second."""
    stage = Stage(env, limit=1, queue=2)
    tasks = [stage.ask(payload) for payload in (1, 2, 3, 4)]
    await settle()

    error = tasks[1].exception()
    assert isinstance(error, Overloaded)
    assert error.retry_after == 1.0
    assert [task.done() for task in tasks] == [False, True, False, False]
    assert events == [CallShed("users.get", "overloaded")]
    for payload in (1, 4, 3):
        await stage.end(payload)
    assert dict(stage.places.counts()) == AT_REST


async def test_o6_without_a_queue_a_full_house_refuses_at_once(env: Env) -> None:
    """O6: a queue of length 0 is a queue as well."""
    stage = Stage(env, limit=1, queue=0)
    first = stage.ask(1)
    await settle()
    with pytest.raises(Overloaded):
        await stage.places(call_of(2))

    await stage.end(1)
    assert await first == "Ann"


@pytest.mark.parametrize(("max_wait", "deadline", "until"), [(0.5, 1009.0, 1000.5), (9.0, 1000.3, 1000.3)])
async def test_o6_a_wait_is_bounded(
    env: Env, clock: ManualClock, max_wait: float, deadline: float, until: float
) -> None:
    """O6: by the longest wait allowed, and by the call's own deadline."""
    stage = Stage(env, limit=1, max_wait=max_wait)
    first = stage.ask(1)
    await settle()
    with pytest.raises(Overloaded):
        await clock.run(stage.ask(2, DueTime(deadline)))

    assert (clock.now(), clock.pending(), stage.counts()) == (until, 0, (1, 0))
    first.cancel()
    await settle()
    assert dict(stage.places.counts()) == AT_REST


async def test_x1_a_waiter_that_leaves_takes_no_place(env: Env) -> None:
    """X1: cancelled while it waits, it is forgotten."""
    stage = Stage(env, limit=1)
    tasks = [stage.ask(payload) for payload in (1, 2, 3)]
    await settle()
    tasks[2].cancel()
    await settle()
    await stage.end(1)

    assert stage.order == [1, 2]
    await stage.end(2)
    assert dict(stage.places.counts()) == AT_REST


async def test_x1_a_waiter_cancelled_in_the_tick_of_its_permit_hands_it_on(env: Env) -> None:
    """X1: it was told "go", and went away before it could: the next one goes instead."""
    stage = Stage(env, limit=1)
    tasks = [stage.ask(payload) for payload in (1, 2, 3)]
    await settle()
    stage.gates[1].set_result("Ann")
    await asyncio.sleep(0)  # the first call returns and tells the third to go
    tasks[2].cancel()
    await settle()

    assert stage.order == [1, 2]
    await stage.end(2)
    assert dict(stage.places.counts()) == AT_REST


async def test_x1_a_waiter_cancelled_just_before_its_turn_is_passed_over(env: Env) -> None:
    """X1: the place goes to one that is still there."""
    stage = Stage(env, limit=1)
    tasks = [stage.ask(payload) for payload in (1, 2, 3)]
    await settle()
    tasks[2].cancel()
    stage.gates[1].set_result("Ann")
    await settle()

    assert stage.order == [1, 2]
    await stage.end(2)
    assert dict(stage.places.counts()) == AT_REST


async def test_a_guard_outside_that_sees_the_same_moment_first_gets_overloaded(
    env: Env, clock: ManualClock
) -> None:
    """Waiting beyond the deadline is our shedding, not the upstream's lateness, whoever notices it first."""
    stage = Stage(env, limit=1)
    first = stage.ask(1)
    await settle()

    async def outside() -> None:
        with TimeoutScope(clock, DueTime(1000.5)):
            await stage.places(call_of(2, deadline=DueTime(1000.5)))

    with pytest.raises(Overloaded):
        await clock.run(outside())
    await stage.end(1)
    assert await first == "Ann"
    assert dict(stage.places.counts()) == AT_REST


@pytest.mark.parametrize("seed", range(20))
async def test_x1_random_cancellations_lose_and_double_no_permit(
    env: Env, clock: ManualClock, seed: int
) -> None:
    """X1: never more than the limit at once, and nothing held at the end."""
    rng = random.Random(seed)
    active = peak = 0

    async def send(call: Call[int]) -> str:
        nonlocal active, peak
        active += 1
        peak = max(peak, active)
        try:
            await clock.sleep(rng.choice((0.0, 0.01, 0.02)))
        finally:
            active -= 1
        return "Ann"

    places: BulkheadSend[int, str] = Bulkhead(limit=3, queue=5, max_wait=0.05).wrap(send, env)
    tasks = []
    for payload in range(200):
        deadline = DueTime(clock.now() + rng.uniform(0, 0.05))
        tasks.append(asyncio.ensure_future(places(call_of(payload, deadline=deadline))))
        rng.choice(tasks).cancel()
        if rng.random() < 0.3:
            await clock.advance(rng.choice((0.0, 0.01)))
        else:
            await asyncio.sleep(0)
    await clock.advance(1)
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert dict(places.counts()) == AT_REST, seed
    assert (active, peak <= 3, clock.pending()) == (0, True, 0), seed
    assert {type(end) for end in ended} <= {str, Overloaded, asyncio.CancelledError}, seed


@pytest.mark.parametrize(("field", "value"), [("limit", 0), ("queue", -1), ("max_wait", 0.0)])
def test_options_that_cannot_work_are_refused_by_name(field: str, value: float) -> None:
    """The error names the field."""
    with pytest.raises(ConfigError, match=rf"Bulkhead\({field}="):
        Bulkhead(**{field: value})  # type: ignore[arg-type]


async def test_a_bulkhead_shows_its_state(env: Env) -> None:
    """How full, how many wait."""
    stage = Stage(env, limit=1, queue=7)
    tasks = [stage.ask(payload) for payload in (1, 2)]
    await settle()
    shown = repr(stage.places)
    for task in tasks:
        task.cancel()
    await settle()

    assert shown == "<Bulkhead 1/1 taken, 1/7 waiting>"
