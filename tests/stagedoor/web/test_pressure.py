"""A gateway that has too much to do: who is refused, what that costs, and who is answered all the same."""

import asyncio
from typing import Any

import orjson

from stagedoor import _context as context
from stagedoor._call import Env
from stagedoor._context import Priority
from stagedoor._events import RequestShed
from stagedoor._web.answer import WebAnswer, json
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.request import Request
from stagedoor._web.routes import Route
from stagedoor.policies._pressure import Pressure
from stagedoor.testing import Client, Events, ManualClock, settle

AT_MOST = 10


class Ground:
    """A gateway that lets ten requests in, and a route of each kind whose requests wait."""

    def __init__(self, env: Env) -> None:
        self.release = asyncio.Event()
        self.seen: list[Priority] = []
        kinds: tuple[Priority, ...] = ("operations", "detail", "list", "search")
        routes = [Route(path=f"/{kind}", handle=self.wait, public=True, priority=kind) for kind in kinds]
        live = Route(path="/health/live", handle=self.live, public=True, live=True)
        uncounted = Route(path="/metrics", handle=self.live, public=True, live=True, counted=False)
        self.gateway = GatewayApp([*routes, live, uncounted], env=env, name="test")
        self.gateway.pressure = Pressure(target=0.009, most=AT_MOST)
        self.client = Client(self.gateway)

    async def wait(self, _: Request) -> WebAnswer:
        self.seen.append(context.current().priority)
        await self.release.wait()
        return json({"ok": True})

    async def live(self, _: Request) -> WebAnswer:
        return json({"ok": True})

    async def fill(self, count: int, kind: str) -> "list[asyncio.Task[Any]]":
        tasks = [asyncio.ensure_future(self.client.ask(f"/{kind}")) for _ in range(count)]
        await settle()
        return tasks


async def test_o8_one_too_many_is_503_at_once_and_health_is_answered(env: Env, events: Events) -> None:
    """O8, O3: with Retry-After, told under its priority; health and metrics are answered at every stage."""
    ground = Ground(env)
    tasks = await ground.fill(AT_MOST, "detail")
    refused = await ground.client.ask("/detail")
    health = [(await ground.client.ask(path)).status for path in ("/health/live", "/metrics")]
    ground.release.set()
    answered = {(await task).status for task in tasks}

    assert (refused.status, refused.header(b"retry-after")) == (503, b"1")
    assert orjson.loads(refused.body)["type"] == "urn:problem-type:test:overloaded"
    assert events.of(RequestShed) == [RequestShed("/detail", "detail")]
    assert (health, answered) == ([200, 200], {200})
    assert (ground.gateway.active, ground.gateway.pressure.total) == (0, 0)


async def test_o6_the_less_urgent_leave_room_for_the_more_urgent(env: Env) -> None:
    """O6: searches fill seven of ten places, lists eight and a half; details find one all the same."""
    ground = Ground(env)
    tasks = await ground.fill(AT_MOST, "search")
    tasks += await ground.fill(AT_MOST, "list")
    tasks += await ground.fill(AT_MOST, "detail")
    tasks += await ground.fill(1, "operations")
    let_in = {kind: ground.seen.count(kind) for kind in ("search", "list", "detail", "operations")}
    ground.release.set()
    await asyncio.gather(*tasks)

    assert let_in == {"search": 7, "list": 2, "detail": 3, "operations": 1}
    assert ground.gateway.pressure.total == 0


async def test_a_request_that_fails_or_leaves_gives_its_place_back(env: Env) -> None:
    """X1: whatever becomes of it."""
    ground = Ground(env)
    tasks = await ground.fill(3, "detail")
    ground.client.leave()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert ground.gateway.pressure.total == 0


class Slow(ManualClock):
    """A clock that moves by itself with each look at it: a loop that has too much to do."""

    def now(self) -> float:
        self._now += 0.02
        return self._now


async def test_the_loop_is_asked_how_long_it_lets_one_wait(events: Events) -> None:
    """A turn takes 20 ms and more, above a thirtieth of the deadline: fewer are let in."""
    clock = Slow()
    ground = Ground(Env(clock, lambda: 0.5, events))
    ground.gateway.pressure = pressure = Pressure(target=0.009, most=10_000)
    for _ in range(40):
        await ground.client.ask("/health/live")
        await asyncio.sleep(0)

    assert pressure.limit < 10_000
