"""A profile of three parts over scripted sources."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from stagedoor import _context as context
from stagedoor._aggregate import Outcome, Plan
from stagedoor._call import Env
from stagedoor._context import RequestContext
from stagedoor.testing import Events, ManualClock
from tests.declared import Aggregate

BUDGET = 0.1


class Answer(BaseModel):
    user: str
    orders: tuple[str, ...]
    products: dict[str, str]


class World:
    """What the parts of a test ask: each name does what its script says, after so long, and counts as a call."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.started: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.messages: list[tuple[object, ...]] = []
        self.seen: dict[str, RequestContext] = {}
        self.script: dict[str, tuple[float, object]] = {
            "user": (0.01, "anna"),
            "orders": (0.01, ("p1",)),
            "products": (0.01, {"p1": "laptop"}),
        }

    async def ask(self, name: str) -> Any:
        """Wait, then return or raise."""
        self.started.append(name)
        self.seen[name] = context.current()
        context.current().record.calls += 1
        seconds, end = self.script[name]
        try:
            if seconds:
                await self.clock.sleep(seconds)
        except asyncio.CancelledError as gone:
            self.cancelled.append(name)
            self.messages.append(gone.args)
            raise
        self.ended.append(name)
        if isinstance(end, BaseException):
            raise end
        return end


@dataclass
class Stage:
    clock: ManualClock
    world: World
    env: Env
    events: Events

    async def run(self, plan: Plan[Any], seconds: float = 1.0) -> Outcome[Any]:
        """Run a plan while time passes."""
        task = asyncio.create_task(plan.run({"user_id": "u1"}, self.env))
        await self.clock.advance(seconds)
        assert task.done()
        return await task


@dataclass
class GoodAndLate:
    good: int
    late: int


def good_and_late(late: Callable[[], Coroutine[Any, Any, int]]) -> Plan[GoodAndLate]:
    """Return a required part that answers at once beside one named `late`, which falls back on 0."""
    aggregate = Aggregate(GoodAndLate, budget=BUDGET)

    @aggregate.part(required=True)
    async def good() -> int:
        return 1

    aggregate.part(fallback=0)(late)
    return aggregate.plan(sources={}, values={"user_id": str})


def profile(world: World, *, required: bool = True, limit: float | None = None) -> Plan[Answer]:
    """Return the house's example: user beside orders, products after orders."""
    aggregate = Aggregate(Answer, budget=BUDGET, name="profile")

    async def user(user_id: str, asked: World) -> str:
        assert user_id == "u1"
        result: str = await asked.ask("user")
        return result

    if required:
        aggregate.part(required=True)(user)
    else:
        aggregate.part(fallback="nobody")(user)

    @aggregate.part(fallback=(), limit=limit)
    async def orders(asked: World) -> tuple[str, ...]:
        result: tuple[str, ...] = await asked.ask("orders")
        return result

    @aggregate.part(fallback={})
    async def products(orders: tuple[str, ...], asked: World) -> dict[str, str]:
        assert isinstance(orders, tuple)
        result: dict[str, str] = await asked.ask("products")
        return result

    return aggregate.plan(sources={"asked": world}, values={"user_id": str})


@contextmanager
def nothing_left() -> Iterator[None]:
    """Compare the tasks before and after."""
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() == before


def statuses(outcome: Outcome[Any]) -> dict[str, str]:
    return {name: verdict.status for name, verdict in outcome.verdicts.items()}
