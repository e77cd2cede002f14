"""Mistakes of a new user that only a request can show: told at the first one, with place and remedy."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import HTTPException
from pydantic import BaseModel

from stagedoor import Answer, Cache, Gateway, Settings, Stream
from stagedoor.errors import ConfigError
from stagedoor.testing import Client, Stage


class Thing(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing


Declare = Callable[[Gateway], object]
AT_FIRST: dict[str, tuple[Declare, str]] = {}


def at_first(words: str) -> Callable[[Declare], Declare]:
    """Note a mistake that only the first request to /page can show."""

    def note(declare: Declare) -> Declare:
        AT_FIRST[declare.__name__] = declare, words
        return declare

    return note


def used(app: Gateway, **options: Any) -> Any:
    """Declare a service that is used."""
    service = app.service("things", **options)
    app.proxy("/things", service)
    return service


def loose(app: Gateway) -> Any:
    """Return the gateway for what a type checker refuses."""
    return app


@at_first(r"GET /page: the service 'things' forwards 'authorization', but the answer does not vary by it")
def forwarded_by_a_handler_that_does_not_vary(app: Gateway) -> None:
    things = used(app, forward={"authorization"})

    @app.get("/page")
    async def page() -> Thing:
        found: Thing = await things.get(Thing, "/")
        return found


@at_first(r"returned dict, its annotation promises Thing")
def dict_from_a_handler(app: Gateway) -> None:
    @app.get("/page")
    async def page() -> Thing:
        return {"name": "a"}  # type: ignore[return-value]


@at_first(r"returned dict, its annotation promises Thing")
def dict_from_a_part(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:
        return {"name": "a"}  # type: ignore[return-value]


@at_first(r"returned dict, its annotation promises Thing")
def dict_in_an_answer(app: Gateway) -> None:
    @app.get("/page")
    async def page() -> Answer[Thing]:
        return Answer({"name": "a"})  # type: ignore[arg-type]


@at_first(r"returned NoneType, its annotation promises Thing")
def nothing_from_a_part(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:  # type: ignore[return]
        await asyncio.sleep(0)


@at_first(r"returned coroutine, its annotation promises Thing: was `await` forgotten\?")
def forgotten_await(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    async def late() -> Thing:
        return Thing(name="a")

    @page.part
    async def thing() -> Thing:
        return late()  # type: ignore[return-value]


@at_first(r"blocks the event loop, .*: await instead, or use asyncio\.to_thread")
def blocking_call_in_a_part(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:
        time.sleep(1.0)  # noqa: ASYNC251 - that is the mistake
        return Thing(name="a")


@at_first(r"body is bytes, not str: encode it")
def text_in_place_of_bytes(app: Gateway) -> None:
    things: Any = used(app)

    @app.get("/page")
    async def page() -> int:
        answer = await things.request("PUT", "/", body="text")
        return int(answer.status)


@at_first(
    r"'/things\?a=1': a path holds no query and nothing unencoded; give values as segments for {} and `query=`"
)
def query_in_a_path(app: Gateway) -> None:
    things = used(app)

    @app.get("/page")
    async def page() -> Thing:
        found: Thing = await things.get(Thing, "/things?a=1")
        return found


@at_first(r"GET /page returned coroutine, its annotation promises Stream: was `await` forgotten\?")
def forgotten_await_of_a_stream(app: Gateway) -> None:
    things = used(app)

    @app.get("/page")
    async def page() -> Stream:
        stream: Stream = things.open("/things")
        return stream


@at_first(r"'/things/{}' takes 1 segments, 0 given")
def segment_forgotten(app: Gateway) -> None:
    things = used(app)

    @app.get("/page")
    async def page() -> Thing:
        found: Thing = await things.get(Thing, "/things/{}")
        return found


@at_first(r"'Thing' is no type; give a class, a generic such as list\[Item\], or a TypeAdapter")
def name_in_place_of_a_type(app: Gateway) -> None:
    things = used(app)

    @app.get("/page")
    async def page() -> Thing:
        found: Thing = await things.get("Thing", "/things")
        return found


@at_first(r"the tag 'thing:{}' takes 1 values, 0 given")
def tag_without_its_value(app: Gateway) -> None:
    from stagedoor import tag  # noqa: PLC0415 - beside its one use

    page = app.aggregate("/page", Page, cache=Cache(max_age=1))

    @page.part
    async def thing() -> Thing:
        tag("thing:{}")
        return Thing(name="a")


@at_first(r"the service 'elsewhere' belongs to another gateway than 'shop'")
def service_of_another_gateway(app: Gateway) -> None:
    elsewhere = Gateway("other").service("elsewhere")

    @app.get("/page")
    async def page() -> Thing:
        return await elsewhere.get(Thing, "/things")


@at_first(r"service 'things': Cache\(tags=\.\.\.\) names 'name', which is no input here; there are none")
def tag_of_a_service_names_no_input(app: Gateway) -> None:
    things = used(app, cache=Cache(max_age=1, tags=["thing:{name}"]))

    @app.get("/page")
    async def page() -> Thing:
        found: Thing = await things.get(Thing, "/things")
        return found


@pytest.mark.parametrize("name", AT_FIRST)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_a_mistake_is_told_at_the_first_request_with_place_and_remedy(name: str) -> None:
    """A TypeError or RuntimeError at once: the message, or the line it comes from, names the place."""
    declare, words = AT_FIRST[name]
    app = Gateway("shop")
    declare(app)

    async with Stage(app) as stage:
        for service in app.services:
            stage[service].says({"name": "a"})
        with pytest.raises((TypeError, RuntimeError, ConfigError), match=words) as caught:
            await stage.get("/page")

    files = [frame.path for frame in caught.traceback]
    assert "test_mistakes_asked.py:" in str(caught.value) or Path(__file__) in files


async def test_the_log_of_production_has_place_and_remedy_too(capfd: pytest.CaptureFixture[str]) -> None:
    """A client sees 500 and nothing of it; what the kit itself says of a mistake holds no secrets."""
    app = Gateway("shop", settings=Settings(metrics=False))

    @app.get("/ours")
    async def ours() -> Thing:
        return {"name": "a"}  # type: ignore[return-value]

    @app.get("/theirs")
    async def theirs() -> Thing:
        raise TypeError("secret")

    @app.get("/foreign")
    async def foreign() -> Thing:
        raise HTTPException(404, "secret")

    async with app.build() as running:
        said = [await Client(running).ask(path) for path in ("/ours", "/theirs", "/foreign")]

    lines = [orjson.loads(line) for line in capfd.readouterr().out.splitlines() if '"level":"ERROR"' in line]
    assert [one.status for one in said] == [500, 500, 500]
    assert "test_mistakes_asked.py:" in lines[0]["message"]
    assert lines[0]["message"].endswith("GET /ours returned dict, its annotation promises Thing")
    assert (lines[1]["message"], "test_mistakes_asked.py:" in lines[1]["error"]) == ("/theirs failed", True)
    assert lines[2]["message"].endswith("raise NotFound() or Problem(...)")
    assert "secret" not in str(lines)
