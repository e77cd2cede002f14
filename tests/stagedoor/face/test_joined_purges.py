"""Purges while a fetch is under way: who asks afterwards never gets, or keeps, what was fetched before (G4)."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway, Stream
from stagedoor._call import Call
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor.errors import UpstreamRejected
from stagedoor.testing import Client

KEPT = Cache(max_age=600, tags=["film:{slug}"])


class Film(BaseModel):
    title: str


class Page(BaseModel):
    film: Film
    shown: str


class Films:
    """A service whose film has a new title after each write; it answers what was true when it was asked."""

    def __init__(self) -> None:
        self.title = "old"
        self.status = 200
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Event()

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        if call.payload.method == "PUT":
            self.title, self.status = "new", 200
            return HttpResponse(status=204, headers=(), body=b"")
        self.begun.set()
        said = b'{"title":"%b"}' % self.title.encode()
        tagged = ((b"content-type", b"application/json"), (b"etag", b'"%b"' % self.title.encode()))
        fields, status = (*tagged, (b"content-length", b"%d" % len(said))), self.status
        await self.open.wait()
        answer = HttpResponse(status=status, headers=fields, body=said)
        if status == 404:
            raise UpstreamRejected(call.operation, "no such film", response=answer)
        return answer

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        """Hold nothing."""


def shop() -> Gateway:
    app = Gateway("shop", deadline=5.0)
    films = app.service("films")
    page = app.aggregate("/pages/{slug}/{shape}", Page, cache=KEPT)

    @page.part
    async def film(slug: str) -> Film:
        return await films.get(Film, "/{}", slug)

    @page.part
    async def shown(shape: str) -> str:
        return shape

    @app.get("/titles/{slug}", cache=KEPT)
    async def title(slug: str) -> str:
        return (await films.get(Film, "/{}", slug)).title

    @app.source(safe=True, cache=KEPT)
    async def of(slug: str) -> Film:
        return await films.get(Film, "/{}", slug)

    @app.get("/sourced/{slug}")
    async def sourced(slug: str) -> str:
        return (await of(slug)).title

    @app.get("/streamed/{slug}", cache=KEPT)
    async def streamed(slug: str) -> Stream:
        return await films.open("/{}", slug)

    @app.put("/films/{slug}", purges=["film:{slug}"])
    async def put(slug: str) -> None:
        await films.put(None, "/{}", slug, json={})

    return app


TARGETS = ["/pages/7/wide", "/titles/7", "/sourced/7", "/streamed/7"]


@pytest.mark.parametrize("first", [*TARGETS, "/pages/7/narrow"])
@pytest.mark.parametrize("second", TARGETS)
async def test_g4_who_asks_after_a_purge_gets_nothing_from_before(first: str, second: str) -> None:
    """G4: one call for both was kept under the second's name for ten minutes, and told to who had just written."""
    app, service = shop(), Films()
    async with app.build(transports={"films": service}) as running:
        client = Client(running)
        service.open.clear()
        early = asyncio.ensure_future(client.ask(first))
        await service.begun.wait()
        wrote: Any = await client.ask("/films/7", method="PUT")
        late = asyncio.ensure_future(client.ask(second))
        for _ in range(30):
            await asyncio.sleep(0)
        service.open.set()
        await early
        told, again = await late, await client.ask(second)

    assert wrote.status in {200, 204}, wrote
    assert b"new" in again.body
    assert b"new" in told.body


@pytest.mark.parametrize("target", TARGETS)
async def test_g4_who_asks_after_a_write_does_not_hear_that_there_is_nothing(target: str) -> None:
    """G4: the 404 of a fetch that had begun before was told to whoever had just put it there, of a stream."""
    app, service = shop(), Films()
    service.status = 404
    async with app.build(transports={"films": service}) as running:
        client = Client(running)
        service.open.clear()
        early = asyncio.ensure_future(client.ask(target))
        await service.begun.wait()
        await client.ask("/films/7", method="PUT")
        late = asyncio.ensure_future(client.ask(target))
        for _ in range(30):
            await asyncio.sleep(0)
        service.open.set()
        statuses = [(await one).status for one in (early, late)]

    assert statuses == [404, 200]


async def test_k5_a_value_that_another_fetch_brought_is_each_ones_own() -> None:
    """K5: who share a fetch take what is kept already, and what the first does to it the second never sees."""
    app = Gateway("shop", deadline=5.0)
    gates = [asyncio.Event(), asyncio.Event()]
    calls = iter(gates)

    @app.source(safe=True, cache=Cache(max_age=60, renew_after=50))
    async def names() -> list[str]:
        await next(calls).wait()
        return ["ann"]

    @app.get("/names")
    async def listed() -> list[str]:
        found = await names()
        found.append("me")
        return found

    async with app.build() as running:
        client = Client(running)
        sharing = [asyncio.ensure_future(client.ask("/names")) for _ in range(3)]
        await asyncio.sleep(0.01)
        await running.purge_tags(["others"])
        alone = asyncio.ensure_future(client.ask("/names"))
        await asyncio.sleep(0.01)
        gates[1].set()
        await alone
        gates[0].set()
        bodies = [(await one).body for one in sharing]

    assert bodies == [b'["ann","me"]'] * 3
