"""A run that fails: which error leaves, whatever the order of arrival."""

import itertools
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from stagedoor._aggregate import PartVerdict
from stagedoor.errors import (
    CircuitOpen,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.declared import Aggregate
from tests.stagedoor.aggregate.profile import BUDGET, Stage, nothing_left, profile


@pytest.mark.parametrize("order", list(itertools.permutations([0.01, 0.02, 0.03])))
async def test_p5_the_outcome_does_not_depend_on_the_order_of_arrival(
    stage: Stage, order: tuple[float, float, float]
) -> None:
    """P5: shuffled completions give equal values and verdicts, in the order of declaration."""

    class Three(BaseModel):
        one: int
        two: int
        three: int

    aggregate = Aggregate(Three, budget=BUDGET)

    def declare(name: str, seconds: float, value: int) -> None:
        async def part() -> int:
            await stage.clock.sleep(seconds)
            return value

        part.__name__ = name
        aggregate.part(required=True)(part)

    for name, seconds, value in zip(("one", "two", "three"), order, (1, 2, 3), strict=True):
        declare(name, seconds, value)
    outcome = await stage.run(aggregate.plan(sources={}, values={"user_id": str}))

    assert outcome.model().model_dump_json() == '{"one":1,"two":2,"three":3}'
    assert list(outcome.values) == list(outcome.verdicts) == ["one", "two", "three"]


async def test_p5_the_reason_does_not_depend_on_which_need_failed_first(stage: Stage) -> None:
    """P5: of two failed needs the first argument is to blame, whichever failed sooner; and through the middle."""

    @dataclass
    class Model:
        last: int
        ready: int

    aggregate = Aggregate(Model, budget=BUDGET)

    @aggregate.part()
    async def first() -> int:
        await stage.clock.sleep(0.02)
        raise UpstreamUnavailable("x")

    @aggregate.part()
    async def second() -> int:
        raise UpstreamUnavailable("y")

    @aggregate.part()
    async def middle(first: int, second: int) -> int:
        raise AssertionError

    @aggregate.part(fallback=0)
    async def last(middle: int) -> int:
        raise AssertionError

    @aggregate.part(fallback=0)
    async def ready() -> int:
        return 1

    outcome = await stage.run(aggregate.plan(sources={}, values={"user_id": str}))

    assert outcome.verdicts["middle"] == PartVerdict("missing", "depends_on_first")
    assert outcome.verdicts["last"] == PartVerdict("missing", "depends_on_first")
    assert outcome.verdicts["first"] == PartVerdict("missing", "unavailable")
    assert outcome.values == {"last": 0, "ready": 1}
    assert outcome.model() == Model(0, 1)


async def test_p3_no_part_with_a_value_is_an_error_and_not_an_empty_answer(stage: Stage) -> None:
    """P3: of all errors the one that tells most leaves: what an upstream said, before what was not asked."""
    error = UpstreamUnavailable("orders.of_user")
    stage.world.script.update(user=(0.01, CircuitOpen("users.get")), orders=(0.02, error))

    with pytest.raises(UpstreamUnavailable) as caught:
        await stage.run(profile(stage.world, required=False))

    assert caught.value is error


async def test_p3_parts_that_were_all_late_are_a_timeout(stage: Stage) -> None:
    """P3: 504, not 200 with empty fields."""
    stage.world.script.update(user=(9.0, ""), orders=(9.0, ()))

    with nothing_left(), pytest.raises(UpstreamTimeout):
        await stage.run(profile(stage.world, required=False))


async def test_p8_not_found_leaves_as_the_answer_it_is(stage: Stage) -> None:
    """P8: what a required part's upstream said is handed on unchanged."""
    error = UpstreamRejected("users.get", "user not found")
    stage.world.script.update(user=(0.0, error))

    with pytest.raises(UpstreamRejected) as caught:
        await stage.run(profile(stage.world))

    assert caught.value is error


async def test_x5_a_bug_in_a_part_leaves_as_itself(stage: Stage) -> None:
    """X5: also from an optional part: our own bug is 500, never a fallback."""
    stage.world.script.update(orders=(0.005, ZeroDivisionError("a bug")))

    with nothing_left(), pytest.raises(ZeroDivisionError):
        await stage.run(profile(stage.world))

    assert stage.world.cancelled == ["user"]


class Copied:
    """A value that can be copied."""

    copied = False


class CopiedOnce(Copied):
    """One that can be copied when it is declared, and not when it is wanted."""

    def __deepcopy__(self, memo: object) -> "CopiedOnce":
        if self.copied:
            raise ZeroDivisionError("a bug")
        self.copied = True
        return self


@pytest.mark.parametrize("seconds", [0.01, 9.0], ids=["failed", "late"])
@pytest.mark.parametrize("last", [False, True], ids=["its own", "of what waited for it"])
async def test_x5_a_bug_in_a_fallback_ends_the_run(stage: Stage, seconds: float, *, last: bool) -> None:
    """P1, X5: nothing that goes wrong while a part is settled may leave its run waiting, or turning, for ever."""

    @dataclass
    class Model:
        one: Copied
        two: Copied

    aggregate = Aggregate(Model, budget=BUDGET)

    @aggregate.part(fallback=Copied() if last else CopiedOnce())
    async def one() -> Copied:
        await stage.clock.sleep(seconds)
        raise UpstreamUnavailable("x")

    @aggregate.part(fallback=CopiedOnce())
    async def two(one: Copied) -> Copied:
        raise AssertionError

    plan = aggregate.plan(sources={}, values={"user_id": str})

    with nothing_left(), pytest.raises(ZeroDivisionError):
        await stage.run(plan)
