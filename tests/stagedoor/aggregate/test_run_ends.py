"""What parts do when they are stopped, or after the run has ended."""

import asyncio
from typing import Any

import pytest

from stagedoor._aggregate import Plan
from stagedoor._deadline import LATE
from stagedoor._events import PartEnded
from stagedoor.errors import (
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.testing import ManualClock, settle
from tests.declared import Aggregate
from tests.stagedoor.aggregate.profile import BUDGET, Answer, Stage, good_and_late, nothing_left, profile


@pytest.mark.parametrize("message", [(), (LATE,)])
async def test_x3_a_cancellation_reaches_the_parts_with_what_it_said(
    stage: Stage, message: tuple[object, ...]
) -> None:
    """X3: a guard of the deadline that cancels the run is told from a caller who went away, also further in."""
    task = asyncio.create_task(profile(stage.world).run({"user_id": "u1"}, stage.env))
    await settle()
    task.cancel(*message)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert stage.world.messages == [message, message]


async def test_x3_a_late_part_is_cancelled_as_late_and_once(stage: Stage) -> None:
    """X3: policies inside learn from it that the upstream was slow; the required user's siblings too."""
    stage.world.script.update(user=(9.0, ""), orders=(9.0, ()))

    with pytest.raises(UpstreamTimeout):
        await stage.run(profile(stage.world))

    assert stage.world.messages == [(LATE,), (LATE,)]


async def stubborn(clock: ManualClock, end: object) -> Any:
    """Take 10 ms to clean up when cancelled, then return or raise."""
    try:
        await clock.sleep(60.0)
    except asyncio.CancelledError:
        await clock.sleep(0.01)
        if isinstance(end, BaseException):
            raise end from None
    return end


def stubborn_profile(stage: Stage, end: object, *, required: bool) -> Plan[Answer]:
    """Return the example with orders that do not go when told to."""
    aggregate = Aggregate(Answer, budget=BUDGET, name="profile")

    @aggregate.part(required=True)
    async def user() -> str:
        if required:
            await stage.clock.sleep(0.001)  # by then orders have begun
            raise UpstreamGarbled("users.get")
        return "anna"

    @aggregate.part(fallback=())
    async def orders() -> tuple[str, ...]:
        found: tuple[str, ...] = await stubborn(stage.clock, end)
        return found

    @aggregate.part(fallback={})
    async def products(orders: tuple[str, ...]) -> dict[str, str]:
        raise AssertionError("nothing starts in a run that is over")

    return aggregate.plan(sources={}, values={"user_id": str})


@pytest.mark.parametrize("end", [("p1",), UpstreamUnavailable("orders.of_user")])
async def test_what_a_part_does_after_the_run_has_ended_starts_and_judges_nothing(
    stage: Stage, end: object
) -> None:
    """The user failed; orders answer, or fail, while they are stopped: no products, no verdict."""
    with nothing_left(), pytest.raises(UpstreamGarbled):
        await stage.run(stubborn_profile(stage, end, required=True))

    assert [event.part for event in stage.events.of(PartEnded)] == ["user"]


@pytest.mark.parametrize("end", [("p1",), UpstreamUnavailable("orders.of_user")])
async def test_what_a_part_does_after_the_caller_has_gone_starts_and_judges_nothing(
    stage: Stage, end: object
) -> None:
    """The same for a caller who went away."""
    with nothing_left():
        task = asyncio.create_task(
            stubborn_profile(stage, end, required=False).run({"user_id": "u1"}, stage.env)
        )
        await settle()
        task.cancel()
        await stage.clock.advance(1.0)
        with pytest.raises(asyncio.CancelledError):
            await task

    assert [event.part for event in stage.events.of(PartEnded)] == ["user"]


async def test_a_late_part_may_finish_its_cleaning_up(stage: Stage) -> None:
    """It is cancelled once: a second time would disturb what it closes. The answer waits for it."""
    cleaned: list[bool] = []

    async def late() -> int:
        try:
            await stage.clock.sleep(60.0)
        finally:
            await stage.clock.sleep(0.01)
            cleaned.append(True)
        return 2

    with nothing_left():
        outcome = await stage.run(good_and_late(late))

    assert cleaned == [True]
    assert outcome.verdicts["late"].reason == "timeout"


@pytest.mark.parametrize("required", [True, False])
async def test_x3_a_cancellation_while_parts_are_stopped_wins(stage: Stage, *, required: bool) -> None:
    """X3: over the error that ended the run, and over the answer that was nearly there."""
    with nothing_left():
        plan = stubborn_profile(stage, (), required=required)
        task = asyncio.create_task(plan.run({"user_id": "u1"}, stage.env))
        await stage.clock.advance(0.001 if required else BUDGET)
        assert not task.done()
        task.cancel()
        await stage.clock.advance(1.0)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_p5_of_equal_errors_the_first_declared_leaves(stage: Stage) -> None:
    """P5: whichever came first, the caller reads the same."""
    first, second = UpstreamUnavailable("users.get"), UpstreamUnavailable("orders.of_user")
    stage.world.script.update(user=(0.02, first), orders=(0.01, second))

    with pytest.raises(UpstreamUnavailable) as caught:
        await stage.run(profile(stage.world, required=False))

    assert caught.value is first
