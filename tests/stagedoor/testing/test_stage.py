"""The stage: scripted services on a clock that jumps."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Gateway, Running
from stagedoor._events import AttemptEnded, RetryScheduled
from stagedoor.errors import UpstreamTimeout
from stagedoor.testing import Reply, Stage


class Thing(BaseModel):
    name: str


hooks: list[str] = []


@asynccontextmanager
async def lifespan(running: Running) -> AsyncIterator[None]:
    hooks.append("open")
    yield
    hooks.append("close")


app = Gateway("shop", deadline=1.0, lifespan=lifespan)
things = app.service("things")


@app.get("/things/{name}")
async def thing(name: str) -> Thing:
    return await things.get(Thing, "/{}", name, query={"page": 1})


@app.put("/things/{name}")
async def put(name: str, thing: Thing) -> Thing:
    return await things.put(Thing, "/{}", name, json=thing)


@app.get("/broken")
async def broken() -> Thing:
    return Thing(name=str(1 / len(hooks[:0])))


@app.get("/blocking")
async def blocking() -> Thing:
    time.sleep(1.0)  # noqa: ASYNC251 - that is the mistake
    return Thing(name="late")


async def test_a_script_speaks_attempt_after_attempt_and_repeats_its_last_word() -> None:
    """A retry is an attempt too."""
    async with Stage(app) as stage:
        stage[things].fails().says({"name": "a"}, {"name": "b"})
        said = [(await stage.get("/things/x")).read(Thing).name for _ in range(3)]

        assert said == ["a", "b", "b"]
        assert len(stage[things].asked) == 4


async def test_a_service_without_a_script_fails_the_test_by_name() -> None:
    """Not a 503 that looks like an outage."""
    async with Stage(app) as stage:
        with pytest.raises(
            AssertionError, match=r"'things' was asked GET /x\?page=1, and has no script: say stage\[things\]"
        ):
            await stage.get("/things/x")

        stage[things].says({"name": "a"})
        assert (await stage.get("/things/x")).status == 200


async def test_a_path_may_have_a_script_of_its_own() -> None:
    """With its query or without; the others hear the service's."""
    async with Stage(app) as stage:
        stage[things].says({"name": "any"})
        stage[things].when("/one").says({"name": "one"})
        stage[things].when("/two?page=1").says({"name": "two"})
        stage[things].when("/one", "PUT").fails(409)
        said = [(await stage.get(f"/things/{name}")).read(Thing).name for name in ("one", "two", "three")]
        refused = await stage.put("/things/one", {"name": "x"})

        assert (said, refused.status) == (["one", "two", "any"], 409)
        assert len(stage[things].asked) == 4
        assert [one.path for one in stage[things].when("/one").asked] == ["/one?page=1"]


async def test_time_jumps_while_a_request_waits() -> None:
    """Two attempts that hang cost a second of the gateway's time and none of ours."""
    async with Stage(app) as stage:
        before = stage.clock.now()
        stage[things].hangs()
        late = await stage.get("/things/x")

        assert (late.status, stage.clock.now() - before <= 1.0) == (504, True)


async def test_a_word_may_come_later() -> None:
    """`after` is for the next word only."""
    async with Stage(app) as stage:
        stage[things].after(0.3).says({"name": "a"}).says({"name": "b"})
        before = stage.clock.now()
        await stage.get("/things/x")
        between = stage.clock.now()
        await stage.get("/things/x")

        assert between - before == pytest.approx(0.3)
        assert stage.clock.now() == between


async def test_an_attempt_shows_what_was_sent() -> None:
    """Method, path, fields, body."""
    async with Stage(app) as stage:
        stage[things].says({"name": "a"}, headers={"X-Odd": "1"})
        await stage.put("/things/x", {"name": "é"}, x_unseen="1")
        [asked] = stage[things].asked

        assert (asked.method, asked.path, asked.body) == ("PUT", "/x", '{"name":"é"}'.encode())
        assert (asked.headers["Content-Type"], "x-unseen" in asked.headers) == ("application/json", False)
        assert repr(asked) == "<Asked PUT /x>"


