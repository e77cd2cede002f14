"""Writes drop what they make untrue: before the answer leaves, and whatever became of them."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway, Problem
from stagedoor.errors import ConfigError
from stagedoor.testing import Client, Stage


class Thing(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing


def shop() -> Gateway:
    """Declare a kept page, a kept handler, and three ways to write."""
    app = Gateway("shop", deadline=1.0)
    things = app.service("things")
    writes = app.service("writes")
    page = app.aggregate("/page/{name}", Page, cache=Cache(max_age=600, tags=["thing:{name}"]))

    @page.part
    async def thing(name: str) -> Thing:
        return await things.get(Thing, "/{}", name)

    @app.put("/things/{name}", purges=["thing:{name}"])
    async def put(name: str) -> None:
        await writes.put(None, "/{}", name, json={})

    @app.post("/two/{name}", purges=["thing:{name}"])
    async def two(name: str) -> None:
        await writes.post(None, "/first", json={})
        await writes.post(None, "/second", json={})

    @app.post("/asks/{name}", purges=["thing:{name}"])
    async def asks(name: str) -> None:
        await writes.post(Thing, "/question", json={}, safe=True)
        raise Problem(409, "not so")

    app.proxy("/raw/{name}", writes, to="/{name}", methods={"GET", "PUT"}, purges=["thing:{name}"])
    return app


async def kept_after(stage: Stage, app: Gateway, *asked: Any) -> bool:
    """Tell whether the page is still kept after the write."""
    stage[app.services[0]].says({"name": "a"})
    await stage.get("/page/a%3Ab")
    await asked[0]
    return (await stage.get("/page/a%3Ab")).parts["thing"] == "cached"


@pytest.mark.parametrize("path", ["/things/a%3Ab", "/raw/a%3Ab"])
@pytest.mark.parametrize(
    ("status", "kept"),
    [
        (200, False),
        (204, False),
        (303, False),
        (400, True),
        (404, True),
        (409, True),
        (500, False),
        (503, False),
    ],
)
async def test_a_write_purges_unless_it_was_certainly_refused(path: str, status: int, kept: bool) -> None:
    """HC10: a 4xx changed nothing; a 5xx may have."""
    app = shop()
    async with Stage(app) as stage:
        stage[app.services[1]].says({}, status=status)

        assert await kept_after(stage, app, stage.put(path)) == kept


@pytest.mark.parametrize("path", ["/things/a%3Ab", "/raw/a%3Ab"])
async def test_a_write_of_unknown_outcome_purges(path: str) -> None:
    """A time-out, a refused connection: it may have been done."""
    for words in ("hangs", "fails"):
        app = shop()
        async with Stage(app) as stage:
            getattr(stage[app.services[1]], words)()

            assert not await kept_after(stage, app, stage.put(path))


@pytest.mark.parametrize("path", ["/things/a%3Ab", "/raw/a%3Ab"])
@pytest.mark.parametrize("refusal", [404, 409, 412])
async def test_hc10_a_write_whose_repetition_is_refused_purges(path: str, refusal: int) -> None:
    """The first attempt was done and its answer lost, and for that the second was refused: the old page stayed."""
    app = shop()
    async with Stage(app) as stage:
        stage[app.services[1]].fails(503).fails(refusal)

        assert not await kept_after(stage, app, stage.put(path))
        assert len(stage[app.services[1]].asked) == 2


async def test_hc10_a_write_that_a_closed_connection_repeats_purges() -> None:
    """The service had done it when it closed the connection; sent again by itself, the write was refused."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            while await reader.readline() not in {b"\r\n", b""}:
                pass
            asked.append(head.partition(b" ")[0])
            if asked == [b"GET", b"DELETE"]:
                break  # done, and never told
            status = b"200 OK" if asked[-1] == b"GET" else b"404 Not Found"
            body = b'{"name":"a"}'
            writer.write(b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n" % status)
            writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    app = Gateway("shop", deadline=5.0)
    things = app.service("things", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    @app.get("/things/{name}", cache=Cache(max_age=600, tags=["thing:{name}"]))
    async def thing(name: str) -> Thing:
        return await things.get(Thing, "/{}", name)

    @app.delete("/things/{name}", purges=["thing:{name}"])
    async def delete(name: str) -> None:
        await things.delete(None, "/{}", name)

    async with server, app.build() as running:
        client = Client(running)
        await client.ask("/things/a")
        refused = await client.ask("/things/a", method="DELETE")
        again = await client.ask("/things/a")

    assert (refused.status, asked) == (404, [b"GET", b"DELETE", b"DELETE", b"GET"])
    assert b"fwd=miss" in (again.header(b"cache-status") or b"")


async def test_a_read_through_a_passage_purges_nothing() -> None:
    """HC10: safe methods invalidate nothing."""
    app = shop()
    async with Stage(app) as stage:
        stage[app.services[1]].says({})

        assert await kept_after(stage, app, stage.get("/raw/a%3Ab"))


async def test_a_write_done_before_another_was_refused_purges() -> None:
    """The second said no; the first was written all the same."""
    app = shop()
    async with Stage(app) as stage:
        stage[app.services[1]].when("/first", "POST").says({})
        stage[app.services[1]].when("/second", "POST").fails(409)

        assert not await kept_after(stage, app, stage.post("/two/a%3Ab"))


async def test_a_question_in_a_body_is_no_write() -> None:
    """`safe=True` says so: a refusal after it purges nothing."""
    app = shop()
    async with Stage(app) as stage:
        stage[app.services[1]].says({"name": "x"})

        assert await kept_after(stage, app, stage.post("/asks/a%3Ab"))


async def test_a_write_purges_though_its_client_leaves() -> None:
    """What was written was written; the purge goes on."""
    app = shop()
    async with Stage(app) as stage:
        things, writes = app.services
        stage[things].says({"name": "a"})
        stage[writes].after(0.05).says({})
        await stage.get("/page/a")

        task = asyncio.ensure_future(Client(stage.running).ask("/things/a", method="PUT"))
        await stage.advance(0.01)
        task.cancel()
        await stage.advance(0.1)

        assert (await stage.get("/page/a")).parts["thing"] == "fresh"


async def test_only_the_named_value_is_dropped() -> None:
    """T6: `a:b` is another thing than `a`, though both look alike in a tag."""
    app = shop()
    async with Stage(app) as stage:
        stage[app.services[0]].says({"name": "a"})
        stage[app.services[1]].says({})
        for path in ("/page/a", "/page/a%3Ab", "/page/a%253Ab"):
            await stage.get(path)
        await stage.put("/things/a%3Ab")

        states = [
            (await stage.get(path)).parts["thing"] for path in ("/page/a", "/page/a%3Ab", "/page/a%253Ab")
        ]
        assert states == ["cached", "fresh", "cached"]


async def test_a_purge_from_code_escapes_its_values() -> None:
    """`running.purge` and `purges` name the same things."""
    app = shop()
    async with Stage(app) as stage:
        stage[app.services[0]].says({"name": "a"})
        await stage.get("/page/a%3Ab")
        await stage.running.purge("thing:{}", "a:b")

        assert (await stage.get("/page/a%3Ab")).parts["thing"] == "fresh"


def test_a_purge_names_inputs_that_are_there() -> None:
    """An unknown one is an error at start, with what was meant."""
    app = Gateway("shop")

    @app.put("/{account_id}", purges=["home:{acount_id}"])
    async def put(account_id: str) -> None: ...

    with pytest.raises(ConfigError, match=r"test_purges\.py:\d+: .*'acount_id'.*did you mean 'account_id'"):
        app.inspected()


@pytest.mark.parametrize("kind", ["aggregate", "handler", "part"])
def test_a_cache_names_inputs_that_are_there(kind: str) -> None:
    """The tags of whatever is kept, too: a misspelt one would be found at the first request, or never."""
    app = Gateway("shop")
    cache = Cache(max_age=1, tags=["home:{acount_id}"])
    page = app.aggregate("/page/{account_id}", Page, cache=cache if kind == "aggregate" else None)

    @page.part(cache=cache if kind == "part" else None)
    async def thing(account_id: str) -> Thing:
        return Thing(name=account_id)

    @app.get("/{account_id}", cache=cache if kind == "handler" else None)
    async def get(account_id: str) -> Thing:
        return Thing(name=account_id)

    with pytest.raises(ConfigError, match=r"test_purges\.py:\d+: .*'acount_id'.*did you mean 'account_id'"):
        app.inspected()
