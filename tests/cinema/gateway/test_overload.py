"""More is asked than the services carry: what becomes of it, with time that is counted, not waited for."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import Any

import orjson
import pytest

from cinema.gateway.app import build
from cinema.indices import INDICES
from cinema.settings import Settings
from stagedoor._call import Call, Env
from stagedoor._deadline import TimeoutScope
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor.errors import UpstreamTimeout
from stagedoor.search.memory import MemorySearch
from stagedoor.testing import Client, ManualClock
from tests.cinema.gateway.services import USER, answer, known, order
from tests.kinds import kinds

Answers = Callable[[Call[HttpRequest]], HttpResponse]


class Service:
    """A service of so many places; who finds none stands in line there, and is served even if nobody waits any more."""

    def __init__(self, clock: ManualClock, places: int, seconds: float, answers: Answers, seed: int) -> None:
        self._clock = clock
        self._rng = random.Random(seed)
        self._free = places
        self._line: deque[asyncio.Future[None]] = deque()
        self._answers = answers
        self.seconds = seconds
        self.began = 0

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(done)
        self._begin()
        try:
            with TimeoutScope(self._clock, call.deadline):
                await asyncio.shield(done)
                await self._clock.sleep(0.001 * self._rng.random())  # the way back
        except TimeoutError as error:
            raise UpstreamTimeout(call.operation) from error
        return self._answers(call)

    def _begin(self) -> None:
        while self._free and self._line:
            self._free -= 1
            self.began += 1
            took = self.seconds * self._rng.uniform(0.97, 1.03)
            self._clock.call_at(self._clock.now() + took, partial(self._end, self._line.popleft()))

    def _end(self, done: "asyncio.Future[None]") -> None:
        self._free += 1
        done.set_result(None)
        self._begin()

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return payload.target

    def idempotent(self, _: HttpRequest, /) -> bool:
        return True

    async def aclose(self) -> None:
        """Hold nothing."""


def user_of(call: Call[HttpRequest]) -> HttpResponse:
    return answer({**USER, "id": call.payload.target.decode().rpartition("/")[2]})


def orders_of(call: Call[HttpRequest]) -> HttpResponse:
    who = call.payload.target.decode().rpartition("/")[2]
    return answer([{**order(1, f"p{who}"), "user_id": who}])


class Ground:
    """The gateway of the platform, over services of so many places."""

    def __init__(self, places: int, seconds: float, seed: int = 1, **settings: Any) -> None:
        self.clock = ManualClock()
        self.log = BytesIO()
        rng = random.Random(seed)
        kinds = {"users": user_of, "orders": orders_of, "products": known}
        self.services = {
            name: Service(self.clock, places, seconds, kind, seed)
            for seed, (name, kind) in enumerate(kinds.items())
        }
        self.running = build(Settings(gateway_rate_limit="0", **settings)).made(
            Env(self.clock, rng.random, lambda _: None),
            transports={**self.services, "search": MemorySearch(INDICES, clock=self.clock)},
            all_logs=True,
            stream=self.log,
        )
        self._client = Client(self.running.web)
        self._numbers = iter(range(10**9))
        self._rng = rng

    async def offer(self, rate: float, seconds: float) -> Counter[str]:
        """Ask for profiles nobody asked for before, at random moments; tell what became of them."""
        told: Counter[str] = Counter()

        async def ask(path: str) -> None:
            said = await self._client.ask(path)
            part = any(word in (said.header(b"stagedoor-parts") or b"") for word in (b"fallback", b"missing"))
            told[f"{said.status}{' in part' if part else ''}"] += 1

        asked, end = [], self.clock.now() + seconds
        while self.clock.now() < end:
            asked.append(asyncio.ensure_future(ask(f"/api/profile/user{next(self._numbers)}")))
            await self.clock.advance(self._rng.expovariate(rate))
        await self.clock.advance(1.0)
        await asyncio.gather(*asked)
        return told

    def moment(self) -> str:
        """Return the time as the log tells it."""
        return datetime.fromtimestamp(self.clock.wall(), UTC).isoformat()

    def refusals(self, since: str) -> Iterator[float]:
        """Return the milliseconds that each refusal took from a moment on, by the log."""
        self.running.world.logs.close()  # type: ignore[union-attr]
        for line in self.log.getvalue().splitlines():
            said = orjson.loads(line)
            if said.get("status") == 503 and said["timestamp"] > since:
                yield said["duration_ms"]


@pytest.mark.parametrize("seed", kinds(5, 1, 2))
@pytest.mark.parametrize(("places", "seconds"), [(20, 0.05), (10, 0.02), (5, 0.04)])
async def test_a11_saturated_services_go_on_answering_and_refusals_take_no_time(
    places: int, seconds: float, seed: int
) -> None:
    """A11, O8: at five times what they carry nine of ten are answered whole, and well again when it is over.

    It takes half a second to learn what they carry: then it is two of three, and some refusals come late.
    """
    ground, carried = Ground(places, seconds, seed), places / seconds
    await ground.offer(carried, 1.0)
    at_first = await ground.offer(5 * carried, 0.5)
    learned = ground.moment()
    seen = await ground.offer(5 * carried, 1.0)
    at_once, after = [await ground.offer(0.7 * carried, 0.5) for _ in range(2)]
    refused = sorted(ground.refusals(since=learned))

    assert at_first["200"] >= 0.66 * 0.5 * carried
    assert seen["200"] >= 0.9 * carried
    assert at_once["200"] >= 0.85 * sum(at_once.values())
    assert after["200"] >= 0.99 * sum(after.values())
    assert refused[int(0.99 * len(refused))] <= 2.0
    assert sum(ground.running.held().values()) == 0
