"""What the engine costs per part, in one process, without a network.

An aggregate of three parts, as the profile: two at once, then one that waits for the second. The transports answer at
once, so what is timed is the engine alone. Each line adds one thing to the line above it.

    python -m bench.engine
"""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median
from typing import Final

import uvloop
from pydantic import BaseModel

from bench.process import cores
from bench.table import render
from cinema.gateway.app import build
from cinema.settings import load
from stagedoor import Gateway
from stagedoor import _context as context
from stagedoor._aggregate import Plan
from stagedoor._call import Call, Env
from stagedoor._clock import SystemClock
from stagedoor._context import RequestContext
from stagedoor._deadline import DueTime
from stagedoor._events import Observer
from stagedoor._observers import fan_out
from stagedoor._observers.logs import Logs
from stagedoor._observers.metrics import Metrics
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._upstream import Upstream
from tests.declared import Aggregate

PARTS: Final = 3
RUNS: Final = 3_000
ROUNDS: Final = 7
BUDGET: Final = 0.165
REQUEST: Final = HttpRequest(target=b"/")

Ask = Callable[[], Awaitable[bytes]]
Once = Callable[[], Awaitable[object]]


class Instant:
    """A transport that answers at once."""

    def __init__(self) -> None:
        self._response = HttpResponse(status=200, body=b"{}")

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        return self._response

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return payload.target

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return True

    async def aclose(self) -> None:
        return None


class Answer(BaseModel):
    user: bytes
    orders: bytes
    products: bytes


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the three parts come from."""

    user: Ask
    orders: Ask
    products: Ask


def bare() -> Sources:
    """Return sources that are nothing but a transport."""
    send = Instant().send
    call = Call(
        operation="bench.get",
        payload=REQUEST,
        key=b"/",
        identity="",
        deadline=DueTime(time.monotonic() + 3600),
        idempotent=True,
    )

    async def ask() -> bytes:
        return (await send(call)).body

    return Sources(ask, ask, ask)


def guarded(gateway: Gateway, env: Env) -> Sources:
    """Return sources behind every policy that the platform puts round its services."""
    policies = {one.name: one.policies or () for one in gateway.services}

    def through(name: str) -> Ask:
        call = Upstream(name, Instant(), *policies[name], env=env).call

        async def ask() -> bytes:
            response: HttpResponse = await call("get", REQUEST)
            return response.body

        return ask

    return Sources(through("users"), through("orders"), through("products"))


def by_hand(sources: Sources) -> Once:
    """Return the aggregate as one writes it without an engine."""

    async def chain() -> tuple[bytes, bytes]:
        return await sources.orders(), await sources.products()

    async def once() -> object:
        user, (orders, products) = await asyncio.gather(sources.user(), chain())
        return Answer.model_construct(user=user, orders=orders, products=products)

    return once


def planned(sources: Sources, env: Env) -> Once:
    """Return the aggregate as the engine runs it."""
    plan = plan_of(sources)

    async def once() -> object:
        return (await plan.run({}, env)).model()

    return once


def plan_of(sources: Sources) -> Plan[Answer]:
    """Declare the three parts."""
    aggregate = Aggregate(Answer, budget=BUDGET)

    @aggregate.part(required=True)
    async def user(source: Sources) -> bytes:
        return await source.user()

    @aggregate.part(fallback=b"")
    async def orders(source: Sources) -> bytes:
        return await source.orders()

    @aggregate.part(fallback=b"")
    async def products(orders: bytes, source: Sources) -> bytes:  # noqa: ARG001 - named to wait for it
        return await source.products()

    return aggregate.plan(sources={"source": sources}, values={})


async def microseconds(once: Once) -> float:
    """Return the median CPU time of one run over some rounds."""
    return median([await one_round(once) for _ in range(ROUNDS)])


async def one_round(once: Once) -> float:
    clock = SystemClock()
    started = time.process_time()
    for _ in range(RUNS):
        token = context.enter(RequestContext(deadline=DueTime(clock.now() + BUDGET)))
        await once()
        context.leave(token)
    return (time.process_time() - started) / RUNS * 1e6


async def measure(log: int) -> list[tuple[str, float]]:
    """Time every line; the last one writes its log into `log`."""
    quiet, clock = _env(_unheard), SystemClock()
    settings = load(env_file=None)
    metrics = Metrics({"users": "users", "orders": "orders", "products": "products"}, process=False)
    with os.fdopen(log, "wb") as sink:
        logs = Logs(sink, level=settings.log_level, format=settings.log_format, clock=clock)
        loud = _env(fan_out(metrics, logs))
        behind_quiet, behind_loud = guarded(build(settings), quiet), guarded(build(settings), loud)
        lines = [
            ("by hand: gather over bare transports", by_hand(bare())),
            ("+ the aggregate's engine", planned(bare(), quiet)),
            ("+ every policy of the platform", planned(behind_quiet, quiet)),
            ("+ metrics and logs", planned(behind_loud, loud)),
        ]
        figures = [(name, await microseconds(once)) for name, once in lines]
        await logs.aclose()
    return figures


def _env(observe: Observer) -> Env:
    return Env(clock=SystemClock(), rng=random.Random(1).random, observe=observe)


def _unheard(_: object) -> None:
    return None


def report(figures: list[tuple[str, float]]) -> str:
    """Return the table; the last column is what a part costs more than by hand."""
    base = figures[0][1]
    rows = [[name, f"{cost:.1f}", f"{(cost - base) / PARTS:.1f}"] for name, cost in figures]
    return render(["three parts that answer at once", "us", "us/part more"], rows)


def main() -> None:
    """Measure on the core that targets run on, and print."""
    os.sched_setaffinity(0, cores()[0])
    print(report(uvloop.run(measure(os.open(os.devnull, os.O_WRONLY)))))


if __name__ == "__main__":
    main()
