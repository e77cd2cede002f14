"""Parts that take the fallback of another: they run when it failed, and what they make is marked."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from stagedoor import _context as context
from stagedoor._aggregate import PartVerdict, PlanError
from stagedoor._aggregate.outcome import Outcome
from stagedoor._aggregate.part import ABSENT, Part
from stagedoor._aggregate.plan import Plan, make_plan
from stagedoor._call import Env
from stagedoor.errors import UpstreamUnavailable
from stagedoor.testing import ManualClock

BUDGET = 0.1


@dataclass
class Page:
    head: str
    body: str
    tail: str
    foot: str


@dataclass
class World:
    """What the parts ask, after so many seconds; an error is raised."""

    clock: ManualClock
    script: dict[str, tuple[float, str]] = field(default_factory=dict)
    standing_in: dict[str, bool] = field(default_factory=dict)
    heard: dict[str, str] = field(default_factory=dict)

    async def ask(self, name: str, heard: str = "") -> str:
        record = context.current().record
        record.calls += 1
        self.standing_in[name], self.heard[name] = record.standing_in, heard
        seconds, said = self.script.get(name, (0.0, name))
        await self.clock.sleep(seconds)
        if said == "fails":
            raise UpstreamUnavailable(f"world.{name}")
        return said


def page(world: World, **changed: Mapping[str, Any]) -> Plan[Page]:
    """Return head ─▶ body ─▶ tail and foot, the last two taking the fallback of the body."""

    async def head() -> str:
        return await world.ask("head")

    async def body(head: str) -> str:
        return await world.ask("body", head)

    async def tail(body: str) -> str:
        return await world.ask("tail", body)

    async def foot(body: str) -> str:
        return await world.ask("foot", body)

    parts = [
        Part(
            **{
                "name": call.__name__,
                "call": call,
                "fallback": f"no {call.__name__}",
                "tolerant": frozenset({"body"}) if call in (tail, foot) else frozenset(),
                **changed.get(call.__name__, {}),
            }
        )
        for call in (head, body, tail, foot)
    ]
    return make_plan(name="page", model=Page, budget=BUDGET, parts=parts, summary=None, sources={}, values={})


async def ran(work: Coroutine[Any, Any, Outcome[Page]], clock: ManualClock) -> Outcome[Page]:
    task = asyncio.ensure_future(work)
    await clock.advance(1.0)
    return await task


@pytest.fixture
def world(clock: ManualClock) -> World:
    return World(clock)


async def test_a_tolerant_part_takes_the_fallback_of_what_failed(world: World, env: Env) -> None:
    """Both of them run; what they make is marked as made of something that stands in."""
    world.script["body"] = (0.01, "fails")
    outcome = await ran(page(world).run({}, env), world.clock)

    assert outcome.values == {"head": "head", "body": "no body", "tail": "tail", "foot": "foot"}
    assert (world.heard["tail"], world.heard["foot"]) == ("no body", "no body")
    assert world.standing_in == {"head": False, "body": False, "tail": True, "foot": True}
    assert not outcome.complete


async def test_a_tolerant_part_takes_the_fallback_of_what_was_skipped(world: World, env: Env) -> None:
    """The body was not asked, its fallback is there all the same."""
    world.script["head"] = (0.0, "fails")
    outcome = await ran(page(world).run({}, env), world.clock)

    assert (outcome.verdicts["body"], outcome.values["tail"]) == (
        PartVerdict("missing", "depends_on_head"),
        "tail",
    )


async def test_a_tolerant_part_with_a_whole_argument_is_not_marked(world: World, env: Env) -> None:
    """It may be kept."""
    outcome = await ran(page(world).run({}, env), world.clock)

    assert outcome.complete
    assert not any(world.standing_in.values())


async def test_a_part_that_is_late_at_the_end_ends_those_that_tolerate_it_too(world: World, env: Env) -> None:
    """P1: there is no time left for them: settled in the same tick, and the answer leaves."""
    world.script["body"] = (5.0, "never")
    started = world.clock.now()
    task = asyncio.ensure_future(page(world).run({}, env))
    await world.clock.advance(BUDGET)
    outcome = await task

    assert world.clock.now() == started + BUDGET
    assert outcome.values == {"head": "head", "body": "no body", "tail": "no tail", "foot": "no foot"}
    assert [outcome.verdicts[name].status for name in ("body", "tail", "foot")] == ["fallback"] * 3


async def test_a_limit_leaves_time_for_who_tolerates(world: World, env: Env) -> None:
    """The part's own end comes first, and the next has the rest of the budget."""
    world.script["body"] = (5.0, "never")
    outcome = await ran(page(world, body={"limit": 0.03}).run({}, env), world.clock)

    assert (outcome.verdicts["body"].reason, outcome.values["tail"]) == ("timeout", "tail")


async def test_a_required_part_may_depend_on_one_whose_fallback_it_takes(world: World, env: Env) -> None:
    """Else the optional one would have to be required."""
    world.script["body"] = (0.0, "fails")
    plan = page(world, tail={"required": True, "fallback": ABSENT})
    outcome = await ran(plan.run({}, env), world.clock)

    assert outcome.values["tail"] == "tail"


def test_a_fallback_that_is_asked_for_must_be_there(world: World) -> None:
    """At start: a part without one cannot stand in."""
    with pytest.raises(PlanError, match=r"page\.tail: takes the fallback of 'body', which has none"):
        page(world, body={"required": True, "fallback": ABSENT})
