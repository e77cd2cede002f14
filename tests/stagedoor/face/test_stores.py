"""Answers and limits shared over Redis, and what happens without it."""

from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway, Settings
from stagedoor._call import Call
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor.testing import Client
from tests.servers import Server, free_port

JSON = ((b"content-type", b"application/json"),)


class Thing(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing


class Things:
    """A service that counts."""

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        self.asked += 1
        return HttpResponse(status=200, headers=JSON, body=b'{"name":"%d"}' % self.asked)

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        """Hold nothing."""


def shop(**options: Any) -> Gateway:
    """Declare a gateway; a busy machine does not pass for a Redis that is away."""
    app = Gateway("shop", settings=Settings(**{"redis_timeout": 5.0, **options}), deadline=20.0)
    things = app.service("things")
    page = app.aggregate("/page/{name}", Page, cache=Cache(max_age=600, tags=["thing:{name}"]))

    @page.part
    async def thing(name: str) -> Thing:
        return await things.get(Thing, "/{}", name)

    @app.put("/page/{name}", purges=["thing:{name}"])
    async def put(name: str) -> None:
        """Nothing is written: only the purge counts."""

    return app


async def state(running: Any, target: str = "/page/a") -> str:
    said = await Client(running).ask(target)
    return str(dict(said.headers)[b"stagedoor-parts"].decode())


async def test_processes_share_answers_and_purges(valkey: Server) -> None:
    """K2, G4: what one keeps another finds; what one drops is gone for whoever looks next."""
    things = Things()
    app = shop(redis_url=valkey.url)
    async with app.build(transports={"things": things}) as first:
        assert await state(first) == "thing=fresh"
        async with app.build(transports={"things": things}) as second:
            assert await state(second) == "thing=cached"
        await Client(first).ask("/page/a", method="PUT")
        async with app.build(transports={"things": things}) as third:
            assert await state(third) == "thing=fresh"


async def test_health_tells_of_redis(valkey: Server) -> None:
    """One component more, and its counts come back to rest."""
    app = shop(redis_url=valkey.url)
    async with app.build(transports={"things": Things()}) as running:
        await state(running)

        assert b'"redis":{"status":"healthy"' in (await Client(running).ask("/health")).body


async def test_k1_without_redis_every_request_is_answered() -> None:
    """K1: memory in its place; health says so and ready does not change."""
    app = shop(redis_url=f"redis://:secret@127.0.0.1:{free_port()}/0", rate_limit="100/60")
    async with app.build(transports={"things": Things()}) as running:
        states = [await state(running) for _ in range(2)]
        health, ready = await Client(running).ask("/health"), await Client(running).ask("/health/ready")

        assert states == ["thing=fresh", "thing=cached"]
        assert b'"redis":{"status":"unhealthy"' in health.body
        assert (ready.status, b"secret" in health.body) == (200, False)


async def test_a_limit_is_one_for_all_processes(valkey: Server) -> None:
    """T17: two gateways on one Redis count together."""
    app = shop(redis_url=valkey.url, rate_limit="3/60")
    transports = {"things": Things()}
    async with app.build(transports=transports) as one, app.build(transports=transports) as other:
        statuses = [
            (await Client(gateway).ask("/page/a")).status for gateway in (one, other, one, other, one, other)
        ]

        assert statuses.count(200) <= 4
        assert statuses[-1] == 429


@pytest.mark.parametrize("url", ["redis://h:1/0"])
def test_redis_of_a_bad_address_is_an_error_at_start_or_none(url: str) -> None:
    """Nothing is connected while it is built."""
    running = shop(redis_url=url).made(reachable=False)

    assert running.stores.tiers is not None
