"""The services as fakes: what they answer, and how they fail, is the test's to say."""

import random
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import orjson

from cinema.gateway.app import build
from cinema.indices import INDICES
from cinema.services.ghibli.facts import read_facts
from cinema.settings import Settings
from stagedoor._cache.tags import tag
from stagedoor._call import Call, Env
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor.errors import UpstreamError, UpstreamRejected, UpstreamUnavailable
from stagedoor.policies._cached import Cached
from stagedoor.search.engine import Put
from stagedoor.search.memory import MemorySearch
from stagedoor.search.query import Document, Query, Result
from stagedoor.testing import Client, ManualClock, ScriptedTransport

__all__ = ["House", "header"]

USER = {
    "id": "user123",
    "username": "ivan",
    "email": "ivan@example.com",
    "full_name": "Иван Петров",
    "is_active": True,
    "created_at": "2023-01-15T10:30:00Z",
}
FACTS = read_facts("https://ghibli.example")
Act = Callable[[Call[HttpRequest]], HttpResponse]


def answer(said: object, *, kind: bytes = b"application/json") -> HttpResponse:
    return HttpResponse(status=200, headers=((b"content-type", kind),), body=orjson.dumps(said))


def header(answered: HttpResponse, name: str) -> str:
    """Return a field of an answer as text, "" if it has none."""
    return (answered.header(name.encode()) or b"").decode()


def order(number: int, *product_ids: str) -> dict[str, Any]:
    items = [{"product_id": one, "quantity": 1, "price": 10} for one in product_ids]
    return {
        "id": f"order{number}",
        "user_id": "user123",
        "status": "ожидает",
        "total_amount": 10.5,
        "items": items,
        "created_at": "2023-12-05T16:45:00Z",
    }


def product(product_id: str) -> dict[str, Any]:
    said = {"id": product_id, "name": "Ноутбук", "description": "…", "price": 999.99}
    return {**said, "category": "Электроника", "stock_quantity": 50}


def known(call: Call[HttpRequest]) -> HttpResponse:
    body = call.payload.body
    assert isinstance(body, bytes)
    return answer([product(one) for one in orjson.loads(body)["product_ids"]])


def film_api(call: Call[HttpRequest]) -> HttpResponse:
    kind = call.payload.target.decode().strip("/").partition("?")[0].rstrip("/")
    return answer(FACTS.get(kind, {}))


def unknown(call: Call[HttpRequest]) -> HttpResponse:
    raise UpstreamRejected(call.operation, response=HttpResponse(status=404))


class Engine(MemorySearch):
    """The engine in memory, which counts what it is asked, can be taken away, hangs and fails as it is told."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(INDICES, clock=clock)
        self.clock = clock
        self.asked = 0
        self.away = False
        self.hangs = False
        self.failure: UpstreamError | None = None

    async def send(self, call: Call[Query], /) -> Result:
        self.asked += 1
        if self.hangs:
            await self.clock.sleep(3600.0)
        if self.away:
            raise UpstreamUnavailable(call.operation, "away")
        if self.failure is not None:
            raise self.failure
        return await super().send(call)

    async def fill(self, **documents: Sequence[Document]) -> None:
        """Put documents into new versions of the indices and switch to them."""
        for index in INDICES:
            version = await self.create(index)
            await self.write(version, [Put(one) for one in documents.get(index.name, ())])
            await self.commit(version)
            await self.switch(index.name, version)


PICTURE = HttpResponse(
    status=200,
    headers=(
        (b"content-type", b"image/png"),
        (b"content-length", b"7"),
        (b"etag", b'"picture"'),
        (b"cache-control", b"public, max-age=31536000, immutable"),
        (b"accept-ranges", b"bytes"),
        (b"content-security-policy", b"default-src 'none'; sandbox"),
    ),
    body=b"picture",
)


class House:
    """The gateway over scripted services."""

    def __init__(self, clock: ManualClock, **settings: Any) -> None:
        self.clock = clock
        self.log = BytesIO()
        self.engine = Engine(clock)
        self.users: ScriptedTransport[HttpRequest, HttpResponse] = ScriptedTransport(clock)
        self.orders: ScriptedTransport[HttpRequest, HttpResponse] = ScriptedTransport(clock)
        self.products: ScriptedTransport[HttpRequest, HttpResponse] = ScriptedTransport(clock)
        self.memes: ScriptedTransport[HttpRequest, HttpResponse] = ScriptedTransport(clock)
        self.media: ScriptedTransport[HttpRequest, HttpResponse] = ScriptedTransport(clock)
        self.ghibli: ScriptedTransport[HttpRequest, HttpResponse] = ScriptedTransport(clock)
        transports: dict[str, Any] = {
            "users": self.users,
            "orders": self.orders,
            "products": self.products,
            "memes": self.memes,
            "media": self.media,
            "ghibli": self.ghibli,
        }
        self.running = build(Settings(**settings)).made(
            Env(clock, random.random, lambda _: None),
            transports={**transports, "search": self.engine},
            all_logs=True,
            stream=self.log,
        )
        self.gateway = self.running.web
        self.client = Client(self.gateway)

    def well(self) -> "House":
        """Let every service answer at once, for ever."""
        self.users.then(answer(USER))
        self.orders.then(answer([order(1, "prod1", "prod2"), order(2, "prod1")]))
        self.products.does(known)
        self.memes.then(answer({"status": "healthy"}))
        self.media.then(PICTURE)
        self.ghibli.does(film_api)
        return self

    async def purge(self, *names: str) -> None:
        """Call out answers by tag, as a finished batch does."""
        (kept,) = [one for one in self.gateway.upstreams if one.name == "catalogue"]
        (cached,) = [one for one in kept.policies if isinstance(one, Cached)]
        await cached.store.purge([tag(name) for name in names])

    async def profile(self, user_id: str = "user123") -> HttpResponse:
        return await self.client.ask(f"/api/profile/{user_id}")

    async def data(self, user_id: str = "user123") -> dict[str, Any]:
        said: dict[str, Any] = orjson.loads((await self.profile(user_id)).body)
        return said
