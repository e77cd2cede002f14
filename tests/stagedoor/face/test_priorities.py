"""What the face says of overload: a priority of a route, a limit of a service, and refusals before anything begins."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway, NotFound, Stream
from stagedoor import _context as context
from stagedoor._deadline import NEVER
from stagedoor.errors import ConfigError
from stagedoor.policies import AdaptiveLimit
from stagedoor.testing import Client, Stage, settle

SECONDS = 0.05


class Thing(BaseModel):
    """A thing."""

    name: str = ""


class Page(BaseModel):
    """A page of two things, one of which it can do without."""

    first: Thing
    second: Thing = Thing()


class Ground:
    """Two services, and a page that needs one of them."""

    def __init__(self, cache: Cache | None = None) -> None:
        self.app = app = Gateway("test", deadline=0.2)
        self.needed = needed = app.service("needed", attempt=0.08, connections=1, cache=cache)
        self.other = other = app.service("other", attempt=0.08)
        page = app.aggregate("/page/{key}", Page, priority="list")

        @page.part
        async def first(key: str) -> Thing:
            return await needed.get(Thing, "/{}", key)

        @page.part
        async def second(key: str) -> Thing:
            return await other.get(Thing, "/{}", key)


async def test_o8_a_screen_that_its_service_has_no_place_for_asks_nobody() -> None:
    """O8: the other service is not asked in vain, and the refusal takes no time."""
    ground = Ground()
    async with Stage(ground.app) as stage:
        stage[ground.needed].after(SECONDS).says({"name": "Ann"})
        stage[ground.other].after(SECONDS).says({"name": "Bob"})
        for number in range(3):
            await stage.get(f"/page/{number}")
        asked = len(stage[ground.other].asked)
        under_way = [
            asyncio.ensure_future(Client(stage.running).ask(f"/page/x{number}")) for number in range(3)
        ]
        await settle()
        refused = [task.result().status for task in under_way if task.done()]
        later = len(stage[ground.other].asked)
        await stage.clock.advance(1.0)
        answered = [task.result().status for task in under_way]

    assert (refused, later - asked) == ([503, 503], 1)
    assert sorted(answered) == [200, 503, 503]


class Pair(BaseModel):
    """A page that needs two things."""

    first: Thing
    second: Thing


async def test_a_screen_that_one_service_refuses_holds_no_place_at_the_other() -> None:
    """O8: refused for the service that is busy, it takes back what it promised the one that is free."""
    ground = Ground()
    pair = ground.app.aggregate("/pair/{key}", Pair)
    busy = ground.app.service("busy", attempt=0.08, connections=1)

    @pair.part
    async def first(key: str) -> Thing:
        return await ground.needed.get(Thing, "/{}", key)

    @pair.part
    async def second(key: str) -> Thing:
        return await busy.get(Thing, "/{}", key)

    @ground.app.get("/busy/{key}")
    async def asks_busy(key: str) -> Thing:
        return await busy.get(Thing, "/{}", key)

    async with Stage(ground.app) as stage:
        for one in (ground.needed, busy):
            stage[one].after(SECONDS).says({"name": "Ann"})
        stage[ground.other].says({"name": "Bob"})
        for number in range(3):
            await stage.get(f"/pair/{number}")
        under_way = asyncio.ensure_future(Client(stage.running).ask("/busy/x"))
        await settle()
        refused = [(await stage.get(f"/pair/x{number}")).status for number in range(3)]
        page = await stage.get("/page/x")
        await stage.clock.run(under_way)

    assert refused == [503] * 3
    assert page.status == 200


@pytest.mark.parametrize("cache", [None, Cache(max_age=60)])
async def test_a_source_is_promised_calls_as_a_service_is(cache: Cache | None) -> None:
    """A promise that is taken back leaves nothing; where values may be kept ones there was none."""
    app = Gateway("test")

    @app.source(safe=True, cache=cache)
    async def thing(key: str) -> Thing:
        return Thing(name=key)

    @app.get("/{key}")
    async def asks(key: str) -> Thing:
        return await thing(key)

    async with Stage(app) as stage:
        (source,) = stage.running.sourcings
        source.check("page", NEVER, promise=True)
        promised = source.upstream.limiter.promised  # type: ignore[union-attr]
        source.withdraw()
        left = source.upstream.limiter.promised  # type: ignore[union-attr]

    assert (promised, left) == (1 if cache is None else 0, 0)


async def test_a_service_whose_answers_are_kept_is_no_reason_to_refuse() -> None:
    """What is kept is served however much the service has to do."""
    ground = Ground(Cache(max_age=60))
    async with Stage(ground.app) as stage:
        stage[ground.needed].after(SECONDS).says({"name": "Ann"})
        stage[ground.other].says({"name": "Bob"})
        for number in range(3):
            await stage.get(f"/page/{number}")
        busy = asyncio.ensure_future(Client(stage.running).ask("/page/x"))
        await settle()
        kept = await stage.get("/page/1")
        await stage.clock.advance(1.0)
        await busy

    assert kept.status == 200


async def test_a_route_has_a_priority_and_its_calls_keep_it() -> None:
    """O6: in the queue before a service the urgent go first too."""
    seen: list[str] = []
    app = Gateway("test")

    @app.get("/search", priority="search")
    async def search() -> Thing:
        seen.append(context.current().priority)
        return Thing()

    @app.get("/thing")
    async def thing() -> Thing:
        seen.append(context.current().priority)
        return Thing()

    @app.get("/stream", priority="list")
    async def stream() -> Stream:
        seen.append(context.current().priority)
        raise NotFound

    async with Stage(app) as stage:
        await stage.get("/search")
        await stage.get("/thing")
        await stage.get("/stream")

    assert seen == ["search", "detail", "list"]


def declared(app: Gateway, kind: str, **wrong: Any) -> None:
    if kind == "aggregate":
        app.aggregate("/a", Page, **wrong)
    elif kind == "get":
        app.get("/a", **wrong)
    else:
        app.proxy("/a", app.service("a"), **wrong)


@pytest.mark.parametrize("kind", ["aggregate", "get", "proxy"])
def test_a_priority_that_there_is_not_is_refused_with_its_place(kind: str) -> None:
    """With the names of those that there are."""
    said = r"test_priorities.py:\d+: priority='urgent' must be one of operations, detail, list, search"

    with pytest.raises(ConfigError, match=said):
        declared(Gateway("test"), kind, priority="urgent")


async def test_a_service_is_given_what_it_answers_in_time_up_to_its_connections() -> None:
    """Adaptive unless one says otherwise; `connections` is the upper bound."""
    app = Gateway("test")
    some = app.service("some", attempt=0.1, connections=7)

    @app.get("/x")
    async def x() -> Thing:
        return await some.get(Thing, "/x")

    async with Stage(app) as stage:
        limit = next(one for one in stage.running.remote(some).policies if isinstance(one, AdaptiveLimit))
        metrics = (await stage.get("/metrics")).body

    assert (limit.attempt, limit.most) == (0.1, 7)
    assert b'upstream_concurrency_limit{service_name="some"} 7.0' in metrics
    assert b"requests_concurrency_limit 10000.0" in metrics


async def test_o6_what_is_made_to_be_kept_has_the_priority_of_its_route() -> None:
    """O6: a kept handler, a screen within another and a source asked their services as if they were a detail."""
    app = Gateway("test", deadline=0.2)
    inner = app.aggregate("", Thing)
    seen: list[str] = []

    @app.source(safe=True)
    async def told() -> str:
        seen.append(context.current().priority)
        return "a"

    @inner.part
    async def name() -> str:
        seen.append(context.current().priority)
        return await told()

    @app.get("/kept", cache=Cache(max_age=60), priority="search")
    async def kept() -> str:
        seen.append(context.current().priority)
        return (await inner.run()).value.name

    async with Stage(app) as stage:
        await stage.get("/kept")

    assert seen == ["search"] * 3


async def test_o6_what_is_kept_or_made_inside_goes_first_as_its_route_says() -> None:
    """O6: an answer that may be kept, and a screen in a handler, waited among those of any route."""
    app, found = Gateway("test", deadline=0.2), list[str]()
    inner = app.aggregate("/inner", Page)

    @inner.part
    async def first() -> Thing:
        found.append(context.current().priority)
        return Thing()

    @app.get("/urgent", priority="operations", cache=Cache(max_age=1.0))
    async def urgent() -> int:
        found.append(context.current().priority)
        return 1

    @app.get("/patient", priority="search")
    async def patient() -> Thing:
        return (await inner.run()).value.first

    async with Stage(app) as stage:
        await stage.get("/urgent")
        await stage.get("/patient")

    assert found == ["operations", "search"]
