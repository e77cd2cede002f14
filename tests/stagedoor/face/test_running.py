"""A gateway at work: built, opened and closed, beside others, and without the web."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Answer, Cache, Gateway, Running
from stagedoor._call import Call, Env
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor.errors import ConfigError, UpstreamTimeout
from stagedoor.testing import Client, Stage

JSON = ((b"content-type", b"application/json"),)


class Thing(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing


class Saying:
    """A service that says one thing, and notes that it was closed."""

    def __init__(self, name: str) -> None:
        self.body = b'{"name":"%b"}' % name.encode()
        self.asked: list[HttpRequest] = []
        self.closed = False

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        self.asked.append(call.payload)
        return HttpResponse(status=200, headers=JSON, body=self.body)

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        self.closed = True


app = Gateway("shop", deadline=1.0)
things = app.service("things", forward={"authorization"})
page = app.aggregate(
    "/page/{name}", Page, vary={"authorization"}, cache=Cache(max_age=60, tags=["thing:{name}"])
)


@page.part
async def thing(name: str) -> Thing:
    return await things.get(Thing, "/{}", name)


async def test_two_gateways_of_one_declaration_share_nothing(env: Env) -> None:
    """Side by side in one loop: each service finds its own gateway through the request."""
    one, other = Saying("one"), Saying("other")
    async with app.build(env, transports={"things": one}) as first:
        async with app.build(env, transports={"things": other}) as second:
            said = await asyncio.gather(*[Client(gateway).ask("/page/a") for gateway in (first, second) * 3])

            assert [b"one" in answer.body for answer in said] == [True, False] * 3
            assert (len(one.asked), len(other.asked)) == (1, 1)
            assert first.web.routes != second.web.routes
        assert (one.closed, other.closed) == (False, True)


async def test_a_screen_runs_without_the_web(env: Env) -> None:
    """The same policies, cache and identity: what the web made is a hit for a job of the same caller."""
    saying = Saying("a")
    async with app.build(env, transports={"things": saying}) as running:
        await Client(running).ask("/page/a", headers=((b"authorization", b"ann"),))
        async with running.request(headers={"Authorization": "ann"}):
            mine = await page.run(name="a")
        async with running.request():
            anybodys = await page.run(name="a")

        assert (mine.parts["thing"].state, anybodys.parts["thing"].state) == ("cached", "fresh")
        assert (mine.value, mine.complete) == (Page(thing=Thing(name="a")), True)
        assert [dict(one.headers).get(b"authorization") for one in saying.asked] == [b"ann", None]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "GET /page/{name} needs the input 'name'"),
        ({"nam": "a"}, "has no input 'nam'; did you mean 'name'"),
        ({"name": "a", "other": 1}, "has no input 'other'"),
        ({"name": 7}, "input 'name': "),
    ],
)
async def test_a_screen_without_the_web_checks_its_inputs(env: Env, inputs: Any, words: str) -> None:
    """It is the code that is wrong: a TypeError, with what was meant."""
    async with app.build(env, transports={"things": Saying("a")}) as running, running.request():
        with pytest.raises(TypeError, match=r".") as caught:
            await page.run(**inputs)

        assert words in str(caught.value)


async def test_outside_a_request_a_screen_says_what_to_write() -> None:
    """And so does `tag`."""
    with pytest.raises(RuntimeError, match=r"async with app\.running\(\) as running, running\.request\(\)"):
        await page.run(name="a")


async def test_a_block_has_a_deadline_of_its_own() -> None:
    """Seconds for everything in it."""
    async with Stage(app) as stage:
        stage[things].hangs()
        started = stage.clock.now()
        async with stage.running.request(deadline=0.2):
            with pytest.raises(UpstreamTimeout):
                await stage.run(page.run(name="a"))

        assert stage.clock.now() - started == pytest.approx(0.2, abs=0.005)


async def test_a_request_id_goes_on_from_a_block(env: Env) -> None:
    """So that a job's lines can be told apart."""
    from stagedoor import _context as context  # noqa: PLC0415 - what a transport reads

    async with app.build(env, transports={"things": Saying("a")}) as running:
        async with running.request(headers={"X-Request-ID": "job-7"}):
            assert context.current().request_id == "job-7"
        assert context.current().request_id == "-"