async def outcome(seed: int) -> list[object]:
    async with Stage(app, seed=seed) as stage:
        stage[things].fails().says({"name": "a"}).fails().fails()
        statuses = [(await stage.get("/things/x")).status for _ in range(2)]
        waits = [one.wait for one in stage.events.of(RetryScheduled)]
        return [statuses, waits, stage.clock.now()]


async def test_g7_one_seed_has_one_outcome() -> None:
    """G7: pauses included; another seed has others."""
    assert await outcome(1) == await outcome(1)
    assert await outcome(1) != await outcome(2)


async def test_a_mistake_in_the_code_fails_the_test_as_itself() -> None:
    """A client would see a 500: a test wants the error and its place."""
    async with Stage(app) as stage:
        with pytest.raises(ZeroDivisionError):
            await stage.get("/broken")


async def test_code_that_blocks_the_loop_fails_the_test_with_its_place() -> None:
    """Every other request would have waited."""
    async with Stage(app) as stage:
        with pytest.raises(
            RuntimeError, match=r"test_stage\.py:\d+ blocks the event loop.*asyncio\.to_thread"
        ):
            await stage.get("/blocking")


async def test_work_in_a_thread_is_waited_for() -> None:
    """The remedy for blocking code works here too: time stands still meanwhile, and no deadline passes."""
    own = Gateway("own", deadline=0.2)

    @own.get("/thread")
    async def thread() -> int:
        await asyncio.to_thread(time.sleep, 0.05)
        return 7

    @own.get("/sleep")
    async def sleep() -> int:
        async with asyncio.timeout(30):
            await asyncio.sleep(0.02)
        return 7

    async with Stage(own) as stage:
        before = stage.clock.now()
        said = [(await stage.get(path)).read(int) for path in ("/thread", "/sleep")]

        assert said == [7, 7]
        assert stage.clock.now() == before


async def test_hooks_of_the_lifespan_run() -> None:
    """Opened before, closed after."""
    hooks.clear()
    async with Stage(app):
        assert hooks == ["open"]
    assert hooks == ["open", "close"]


async def test_a_reply_reads_what_a_client_gets() -> None:
    """Status, fields, parts of a screen, a value by its type."""
    async with Stage(app) as stage:
        stage[things].says({"name": "a"})
        answer = await stage.get("/things/x")

        assert answer.read(Thing) == Thing(name="a")
        assert (answer.header("Content-Type"), answer.header("missing"), answer.parts) == (
            "application/json",
            "",
            {},
        )
        assert repr(answer) == """<Reply 200 b'{"name":"a"}'>"""
        assert isinstance(answer, Reply)


async def test_a_field_that_is_no_text_is_told_by_its_name() -> None:
    """Of a caller and of a script alike; it was an AttributeError of the kit's own."""
    async with Stage(app) as stage:
        loose: Any = stage

        with pytest.raises(TypeError, match="header 'x_count' is int, not str"):
            await loose.get("/things/x", x_count=3)
        with pytest.raises(TypeError, match="header 'age' is int, not str"):
            loose[things].says({}, headers={"age": 3})


async def test_only_services_and_sources_of_the_gateway_have_scripts() -> None:
    """A misspelt one is told at once."""
    async with Stage(app) as stage:
        for one in (thing, Gateway("other").service("elsewhere")):
            with pytest.raises(KeyError, match="is no service or source of <Gateway shop>"):
                _ = stage[one]


async def test_work_of_ones_own_runs_while_the_clock_jumps() -> None:
    """And the test may move it by itself."""
    async with Stage(app) as stage, stage.running.request(deadline=0.5):
        stage[things].hangs()
        with pytest.raises(UpstreamTimeout):
            await stage.run(things.get(Thing, "/x"))
        moment = stage.clock.now()
        await stage.advance(5)

        assert stage.clock.now() == moment + 5
        assert stage.events.of(AttemptEnded)


async def test_the_fixture_is_a_factory(stage: type[Stage]) -> None:
    """`stage(app)`, from `pytest_plugins = ["stagedoor.testing.plugin"]`."""
    async with stage(app) as one:
        one[things].says({"name": "a"})
        assert (await one.get("/things/x")).status == 200
