"""Calls that a part, a handler or a source makes side by side, in a task group, fail as single ones do."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway, NotFound, Stream
from stagedoor.errors import UpstreamUnavailable
from stagedoor.testing import Stage

T = TypeVar("T")
app = Gateway("shop", deadline=1.0)
users = app.service("users")
stock = app.service("stock")


async def both(one: Awaitable[T], other: Awaitable[object]) -> T:
    """Wait for two things at once, as Python's own library has it."""

    async def waited(thing: Awaitable[Any]) -> Any:
        return await thing

    async with asyncio.TaskGroup() as group:
        found = group.create_task(waited(one))
        group.create_task(waited(other))
    return found.result()  # type: ignore[no-any-return]


async def asked() -> int:
    return await both(users.get(int, "/number"), stock.get(int, "/number"))


class Home(BaseModel):
    number: int = 7
    kept: int = 8
    name: str = ""


class Whole(BaseModel):
    number: int


home = app.aggregate("/home", Home)
whole = app.aggregate("/whole", Whole)
missing = app.aggregate("/missing", Whole)


@home.part
async def number() -> int:
    return await asked()


@home.part(cache=Cache(max_age=10, stale_if_error=100))
async def kept() -> int:
    return await asked()


@home.part
async def name() -> str:
    return await stock.get(str, "/name")


async def _required() -> int:
    return await asked()


async def _lacking() -> int:
    async def never() -> int:
        raise NotFound

    return await both(stock.get(int, "/number"), never())


_required.__name__ = _lacking.__name__ = "number"
whole.part(_required)
missing.part(_lacking)


@app.get("/number")
async def handled() -> int:
    return await asked()


@app.get("/kept", cache=Cache(max_age=10))
async def handled_and_kept() -> int:
    return await _lacking()


@app.get("/stream")
async def streamed() -> Stream:
    await asked()
    return await stock.open("/number")


@app.get("/mistaken")
async def mistaken() -> int:
    async def wrong() -> int:
        raise ValueError("wrong")

    return await both(users.get(int, "/number"), wrong())


@app.source(safe=True)
async def figure(kind: str) -> int:
    async def breaks() -> int:
        await asyncio.sleep(0)
        raise {"mistake": TypeError, "world": OSError, "nothing": NotFound}[kind]

    return await both(users.get(int, "/slow" if kind != "service" else "/number"), breaks())


@app.get("/figure/{kind}")
async def figured(kind: str) -> int:
    return await figure(kind)


async def test_p3_an_optional_part_that_asks_side_by_side_falls_back_alone() -> None:
    """P3: a group of one error was nobody's answer, so that the whole screen was 500."""
    async with Stage(app) as stage:
        stage[users].fails(503)
        stage[stock].says(1).when("/name").says("Ann")
        answer = await stage.get("/home")

    assert answer.parts == {"number": "fallback", "kept": "fallback", "name": "fresh"}
    assert answer.read(Home) == Home(name="Ann")


async def test_a_kept_part_that_asks_side_by_side_stays_stale() -> None:
    """P1: what stands round the part has to know that the services failed."""
    async with Stage(app) as stage:
        stage[users].says(1).fails(503)
        stage[stock].says(1).when("/name").says("Ann")
        await stage.get("/home")
        await stage.clock.advance(20)
        answer = await stage.get("/home")

    assert answer.parts["kept"] == "stale"


@pytest.mark.parametrize("path", ["/whole", "/number", "/stream"])
@pytest.mark.parametrize(("said", "status"), [(503, 503), (404, 404)])
async def test_the_first_error_of_a_group_is_what_the_client_is_told(
    path: str, said: int, status: int
) -> None:
    """As it would be, had one call been made after the other."""
    async with Stage(app) as stage:
        stage[users].fails(said)
        stage[stock].after(0.1).says(1)

        assert (await stage.get(path)).status == status


@pytest.mark.parametrize("path", ["/missing", "/kept", "/figure/nothing"])
async def test_a_problem_of_a_group_is_the_answer(path: str) -> None:
    """A part or handler that says 404 says so beside a call, too."""
    async with Stage(app) as stage:
        stage[users].after(0.1).says(1)
        stage[stock].after(0.1).says(1)

        assert (await stage.get(path)).status == 404


async def test_a_mistake_beside_a_failing_call_is_a_mistake() -> None:
    """It is told to the log, and no service is blamed for it."""
    async with Stage(app) as stage:
        stage[users].fails(503)
        with pytest.raises(ExceptionGroup):
            await stage.get("/mistaken")


async def test_a_source_that_does_several_things_fails_as_one_that_does_one() -> None:
    """The world's failure is an outage, a mistake in the code is none, a service's failure is told as it is."""
    async with Stage(app) as stage, stage.running.request():
        stage[users].after(0.1).says(1)
        with pytest.raises(UpstreamUnavailable, match="OSError"):
            await stage.run(figure("world"))
        with pytest.raises(ExceptionGroup):
            await stage.run(figure("mistake"))
