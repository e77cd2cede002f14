"""Random aggregates against a naive oracle that knows neither tasks nor timers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._aggregate import Outcome, PartVerdict, Plan
from stagedoor._aggregate.verdict import most_telling
from stagedoor._call import Env
from stagedoor.errors import (
    CircuitOpen,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.testing import Events, ManualClock, settle
from tests.declared import Aggregate

BUDGET = 0.1005  # no part ends at this very moment
ERRORS = (UpstreamUnavailable, UpstreamGarbled, UpstreamRejected, UpstreamTimeout, CircuitOpen)


@dataclass(frozen=True)
class Node:
    """One part of a random aggregate: what it waits for, how long it takes, and how it ends."""

    name: str
    needs: tuple[str, ...]
    ms: int
    error: type[UpstreamError] | None
    required: bool


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Node, ...]:
    """Draw up to seven parts that wait for earlier ones; what a required part waits for is required."""
    nodes: list[Node] = []
    for index in range(draw(st.integers(1, 7))):
        names = [node.name for node in nodes]
        needs = tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=3))) if names else ()
        error = draw(st.one_of(st.none(), st.none(), st.sampled_from(ERRORS)))
        nodes.append(Node(f"p{index}", needs, draw(st.integers(0, 60)), error, draw(st.booleans())))
    required = {node.name for node in nodes if node.required}
    for node in reversed(nodes):
        if node.name in required:
            required |= set(node.needs)
    return tuple(Node(n.name, n.needs, n.ms, n.error, n.name in required) for n in nodes)


class World:
    """Runs the nodes, and knows how many are under way."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.active = 0

    async def play(self, node: Node) -> str:
        self.active += 1
        try:
            if node.ms:
                await self.clock.sleep(node.ms / 1000)
            if node.error is not None:
                raise node.error(node.name)
            return node.name.upper()
        finally:
            self.active -= 1


def plan_of(nodes: tuple[Node, ...], world: World) -> Plan[object]:
    model = type("Random", (), {"__dataclass_fields__": {}, "__annotations__": {}})
    model.__dataclass_fields__ = dict.fromkeys(node.name for node in nodes)  # type: ignore[attr-defined]
    model.__annotations__ = {node.name: str for node in nodes}
    aggregate: Aggregate[object] = Aggregate(model, budget=BUDGET)
    for node in nodes:
        arguments = "".join(f", {need}: str" for need in node.needs)
        scope = {"node": node, "World": World}
        exec(f"async def {node.name}(world: World{arguments}) -> str:\n return await world.play(node)", scope)
        if node.required:
            aggregate.part(required=True)(scope[node.name])  # type: ignore[type-var]
        else:
            aggregate.part(fallback="none")(scope[node.name])  # type: ignore[type-var]
    return aggregate.plan(sources={"world": world}, values={})


@dataclass(frozen=True)
class Expected:
    """What the oracle says: verdicts without times, or the classes and names of the errors that may leave."""

    verdicts: Mapping[str, tuple[str, str | None]]
    errors: frozenset[tuple[type[UpstreamError], str]]


def oracle(nodes: tuple[Node, ...]) -> Expected:
    """Walk the parts once, in order: each begins when its last need has ended."""
    cut = BUDGET * 1000
    ends: dict[str, float] = {}
    blame: dict[str, str] = {}
    verdicts: dict[str, tuple[str, str | None]] = {}
    failures: dict[str, UpstreamError] = {}
    for node in nodes:
        start = max((ends[need] for need in node.needs), default=0)
        to_blame = next((blame[need] for need in node.needs if need in blame), None)
        if to_blame is not None:
            ends[node.name], blame[node.name] = start, to_blame
            verdicts[node.name] = ("missing", f"depends_on_{to_blame}")
            continue
        ends[node.name] = end = min(start + node.ms, cut)
        verdicts[node.name] = ("fresh", None)
        error: UpstreamError | None = node.error(node.name) if node.error else None
        if end == cut:
            error = UpstreamTimeout(f"random.{node.name}")
        if error is not None:
            blame[node.name], failures[node.name] = node.name, error
            verdicts[node.name] = ("fallback", error.reason)
    fatal = [node.name for node in nodes if node.required and node.name in failures]
    if fatal:
        soonest = min(ends[name] for name in fatal)
        leaving = [failures[name] for name in fatal if ends[name] == soonest]
    elif len(blame) == len(nodes):
        leaving = [most_telling([failures[node.name] for node in nodes if node.name in failures])]
    else:
        leaving = []
    return Expected(verdicts, frozenset((type(error), error.operation) for error in leaving))


def told(verdicts: Mapping[str, PartVerdict]) -> dict[str, tuple[str, str | None]]:
    return {name: (verdict.status, verdict.reason) for name, verdict in verdicts.items()}


@given(graphs())
def test_p2_p3_p4_p5_a_run_ends_as_the_naive_oracle_says(nodes: tuple[Node, ...]) -> None:
    """P2, P3, P4, P5: verdicts and errors of any graph, with nothing left behind."""

    async def scenario() -> None:
        clock = ManualClock()
        world, before = World(clock), asyncio.all_tasks()
        plan = plan_of(nodes, world)
        task = asyncio.create_task(plan.run({}, Env(clock, lambda: 0.5, Events())))
        await clock.advance(1.0)
        assert task.done()
        assert (world.active, clock.pending(), asyncio.all_tasks()) == (0, 0, before)
        expected = oracle(nodes)
        if expected.errors:
            with pytest.raises(UpstreamError) as caught:
                await task
            assert (type(caught.value), caught.value.operation) in expected.errors
        else:
            outcome: Outcome[object] = await task
            assert told(outcome.verdicts) == expected.verdicts
            assert list(outcome.verdicts) == list(expected.verdicts)
            for name, (status, _) in expected.verdicts.items():
                assert outcome.values[name] == (name.upper() if status == "fresh" else "none")

    asyncio.run(scenario())


@given(graphs(), st.integers(0, 110), st.integers(0, 3))
def test_x2_a_run_cancelled_at_any_moment_leaves_nothing(
    nodes: tuple[Node, ...], ms: int, ticks: int
) -> None:
    """X1, X2, A13: whatever was under way has ended when the cancellation, or the answer, leaves."""

    async def scenario() -> None:
        clock = ManualClock()
        world, before = World(clock), asyncio.all_tasks()
        task = asyncio.create_task(plan_of(nodes, world).run({}, Env(clock, lambda: 0.5, Events())))
        if ms:
            await clock.advance(ms / 1000)
        for _ in range(ticks):
            await asyncio.sleep(0)
        over = task.done()
        task.cancel()
        await settle()
        assert task.done()
        assert task.cancelled() != over
        assert (world.active, clock.pending(), asyncio.all_tasks()) == (0, 0, before)
        if over:
            task.exception()

    asyncio.run(scenario())
