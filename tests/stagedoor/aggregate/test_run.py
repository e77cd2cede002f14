"""Running a plan: what starts when, what is cut off, and which deadline parts see."""

import asyncio
from dataclasses import dataclass

import pytest

from stagedoor import _context as context
from stagedoor._aggregate import PartVerdict
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import DueTime
from stagedoor._events import PartEnded
from stagedoor._requests import Headers
from stagedoor.errors import (
    CircuitOpen,
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.testing import settle
from tests.declared import Aggregate
from tests.stagedoor.aggregate.profile import BUDGET, Answer, Stage, World, nothing_left, profile, statuses


async def test_parts_start_as_soon_as_their_arguments_are_there(stage: Stage) -> None:
    """User and orders at once, products when orders are there, though the user is still out."""
    stage.world.script["user"] = (0.05, "anna")
    plan = profile(stage.world)
    task = asyncio.create_task(plan.run({"user_id": "u1"}, stage.env))

    await settle()
    assert stage.world.started == ["user", "orders"]
    await stage.clock.advance(0.01)
    assert stage.world.started == ["user", "orders", "products"]
    await stage.clock.advance(0.04)
    assert task.done()
    assert (await task).complete


async def test_an_outcome_holds_values_verdicts_and_the_time_it_took(stage: Stage) -> None:
    """What the web layer builds its answer from."""
    with nothing_left():
        outcome = await stage.run(profile(stage.world))

    assert outcome.values == {"user": "anna", "orders": ("p1",), "products": {"p1": "laptop"}}
    assert outcome.verdicts == {
        "user": PartVerdict("fresh", ms=pytest.approx(10.0)),  # type: ignore[arg-type]
        "orders": PartVerdict("fresh", ms=pytest.approx(10.0)),  # type: ignore[arg-type]
        "products": PartVerdict("fresh", ms=pytest.approx(10.0)),  # type: ignore[arg-type]
    }
    assert outcome.seconds == pytest.approx(0.02)
    assert outcome.wall == pytest.approx(1_767_607_200.02)
    assert stage.clock.pending() == 0


async def test_p6_values_keep_their_identity_between_dependent_parts(stage: Stage) -> None:
    """P6: a dependent part gets the very object that the other returned, not a copy or a text of it."""
    given: list[object] = [None, 1, 1.5, {"a": [None]}]
    taken: list[object] = []

    @dataclass
    class Model:
        first: list[object]
        second: int

    aggregate = Aggregate(Model, budget=BUDGET)

    @aggregate.part(required=True)
    async def first() -> list[object]:
        return given

    @aggregate.part(required=True)
    async def second(first: list[object]) -> int:
        taken.append(first)
        return len(first)

    outcome = await stage.run(aggregate.plan(sources={}, values={"user_id": str}))

    assert taken[0] is given
    assert outcome.model() == Model(given, 4)


async def test_p2_a_required_part_that_fails_cancels_the_others_and_leaves_as_itself(stage: Stage) -> None:
    """P2, X5: the error itself, promptly, with no sibling left and none begun afterwards."""
    error = UpstreamUnavailable("users.get")
    stage.world.script.update(user=(0.005, error), orders=(0.05, ("p1",)))

    with nothing_left():
        task = asyncio.create_task(profile(stage.world).run({"user_id": "u1"}, stage.env))
        await stage.clock.advance(0.005)
        assert task.done()
        with pytest.raises(UpstreamUnavailable) as caught:
            await task

    assert caught.value is error
    assert stage.world.cancelled == ["orders"]
    assert "products" not in stage.world.started
    assert stage.clock.pending() == 0


async def test_c8_a_required_part_that_is_refused_at_once_spares_the_others_a_call(stage: Stage) -> None:
    """C8: with the breaker of users open nobody opens a connection to orders, wherever users are declared."""
    stage.world.script.update(user=(0.0, CircuitOpen("users.get", retry_after=1.0)))
    aggregate = Aggregate(Answer, budget=BUDGET, name="profile")

    @aggregate.part(fallback=())
    async def orders(asked: World) -> tuple[str, ...]:
        result: tuple[str, ...] = await asked.ask("orders")
        return result

    @aggregate.part(required=True)
    async def user(asked: World) -> str:
        result: str = await asked.ask("user")
        return result

    @aggregate.part(fallback={})
    async def products(orders: tuple[str, ...]) -> dict[str, str]:
        return {}

    plan = aggregate.plan(sources={"asked": stage.world}, values={"user_id": str})
    with nothing_left(), pytest.raises(CircuitOpen):
        await plan.run({"user_id": "u1"}, stage.env)

    assert stage.world.started == ["user"]
    assert [event.part for event in stage.events.of(PartEnded)] == ["user"]


async def test_p2_an_optional_part_that_fails_cancels_nobody(stage: Stage) -> None:
    """P2: orders are lost, the user is not; products depend on orders and are not asked."""
    stage.world.script.update(orders=(0.005, UpstreamGarbled("orders.of_user")))

    outcome = await stage.run(profile(stage.world))

    assert outcome.values == {"user": "anna", "orders": (), "products": {}}
    assert outcome.verdicts["orders"] == PartVerdict("fallback", "garbled", pytest.approx(5.0))  # type: ignore[arg-type]
    assert outcome.verdicts["products"] == PartVerdict("missing", "depends_on_orders")
    assert stage.world.cancelled == []
    assert "products" not in stage.world.started
    assert not outcome.complete


async def test_p1_a_late_optional_part_is_cut_off_at_the_end_of_the_budget(stage: Stage) -> None:
    """P1: the answer leaves at that moment, not later, and names the part and the reason."""
    stage.world.script.update(orders=(60.0, ("p1",)))

    with nothing_left():
        began = stage.clock.now()
        task = asyncio.create_task(profile(stage.world).run({"user_id": "u1"}, stage.env))
        await stage.clock.advance(BUDGET)
        assert task.done()
        outcome = await task

    assert stage.world.cancelled == ["orders"]
    assert outcome.verdicts["orders"].reason == "timeout"
    assert outcome.verdicts["products"].reason == "depends_on_orders"
    assert outcome.seconds <= BUDGET + 1e-9
    assert stage.clock.now() - began == pytest.approx(BUDGET)


async def test_p1_a_part_with_a_limit_is_cut_off_at_its_own_deadline(stage: Stage) -> None:
    """P1: 20 ms of its own, counted from its start; the aggregate's 100 ms are not waited for."""
    stage.world.script.update(orders=(60.0, ("p1",)))

    task = asyncio.create_task(profile(stage.world, limit=0.02).run({"user_id": "u1"}, stage.env))
    await stage.clock.advance(0.02)

    assert task.done()
    assert statuses(await task) == {"user": "fresh", "orders": "fallback", "products": "missing"}
    assert stage.clock.pending() == 0


async def test_a_part_that_keeps_its_limit_is_not_touched_by_it(stage: Stage) -> None:
    """The cut-off of a part that has settled does nothing, also while others are under way."""
    stage.world.script.update(user=(0.05, "anna"))

    assert (await stage.run(profile(stage.world, limit=0.02))).complete


async def test_a_limit_that_ends_after_the_request_sets_no_timer_of_its_own(stage: Stage) -> None:
    """The shared timer is sooner."""
    token = context.enter(RequestContext(deadline=DueTime(stage.clock.now() + 0.01)))
    task = asyncio.create_task(profile(stage.world, limit=0.05).run({"user_id": "u1"}, stage.env))
    context.leave(token)
    await settle()

    assert stage.clock.pending() == 3  # two parts that sleep, one cut-off
    await stage.clock.advance(1.0)
    with pytest.raises(UpstreamTimeout):
        await task


async def test_a_late_required_part_is_a_timeout(stage: Stage) -> None:
    """The part's name is in the error; nothing of the others is answered."""
    stage.world.script.update(user=(60.0, "anna"), orders=(60.0, ()))

    with nothing_left(), pytest.raises(UpstreamTimeout, match=r"profile\.user"):
        await stage.run(profile(stage.world))

    assert sorted(stage.world.cancelled) == ["orders", "user"]


async def test_d1_parts_see_the_deadline_of_the_request_narrowed_by_the_budget(stage: Stage) -> None:
    """D1: what policies do at a deadline still arrives before the cut, so theirs is a little sooner."""
    plan, began = profile(stage.world), stage.clock.now()
    await stage.run(plan)

    assert stage.world.seen["user"].deadline.at - began == pytest.approx(BUDGET - 0.002)
    token = context.enter(RequestContext(deadline=DueTime(stage.clock.now() + 0.02)))
    began = stage.clock.now()
    await stage.run(plan)
    context.leave(token)
    assert stage.world.seen["user"].deadline.at - began == pytest.approx(0.019)


async def test_d4_a_run_whose_deadline_has_passed_starts_nothing(stage: Stage) -> None:
    """D4: refused before it costs anything."""
    context.enter(RequestContext(deadline=DueTime(stage.clock.now())))

    with pytest.raises(UpstreamTimeout, match="not started"):
        await profile(stage.world).run({"user_id": "u1"}, stage.env)

    assert stage.world.started == []


async def test_each_part_runs_in_a_context_of_its_own(stage: Stage) -> None:
    """Identity, id and headers are the request's; the record and the deadline are the part's."""
    forward: Headers = ((b"traceparent", b"00"),)
    asked = RequestContext(
        request_id="r1",
        identity="me",
        forward=forward,
        attempt=2,
        route_deadline=DueTime(stage.clock.now() + 9),
        parent=lambda: b"01",
    )
    token, began = context.enter(asked), stage.clock.now()
    await stage.run(profile(stage.world, limit=0.05))
    after = context.current()
    context.leave(token)

    user, orders = stage.world.seen["user"], stage.world.seen["orders"]
    assert (user.request_id, user.identity, user.forward, user.attempt) == ("r1", "me", forward, 2)
    assert (user.route_deadline, user.parent) == (DueTime(began + BUDGET), asked.parent)
    assert user.record is not orders.record
    assert orders.deadline.at - began == pytest.approx(0.048)
    assert after is asked
    assert after.record == Record()