def told(names: list[str], error: bool = False) -> Any:
    @asynccontextmanager
    async def lifespan(running: Running) -> AsyncIterator[None]:
        names.append(f"open {running.name} {running.web.ready}")
        if error:
            raise OSError("no database")
        yield
        names.append("close")

    return lifespan


async def test_what_the_lifespan_opens_is_closed_first(env: Env) -> None:
    """X6: in reverse order; readiness comes last and goes first."""
    names: list[str] = []
    own = Gateway("own", lifespan=told(names))
    saying = Saying("a")
    service = own.service("things")
    own.proxy("/", service)
    async with own.build(env, transports={"things": saying}) as running:
        assert (names, running.web.ready, saying.closed) == (["open own False"], True, False)

    assert (names, running.web.ready, saying.closed) == (["open own False", "close"], False, True)


async def test_a_lifespan_that_fails_closes_what_is_open(env: Env) -> None:
    """Nothing is left, and the error is its own."""
    own = Gateway("own", lifespan=told([], error=True))
    saying = Saying("a")
    own.proxy("/", own.service("things"))
    with pytest.raises(OSError, match="no database"):
        async with own.build(env, transports={"things": saying}):
            raise AssertionError

    assert saying.closed


async def test_running_is_the_one_that_serves() -> None:
    """For jobs and resolvers of the same process; else a new one, which needs its addresses."""
    own = Gateway("own")
    own.proxy("/", own.service("things", "http://127.0.0.1:9"))
    async with own.lifespan():
        async with own.running() as first, own.running() as second:
            assert first is second
        [serving] = own.serving()
        assert serving is first
    async with own.running() as alone:
        assert alone is not first
        assert own.serving() == []


async def test_of_two_that_serve_in_one_loop_each_may_end_first() -> None:
    """One declaration in two servers of a process: the end of the first left the second without a gateway."""
    own = Gateway("own")
    own.proxy("/", own.service("things", "http://127.0.0.1:9"))
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        await first.enter_async_context(own.lifespan())
        older = own.serving()
        await second.enter_async_context(own.lifespan())
        both = own.serving()
        await first.aclose()
        left = own.serving()
        async with own.running() as used:
            assert used is left[0]

    assert (len(both), left, own.serving()) == (2, [one for one in both if one not in older], [])


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_a_lifespan_that_fails_says_in_which_half(phase: str) -> None:
    """ASGI's lifespan protocol: a start that is complete does not fail."""

    @asynccontextmanager
    async def life(_: Running) -> AsyncIterator[None]:
        if phase == "startup":
            raise OSError("no database")
        yield
        raise OSError("no database")

    own = Gateway("own", lifespan=life)
    own.proxy("/", own.service("things", "http://127.0.0.1:9"))
    sent: list[Any] = []

    async def receive() -> Any:
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(OSError, match="no database"):
        await own({"type": "lifespan"}, receive, send)

    assert sent[-1] == {"type": f"lifespan.{phase}.failed", "message": "no database"}


async def test_middleware_stands_round_the_gateway_outermost_first(env: Env) -> None:
    """ASGI as anywhere."""
    seen: list[str] = []

    def middleware(name: str) -> Any:
        def wrap(inner: Any) -> Any:
            async def call(scope: Any, receive: Any, send: Any) -> None:
                seen.append(name)
                await inner(scope, receive, send)

            return call

        return wrap

    own = Gateway("own", middleware=[middleware("outer"), middleware("inner")])

    @own.get("/")
    async def root() -> str:
        return "x"

    async with own.build(env, transports={}) as running:
        await Client(running).ask("/")

    assert seen == ["outer", "inner"]


