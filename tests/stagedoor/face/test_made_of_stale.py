"""What is made of an answer past its lifetime is as old as that: nobody keeps it as if it were new."""

import asyncio

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway
from stagedoor.testing import Client, Stage

KEPT = Cache(max_age=30)


class Page(BaseModel):
    price: int


class Sourced(BaseModel):
    bought: int


class Shown(BaseModel):
    shown: int


class Outer(BaseModel):
    outer: int


def shop(stale: Cache) -> Gateway:
    """Declare what is kept of a service whose own answers may stand in past their lifetime."""
    app = Gateway("shop", deadline=1.0)
    prices = app.service("prices", cache=stale)
    page = app.aggregate("/page", Page, cache=KEPT)
    sourced = app.aggregate("/sourced", Sourced, cache=KEPT)
    inner = app.aggregate("", Shown)
    around = app.aggregate("/outer", Outer, cache=KEPT)

    @app.source(safe=True, cache=KEPT)
    async def told() -> int:
        return await prices.get(int, "/")

    @page.part(cache=KEPT)
    async def price() -> int:
        return await prices.get(int, "/")

    @sourced.part
    async def bought() -> int:
        return await told()

    @inner.part
    async def shown() -> int:
        return await told()

    @around.part
    async def outer() -> int:
        return (await inner.run()).value.shown

    @app.get("/handled", cache=KEPT)
    async def handled() -> int:
        return await prices.get(int, "/")

    return app


@pytest.mark.parametrize("path", ["/page", "/sourced", "/outer", "/handled"])
@pytest.mark.parametrize(
    "stale",
    [Cache(max_age=10, stale_if_error=600), Cache(max_age=10, stale_while_revalidate=600)],
    ids=["if error", "while renewed"],
)
async def test_p1_what_is_made_of_a_stale_answer_is_not_kept(path: str, stale: Cache) -> None:
    """P1: a handler, a part and a source kept it for as long again, and caches in front were told that it was fresh."""
    app = shop(stale)
    async with Stage(app) as stage:
        script = stage[app.services[0]].says(1).fails()
        await stage.get(path)
        await stage.advance(100)
        told = [(await stage.get(path)).header("cache-control") for _ in range(2)]
        script.says(2)
        await stage.advance(100)
        await stage.get(path)
        await stage.advance(1)
        again = await stage.get(path)

    assert told == ["no-store"] * 2
    assert b"2" in again.body


async def test_p1_who_shares_what_is_made_of_a_stale_answer_knows_it() -> None:
    """P1: one of two screens had asked, and so only its part was stale; the other's was kept as fresh."""
    app = shop(Cache(max_age=10, stale_if_error=600))
    async with Stage(app) as stage:
        stage[app.services[0]].says(1).after(0.1).fails()
        await stage.get("/sourced")
        await stage.advance(100)
        client = Client(stage.running)
        both = [asyncio.ensure_future(client.ask(path)) for path in ("/outer", "/sourced")]
        await stage.advance(0.5)
        told = [(await one).header(b"stagedoor-parts") for one in both]

    assert told == [b"outer=stale;age=90", b"bought=stale;age=90"]
