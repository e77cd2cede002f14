"""The ordinary stack in one coroutine beside the same policies as layers: nobody can tell which is which."""

import asyncio
import math
from collections.abc import Callable, Sequence
from itertools import product
from random import Random
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor import _context as context
from stagedoor._call import Call, Env, Send
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import NEVER, DueTime, TimeoutScope
from stagedoor._requests import HttpResponse
from stagedoor._upstream import Upstream
from stagedoor.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamUnavailable,
)
from stagedoor.policies._adaptive import AdaptiveLimit
from stagedoor.policies._budget import Budget
from stagedoor.policies._circuit_breaker import CircuitBreaker, CircuitBreakerSend
from stagedoor.policies._fused import Fused
from stagedoor.policies._retry import Retry
from stagedoor.policies._timeout import Timeout
from stagedoor.testing import Events, ManualClock, ScriptedTransport, settle

ATTEMPT = 0.1
Make: TypeAlias = Callable[[ScriptedTransport[int, str]], object]
Step: TypeAlias = tuple[Any, ...]


def answered(status: int, kind: type[UpstreamError], wait: float | None = None) -> Make:
    """Fail with an answer of the upstream."""

    def act(call: Call[int]) -> str:
        raise kind(call.operation, response=HttpResponse(status=status), retry_after=wait, retryable=True)

    return lambda script: script.does(act, 0.01)


def odd(_: Call[int]) -> str:
    """Fail as nothing should."""
    raise ZeroDivisionError


ENDS: dict[str, Make] = {
    "answer": lambda script: script.after(0.01, "Ann"),
    "at once": lambda script: script.then("Ann"),
    "slow": lambda script: script.after(0.09, "Ann"),
    "late": lambda script: script.hangs(),
    "down": lambda script: script.fails(UpstreamUnavailable),
    "garbled": lambda script: script.fails(UpstreamGarbled, after=0.02),
    "unreadable": lambda script: script.then("?"),
    "500": answered(500, UpstreamUnavailable),
    "503 with a moment": answered(503, UpstreamUnavailable, 0.03),
    "429": answered(429, UpstreamUnavailable),
    "404": answered(404, UpstreamRejected),
    "mistake": lambda script: script.does(odd),
}


class Through:
    """A policy that does nothing, but stands between the ordinary ones: then there is nothing to fuse."""

    def wrap(self, send: Send[int, str], env: Env, /) -> Send[int, str]:
        async def through(call: Call[int]) -> str:
            return await send(call)

        return through


def read(call: Call[int], said: str) -> str:
    """Read an answer as part of the attempt."""
    if said == "?":
        raise UpstreamGarbled(call.operation, "no name")
    return said.upper()


class World:
    """An upstream with a clock, chance and observer of its own, and all that came of it."""

    def __init__(self, ends: Sequence[Make], *, layered: bool) -> None:
        self.clock = ManualClock()
        self.events = Events()
        self.script = ScriptedTransport[int, str](self.clock)
        for make in ends:
            make(self.script)
        policies: list[Any] = [
            Retry(budget=Budget(share=0.5, reserve=3, stretch=10)),
            CircuitBreaker(consecutive=3, minimum=4, slow_after=0.08, open_for=0.5),
            AdaptiveLimit(attempt=ATTEMPT, most=8, start=2, queue=3),
            Timeout(attempt=ATTEMPT),
        ]
        if layered:
            policies.insert(1, Through())
        env = Env(self.clock, Random(7).random, self.events)
        self.upstream = Upstream[int, str]("users", self.script, *policies, env=env, read=read)
        self.fused = any(isinstance(layer, Fused) for layer in self.upstream.layers)
        self.refused: list[object] = []
        self.tasks: list[asyncio.Task[str]] = []

    async def ask(self, seconds: float, idempotent: bool, routed: bool) -> None:
        """Begin a call."""
        deadline = NEVER if seconds == math.inf else DueTime(self.clock.now() + seconds)
        record = Record()
        asked = RequestContext(deadline=deadline, record=record, route_deadline=deadline if routed else None)
        token = context.enter(asked)
        try:
            self.tasks.append(asyncio.ensure_future(self._guarded(deadline, idempotent)))
        finally:
            context.leave(token)
        await settle()

    async def _guarded(self, deadline: DueTime, idempotent: bool) -> str:
        with TimeoutScope(self.clock, deadline):
            return await self.upstream.call("get", 1, idempotent=idempotent)

    async def step(self, step: Step) -> None:
        """Do what a step says."""
        match step:
            case ("wait", seconds):
                await self.clock.advance(seconds)
            case ("cancel", number) if self.tasks:
                self.tasks[number % len(self.tasks)].cancel()
                await settle()
            case ("promise",):
                self.upstream.check("get", NEVER, promise=True)
            case ("hold", state):
                self.upstream.hold(state)
            case ("ask", *how):
                await self.ask(*how)

    async def end(self) -> list[object]:
        """Let everything end; return all that could be seen from outside."""
        await self.clock.advance(30.0)
        found = await asyncio.gather(*self.tasks, return_exceptions=True)
        return [
            *[shown(one) for one in found],
            *self.refused,
            *map(repr, self.events),
            [(call.attempt, call.deadline, call.operation) for call in self.script.calls],
            dict(self.upstream.counts()),
            self.upstream.circuits(),
            self.upstream.places,
            [repr(layer) for layer in self.upstream.layers if isinstance(layer, CircuitBreakerSend)],
        ]


