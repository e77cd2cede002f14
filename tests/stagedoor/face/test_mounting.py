"""A gateway as an ASGI application: served by itself, or below another one's path."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import Mount

from stagedoor import Gateway, NotFound
from stagedoor._requests import HttpResponse
from stagedoor.errors import ConfigError
from stagedoor.testing import Client


class Thing(BaseModel):
    name: str


def shop() -> Gateway:
    app = Gateway("shop")

    @app.get("/things/{name}")
    async def thing(name: str) -> Thing:
        if name == "none":
            raise NotFound
        return Thing(name=name)

    return app


async def asked(outer: Any, *targets: str) -> list[HttpResponse]:
    """Run an application's lifespan and ask it."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    living = asyncio.ensure_future(outer(scope, events.get, sent.put))
    await events.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    try:
        return [await Client(outer).ask(target) for target in targets]
    finally:
        await events.put({"type": "lifespan.shutdown"})
        assert (await sent.get())["type"] == "lifespan.shutdown.complete"
        await living


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
async def test_a_mounted_gateway_answers_below_its_path(framework: Any) -> None:
    """`root_path` is stripped; an encoded slash stays in its segment (T8)."""
    app = shop()
    outer = framework(lifespan=app.lifespan)
    outer.mount("/bff", app)

    found, encoded, missing = await asked(outer, "/bff/things/a", "/bff/things/a%2Fb", "/bff/none")

    assert (found.status, found.body) == (200, b'{"name":"a"}')
    assert encoded.body == b'{"name":"a/b"}'
    assert missing.status == 404


async def test_a_mounted_gateway_knows_where_it_is() -> None:
    """The instance of a problem is what the client asked for; documents name their server."""
    app = shop()
    outer = Starlette(lifespan=app.lifespan, routes=[Mount("/api/v 1", app)])

    problem, document, page = await asked(
        outer, "/api/v%201/things/none", "/api/v%201/openapi.json", "/api/v%201/docs"
    )

    assert b'"instance":"/api/v%201/things/none"' in problem.body
    assert b'"servers":[{"url":"/api/v%201"}]' in document.body
    assert b'url: "/api/v%201/openapi.json"' in page.body


async def test_a_gateway_by_itself_has_no_prefix() -> None:
    """The same paths, and a problem's instance without a root."""
    found, problem = await asked(shop(), "/things/a", "/things/none")

    assert found.status == 200
    assert b'"instance":"/things/none"' in problem.body


async def test_a_path_that_only_begins_like_the_mount_is_another() -> None:
    """`/bffx` is not below `/bff`."""
    app = shop()
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/bffx/things/a",
        "raw_path": b"/bffx/things/a",
        "root_path": "/bff",
        "query_string": b"",
        "headers": [],
        "client": None,
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"} if sent else await asyncio.sleep(10, {})

    async def send(message: Any) -> None:
        sent.append(message)

    async with app.lifespan():
        await app(scope, receive, send)

    assert sent[0]["status"] == 404


async def test_where_the_lifespan_did_not_run_it_says_what_to_write() -> None:
    """A mount without `lifespan=`: at the first request, with the remedy."""
    with pytest.raises(
        RuntimeError, match=r"the gateway 'shop' is not open.*FastAPI\(lifespan=app.lifespan\)"
    ):
        await Client(shop()).ask("/things/a")


async def test_a_start_that_fails_is_told_to_the_server() -> None:
    """With the setting's name: uvicorn shows the message."""
    app = Gateway("shop")
    app.proxy("/", app.service("things"))
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(ConfigError):
        await app({"type": "lifespan"}, receive, send)

    assert sent[0]["type"] == "lifespan.startup.failed"
    assert "SHOP_THINGS_URL" in sent[0]["message"]


async def test_a_websocket_is_refused_in_order() -> None:
    """One's own are later: said in the docs."""
    app = shop()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async with app.lifespan():
        await app({"type": "websocket", "path": "/", "headers": []}, send, send)

    assert [one["type"] for one in sent] == ["websocket.close"]