async def test_a_gateway_says_which_address_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of its setting, all at once."""
    own = Gateway("my-shop")
    own.proxy("/a", own.service("first"))
    own.proxy("/b", own.service("second"))
    monkeypatch.setenv("MY_SHOP_SECOND_URL", "")

    with pytest.raises(ConfigError, match="set MY_SHOP_FIRST_URL, MY_SHOP_SECOND_URL, or give url="):
        own.made()


async def test_health_asks_what_stands_behind() -> None:
    """Live, ready, and each service by name; metrics and documents beside."""
    async with Stage(app) as stage:
        stage[things].when("/health").says({"status": "ok"}).fails()
        stage[things].says({"name": "a"})
        await stage.get("/page/a")
        seen = {
            path: await stage.get(path)
            for path in ("/health/live", "/health/ready", "/health", "/metrics", "/docs")
        }
        document = (await stage.get("/openapi.json")).read(dict[str, Any])

        assert {path: one.status for path, one in seen.items()} == dict.fromkeys(seen, 200)
        assert seen["/health"].read(dict[str, Any])["components"]["things"]["status"] == "healthy"
        assert b'endpoint="/page/{name}"' in seen["/metrics"].body
        assert b'service_name="things"' in seen["/metrics"].body
        assert document["info"] == {"title": "shop", "version": "1", "description": ""}


async def test_a_gateway_may_have_its_own_health() -> None:
    """What is declared stands before what every gateway has."""
    own = Gateway("own", deadline=1.0)

    @own.get("/health")
    async def health() -> str:
        return "mine"

    async with Stage(own) as stage:
        assert (await stage.get("/health")).read(str) == "mine"


async def test_a_deprecated_route_says_so() -> None:
    """In the document."""
    own = Gateway("own")

    @own.get("/old", deprecated=True)
    async def old() -> str:
        """Say it.

        More of it.
        """
        return "x"

    async with Stage(own) as stage:
        operation = (await stage.get("/openapi.json")).read(dict[str, Any])["paths"]["/old"]["get"]

        assert (operation["deprecated"], operation["summary"], operation["description"]) == (
            True,
            "Say it.",
            "More of it.",
        )


async def test_health_tells_what_is_wrong_with_each_service() -> None:
    """A service without /health answers all the same; one that is down, late or odd is unhealthy, in words."""
    own = Gateway("own", deadline=1.0)
    names = ("gone", "late", "odd", "silent")
    for name in names:
        own.proxy(f"/{name}", own.service(name))  # type: ignore[arg-type,unused-ignore]
    gone, late, odd, silent = own.services
    async with Stage(own) as stage:
        stage[gone].fails()
        stage[late].hangs()
        stage[odd].says(b"<p>", headers={"content-type": "text/html"}).fails(500)
        stage[silent].fails(404)
        said = (await stage.get("/health")).read(dict[str, Any])
        found = {name: said["components"][name]["status"] for name in names}

        assert found == {"gone": "unhealthy", "late": "unhealthy", "odd": "healthy", "silent": "healthy"}
        assert said["status"] != "healthy"
        assert said["components"]["late"]["detail"].startswith("not answering")


async def test_declared_fields_stand_in_every_answer_that_does_not_say_them() -> None:
    """Contract 14.4: security headers, on problems and documents too; nobody's own field is said twice."""
    app = Gateway("shop", headers={"Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"})

    @app.get("/framed")
    async def framed() -> Answer[str]:
        return Answer("page", headers={"x-frame-options": "SAMEORIGIN"})

    async with Stage(app) as stage:
        answers = [await stage.get(path) for path in ("/framed", "/nowhere", "/health/live", "/openapi.json")]

    assert {one.header("referrer-policy") for one in answers} == {"no-referrer"}
    assert {one.header("x-content-type-options") for one in answers} == {"nosniff"}
    assert [one.header("x-frame-options") for one in answers] == ["SAMEORIGIN", "DENY", "DENY", "DENY"]


def test_what_libraries_refuse_is_told_by_the_name_of_its_setting() -> None:
    """Whoever sets it reads SHOP_SENTRY_DSN, not the words of a library."""
    with pytest.raises(ConfigError, match=r"^SHOP_SENTRY_DSN: must be an address such as https://"):
        Gateway("shop").made(environment={"SHOP_SENTRY_DSN": "https://key@sentry.example.com/films"})
