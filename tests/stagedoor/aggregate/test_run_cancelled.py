"""A run that is cancelled, and parts that end in one tick."""

import asyncio
from dataclasses import dataclass

import pytest

from stagedoor._events import PartEnded
from stagedoor.errors import (
    UpstreamGarbled,
    UpstreamUnavailable,
)
from stagedoor.testing import ManualClock, settle
from tests.declared import Aggregate
from tests.stagedoor.aggregate.profile import BUDGET, Stage, good_and_late, nothing_left, profile, statuses


async def test_x2_the_callers_cancellation_reaches_every_part_and_is_waited_for(stage: Stage) -> None:
    """X2, D6: cancelled within one tick, and nothing is left when the cancellation leaves."""
    with nothing_left():
        task = asyncio.create_task(profile(stage.world).run({"user_id": "u1"}, stage.env))
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert stage.world.cancelled == ["user", "orders"]
    assert stage.clock.pending() == 0
    assert stage.events == []


async def test_x2_a_second_cancellation_does_not_leave_a_slow_part_behind(stage: Stage) -> None:
    """A part that cleans up takes its time; the runner waits for it, however often it is told to go."""
    release = asyncio.Event()

    @dataclass
    class Model:
        slow: int

    aggregate = Aggregate(Model, budget=BUDGET)

    @aggregate.part(required=True)
    async def slow() -> int:
        try:
            await asyncio.sleep(60)
        finally:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue
        return 1

    with nothing_left():
        plan = aggregate.plan(sources={}, values={"user_id": str})
        task = asyncio.create_task(plan.run({"user_id": "u1"}, stage.env))
        await settle()
        task.cancel()
        await settle()
        task.cancel()
        await settle()
        assert not task.done()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_x2_a_cancellation_that_nobody_asked_for_is_not_swallowed(stage: Stage) -> None:
    """A part that ends cancelled on its own account ends the run as such: it has neither value nor verdict."""
    stage.world.script.update(orders=(0.005, asyncio.CancelledError()))

    with nothing_left():
        task = asyncio.create_task(profile(stage.world).run({"user_id": "u1"}, stage.env))
        await stage.clock.advance(0.01)
        with pytest.raises(asyncio.CancelledError):
            await task


async def cleans_up_badly(clock: ManualClock, error: BaseException) -> int:
    try:
        await clock.sleep(60.0)
    except asyncio.CancelledError:
        raise error from None
    return 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ZeroDivisionError(), ZeroDivisionError),
        (UpstreamUnavailable("x"), None),
        (asyncio.CancelledError(), None),
    ],
)
async def test_what_a_late_part_does_while_it_is_stopped_changes_no_verdict(
    stage: Stage, error: BaseException, expected: type[Exception] | None
) -> None:
    """It was late, and stays so; only a bug in its cleaning up is not hidden."""

    async def late() -> int:
        return await cleans_up_badly(stage.clock, error)

    plan = good_and_late(late)
    with nothing_left():
        if expected is None:
            outcome = await stage.run(plan)
            assert statuses(outcome) == {"good": "fresh", "late": "fallback"}
            assert outcome.verdicts["late"].reason == "timeout"
        else:
            with pytest.raises(expected):
                await stage.run(plan)


async def test_a_late_part_that_answers_when_stopped_keeps_its_verdict(stage: Stage) -> None:
    """Its value comes after its fallback was chosen."""

    async def late() -> int:
        try:
            await stage.clock.sleep(60.0)
        except asyncio.CancelledError:
            return 2
        return 3

    outcome = await stage.run(good_and_late(late))

    assert outcome.values == {"good": 1, "late": 0}


async def test_parts_that_end_in_the_same_tick_as_a_failure_start_nothing_more(stage: Stage) -> None:
    """Orders answer at the very moment the user fails: products must not begin in a run that is over."""
    error = UpstreamUnavailable("users.get")
    stage.world.script.update(user=(0.01, error), orders=(0.01, ("p1",)))

    with nothing_left(), pytest.raises(UpstreamUnavailable):
        await stage.run(profile(stage.world))

    assert stage.world.started == ["user", "orders"]
    assert [event.part for event in stage.events.of(PartEnded)] == ["user"]


async def test_two_required_parts_failing_in_one_tick_leave_one_error(stage: Stage) -> None:
    """The first one; the second is not raised anywhere else."""

    @dataclass
    class Model:
        one: int
        two: int

    aggregate = Aggregate(Model, budget=BUDGET)

    @aggregate.part(required=True)
    async def one() -> int:
        await stage.clock.sleep(0.01)
        raise UpstreamUnavailable("one")

    @aggregate.part(required=True)
    async def two() -> int:
        await stage.clock.sleep(0.01)
        raise UpstreamGarbled("two")

    with nothing_left(), pytest.raises(UpstreamUnavailable):
        await stage.run(aggregate.plan(sources={}, values={"user_id": str}))


async def test_two_bugs_in_one_tick_leave_the_first(stage: Stage) -> None:
    """Neither hangs the run."""
    stage.world.script.update(user=(0.01, ValueError()), orders=(0.01, KeyError()))

    with nothing_left(), pytest.raises(ValueError):  # noqa: PT011 - the type is the point
        await stage.run(profile(stage.world))


@pytest.mark.parametrize("lag", [-0.001, 0.0, 0.001])
async def test_an_answer_about_the_moment_of_the_cut_is_either_whole_or_cut(stage: Stage, lag: float) -> None:
    """Whatever comes first in that tick decides; there is one verdict and no task left."""
    stage.world.script.update(orders=(0.01, ()), products=(BUDGET - 0.01 + lag, {"p1": "x"}))

    with nothing_left():
        outcome = await stage.run(profile(stage.world))

    assert outcome.verdicts["products"].status == ("fresh" if lag < 0 else "fallback")
