"""What is made of an answer that is old or lacks something: it says so too, and nobody keeps it as new and whole."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import BaseModel

from stagedoor import Answer, Cache, Gateway
from stagedoor.testing import Script, Stage

KEPT = Cache(max_age=60)


class Inner(BaseModel):
    name: str
    count: int = 7


class Outer(BaseModel):
    inner: Inner
    title: str = "t"


def nested(*, inner: Cache | None = None, part: Cache | None = None, outer: Cache | None = KEPT) -> Gateway:
    """Declare a screen inside of a screen, and handlers that show it; `counts` may fail, `names` may not."""
    app = Gateway("shop", deadline=1.0)
    names, counts, titles = app.service("names"), app.service("counts"), app.service("titles")
    within = app.aggregate("", Inner, cache=inner)
    screen = app.aggregate("/screen", Outer, cache=outer)

    @within.part
    async def name() -> str:
        return await names.get(str, "/")

    @within.part
    async def count() -> int:
        return await counts.get(int, "/")

    async def ask() -> Inner:
        return (await within.run()).value

    ask.__name__ = "inner"
    screen.part(cache=part)(ask)

    @screen.part
    async def title() -> str:
        return await titles.get(str, "/")

    @app.get("/kept", cache=KEPT)
    async def kept() -> Inner:
        return (await within.run()).value

    @app.get("/kept/answer", cache=KEPT)
    async def kept_answer() -> Answer[Inner]:
        return Answer((await within.run()).value)

    return app


@asynccontextmanager
async def staged(**caches: Cache | None) -> AsyncIterator[tuple[Stage, Script, Script]]:
    """Yield a stage, and what the services of the screen inside say: the count is still to be said."""
    app = nested(**caches)
    async with Stage(app) as stage:
        names, counts, titles = [stage[service] for service in app.services]
        names.says("n")
        titles.says("x")
        yield stage, names, counts


@pytest.mark.parametrize("part", [None, KEPT], ids=["asked", "kept by itself"])
async def test_p1_a_screen_round_a_partial_one_is_partial(part: Cache | None) -> None:
    """P1: it was fresh, and kept for a minute as whole, in a moment in which something inside of it failed."""
    async with staged(part=part) as (stage, _, counts):
        counts.fails().fails().says(3)

        partial, whole = await stage.get("/screen"), await stage.get("/screen")

    assert partial.header("stagedoor-parts") == "inner=fallback;reason=unavailable, title=fresh"
    assert (partial.read(Outer).inner.count, partial.header("cache-control")) == (7, "no-store")
    assert (whole.read(Outer).inner.count, whole.parts["inner"]) == (3, "fresh")
    assert whole.header("cache-control") == "public, max-age=60"


@pytest.mark.parametrize("path", ["/kept", "/kept/answer"])
async def test_p1_a_handler_keeps_nothing_that_is_made_of_a_partial_screen(path: str) -> None:
    """P1: also where it hands on none of the fields that say so."""
    async with staged() as (stage, _, counts):
        counts.fails().fails().says(3)

        partial, whole, again = [await stage.get(path) for _ in range(3)]

    assert [one.read(Inner).count for one in (partial, whole, again)] == [7, 3, 3]
    assert partial.header("cache-control") == "no-store"
    assert "hit" in again.header("cache-status")


async def test_p4_a_part_that_is_a_kept_screen_is_cached() -> None:
    """P4: it was called fresh, though nobody had been asked."""
    async with staged(inner=KEPT, outer=None) as (stage, _, counts):
        counts.says(3)
        first, again = await stage.get("/screen"), await stage.get("/screen")

    assert (first.parts["inner"], again.parts["inner"]) == ("fresh", "cached")
    assert "inner;dur=" in first.header("server-timing")
    assert "inner;dur=" not in again.header("server-timing")


async def test_p4_a_part_that_is_a_stale_screen_is_as_old() -> None:
    """P4, K7: it was called fresh."""
    async with staged(inner=Cache(max_age=10, stale_if_error=600), outer=None) as (stage, names, counts):
        counts.says(3)
        await stage.get("/screen")
        names.fails()
        await stage.advance(13)

        answer = await stage.get("/screen")

    assert answer.header("stagedoor-parts") == "inner=stale;age=3, title=fresh"


async def test_k7_what_is_made_of_a_stale_answer_is_kept_by_nobody() -> None:
    """K7: a kept part or handler called it new, for as long again as it keeps what it makes."""
    app = Gateway("shop")
    counts = app.service("counts", cache=Cache(max_age=1, stale_if_error=600))

    class Page(BaseModel):
        count: int

    page = app.aggregate("/page", Page, cache=KEPT)

    @page.part(cache=KEPT)
    async def count() -> int:
        return await counts.get(int, "/")

    @app.source(safe=True, cache=KEPT)
    async def doubled() -> int:
        return 2 * await counts.get(int, "/")

    @app.get("/kept", cache=KEPT)
    async def kept() -> int:
        return await counts.get(int, "/")

    @app.get("/doubled", cache=KEPT)
    async def shown() -> int:
        return await doubled()

    async with Stage(app) as stage:
        stage[counts].says(1)
        await stage.get("/kept")
        stage[counts].fails()
        await stage.advance(70)
        told = [
            (await stage.get(path)).header("cache-control") for path in ("/page", "/kept", "/doubled") * 2
        ]
        parts = (await stage.get("/page")).parts
        stage[counts].says(5)
        await stage.advance(10)
        said = [(await stage.get(path)).body for path in ("/page", "/kept", "/doubled")]

    assert told == ["no-store"] * 6
    assert parts == {"count": "stale"}
    assert said == [b'{"count":5}', b"5", b"10"]
