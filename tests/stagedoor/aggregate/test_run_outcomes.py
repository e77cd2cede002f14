"""What a run tells, and what its outcome holds."""

import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stagedoor import _context as context
from stagedoor._aggregate import PartVerdict
from stagedoor._deadline import NEVER
from stagedoor._events import PartEnded
from stagedoor.errors import (
    UpstreamGarbled,
    UpstreamUnavailable,
)
from tests.stagedoor.aggregate.profile import Answer, Stage, nothing_left, profile


@contextmanager
def undisturbed() -> Iterator[None]:
    """Measure the work alone: to note covered lines takes longer than they do, and to collect others' garbage too."""
    tracer = sys.gettrace()
    sys.settrace(None)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        sys.settrace(tracer)


async def test_p4_every_verdict_is_an_event(stage: Stage) -> None:
    """P4: in the order of declaration; the time only where a call was made."""
    stage.world.script.update(orders=(0.005, UpstreamGarbled("orders.of_user")))

    await stage.run(profile(stage.world))

    assert [(event.part, event.status, event.reason) for event in stage.events.of(PartEnded)] == [
        ("user", "fresh", None),
        ("orders", "fallback", "garbled"),
        ("products", "missing", "depends_on_orders"),
    ]
    assert [event.seconds for event in stage.events.of(PartEnded)] == [
        pytest.approx(0.01),
        pytest.approx(0.005),
        None,
    ]


async def test_a_required_part_that_failed_is_an_event_too(stage: Stage) -> None:
    """The run has no outcome, but its reason is seen; the cancelled siblings have no verdict."""
    stage.world.script.update(user=(0.005, UpstreamUnavailable("users.get")))

    with pytest.raises(UpstreamUnavailable):
        await stage.run(profile(stage.world))

    assert [(event.part, event.reason) for event in stage.events.of(PartEnded)] == [("user", "unavailable")]


async def test_fallbacks_are_not_shared_between_answers(stage: Stage) -> None:
    """Who changes the empty table of one answer does not change the next one's."""
    stage.world.script.update(orders=(0.0, UpstreamGarbled("orders.of_user")))
    plan = profile(stage.world)
    first = await stage.run(plan)
    first.values["products"]["poison"] = "x"

    assert (await stage.run(plan)).values["products"] == {}


async def test_an_outcome_builds_the_model_from_what_its_parts_brought(stage: Stage) -> None:
    """Values have their types; they are not validated, or copied, again."""
    outcome = await stage.run(profile(stage.world))

    model = outcome.model()

    assert isinstance(model, Answer)
    assert model.user is outcome.values["user"]


async def test_a_value_of_another_class_than_promised_is_a_mistake_in_the_code(stage: Stage) -> None:
    """A dict where a model was promised would fail later, and elsewhere."""
    stage.world.script.update(user=(0.0, 17))

    with pytest.raises(TypeError, match=r"profile\.user returned int, its annotation promises str"):
        await stage.run(profile(stage.world))


async def test_an_outcome_recalled_from_a_cache_has_only_cached_parts(stage: Stage) -> None:
    """The values, the moment and the time it took stay as first measured."""
    outcome = await stage.run(profile(stage.world))
    later = outcome.recalled()

    assert later.verdicts == dict.fromkeys(outcome.verdicts, PartVerdict("cached"))
    assert (later.values, later.wall, later.seconds) == (outcome.values, outcome.wall, outcome.seconds)
    assert later.complete


async def test_g7_a_thousand_simulated_requests_take_less_than_a_second(stage: Stage) -> None:
    """G7: virtual time costs nothing but the work itself; the least of five runs, as others use the machine too."""
    plan = profile(stage.world)

    async def thousand() -> float:
        began = time.thread_time()
        tasks = [asyncio.create_task(plan.run({"user_id": "u1"}, stage.env)) for _ in range(1000)]
        await stage.clock.advance(1.0)
        spent = time.thread_time() - began
        assert all([(await task).complete for task in tasks])
        return spent

    with nothing_left(), undisturbed():
        runs = [await thousand() for _ in range(5)]

    assert min(runs) < 1.0
    assert stage.clock.pending() == 0


async def test_a_run_outside_any_request_has_the_budget_alone(stage: Stage) -> None:
    """Nothing but the budget bounds it."""
    assert context.current().deadline is NEVER
    assert (await stage.run(profile(stage.world))).complete