def shown(one: object) -> object:
    """Return what tells an outcome from others."""
    if isinstance(one, UpstreamError):
        return type(one), str(one), one.retryable, one.retry_after
    return (type(one), str(one)) if isinstance(one, BaseException) else one


async def seen(ends: Sequence[Make], steps: Sequence[Step], *, layered: bool) -> list[object]:
    """Play steps and return what could be seen."""
    world = World(ends, layered=layered)
    assert world.fused is not layered
    for step in steps:
        try:
            await world.step(step)
        except UpstreamError as error:  # of a promise that cannot be had
            world.refused.append(shown(error))
    return await world.end()


@pytest.mark.parametrize("pair", list(product(ENDS, ENDS)), ids=" then ".join)
async def test_every_pair_of_ends_is_told_and_answered_alike(pair: tuple[str, str]) -> None:
    """Issue 17: readability is kept; one stack is equal to the other, also when a circuit opens and is probed."""
    ends = [ENDS[name] for name in (pair[0], pair[1], "answer", *pair, pair[1], pair[1], *pair, "answer")]
    steps = [("ask", 1.0, True, False), ("wait", 0.3)] * 8 + [("ask", 0.06, False, True), ("wait", 2.0)]

    assert await seen(ends, steps, layered=False) == await seen(ends, steps, layered=True)


ASKS = st.tuples(
    st.just("ask"), st.sampled_from([0.05, 0.11, 0.25, 1.0, math.inf]), st.booleans(), st.booleans()
)
STEPS = st.lists(
    st.one_of(
        ASKS,
        ASKS,
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.005, 0.02, 0.1, 0.6, 3.0])),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("promise")),
        st.tuples(st.just("hold"), st.sampled_from(["open", "closed", "auto"])),
    ),
    max_size=24,
)


@given(st.lists(st.sampled_from(sorted(ENDS)), min_size=1, max_size=24), STEPS)
async def test_no_storm_tells_them_apart(names: list[str], steps: list[Step]) -> None:
    """Issue 17: many callers, promises, cancellations, deadlines of every length, breakers held by hand."""
    ends = [ENDS[name] for name in names]

    assert await seen(ends, steps, layered=False) == await seen(ends, steps, layered=True)


async def test_other_stacks_are_layers() -> None:
    """A policy more, less, or of one's own kind: then there is nothing to fuse."""
    clock = ManualClock()
    env = Env(clock, Random(7).random, Events())
    script = ScriptedTransport[int, str](clock)
    ordinary: tuple[Any, ...] = (
        Retry(), CircuitBreaker(), AdaptiveLimit(attempt=1.0), Timeout(attempt=1.0),
    )  # fmt: skip

    def fused(*policies: Any, observed: bool = True) -> list[bool]:
        upstream = Upstream[int, str]("users", script, *policies, env=env, observed=observed)
        return [isinstance(layer, Fused) for layer in upstream.layers]

    assert fused(*ordinary) == [True, False, False, False, False]
    assert fused(Through(), *ordinary) == [False, True, False, False, False, False]
    assert not any(fused(*ordinary[1:]))
    assert not any(fused(*ordinary, Through()))
    assert not any(fused(*ordinary, observed=False))
    assert "CircuitBreaker" in repr(Upstream[int, str]("users", script, *ordinary, env=env).layers[0])


async def test_a_call_that_was_promised_is_there() -> None:
    """Issue 14: the place that was kept for it is its own; without `read` what the transport brings is the answer."""
    clock = ManualClock()
    script = ScriptedTransport[int, str](clock).then("Ann")
    ordinary: tuple[Any, ...] = (
        Retry(), CircuitBreaker(), AdaptiveLimit(attempt=1.0, start=1, most=1), Timeout(attempt=1.0),
    )  # fmt: skip
    upstream = Upstream[int, str]("users", script, *ordinary, env=Env(clock, Random(7).random, Events()))
    upstream.check("get", NEVER, promise=True)

    assert await upstream.call("get", 1) == "Ann"
    assert upstream.limiter is not None
    assert upstream.limiter.promised == 0


@pytest.mark.parametrize("end", ["answer", "down", "late"])
@pytest.mark.parametrize("layered", [False, True])
async def test_x1_an_observer_that_fails_keeps_no_place(end: str, *, layered: bool) -> None:
    """X1: an attempt that cannot be told is over all the same."""
    clock = ManualClock()
    script = ScriptedTransport[int, str](clock)
    ENDS[end](script)
    script.then("Ann")
    told: list[object] = []

    def broken(event: object) -> None:
        told.append(event)
        if len(told) == 1:
            raise RuntimeError("the sink is full")

    policies: tuple[Any, ...] = (
        Retry(), CircuitBreaker(), AdaptiveLimit(attempt=ATTEMPT, start=1, most=1), Timeout(attempt=ATTEMPT),
    )  # fmt: skip
    if layered:
        policies = (*policies, Through())
    upstream = Upstream[int, str]("users", script, *policies, env=Env(clock, Random(7).random, broken))
    with pytest.raises(RuntimeError):
        await clock.run(upstream.call("get", 1))

    assert not any(upstream.counts().values())
    assert await upstream.call("get", 1) == "Ann"
