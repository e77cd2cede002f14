"""T15: a secret in any field, cookie, query or body is told to nobody: no line, metric, trace, problem or report."""

import logging
import random
from io import BytesIO
from typing import Annotated, Any, Literal

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel, ConfigDict, Field

from stagedoor import Cache, Cookie, Gateway, Header, Settings
from stagedoor._call import Call, Env
from stagedoor._observers.otel import OpenTelemetry
from stagedoor._observers.sentry import Sentry
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor.errors import UpstreamUnavailable
from stagedoor.testing import Client, ManualClock, ScriptedTransport
from tests.canaries import CANARY, attempts, leaks
from tests.stagedoor.observers.test_sentry import DSN, Post

Small = Annotated[int, Field(ge=1, le=9)]
METHODS: tuple[Literal["GET"], Literal["POST"]] = ("GET", "POST")
QUERIES = ("page", "word", "tags", "kind")


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=3)]
    number: int = 0


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: dict[str, int] = {}


class Dog(BaseModel):
    kind: Literal["dog"]


class Animal(BaseModel):
    animal: Annotated[Cat | Dog, Field(discriminator="kind")]


class Page(BaseModel):
    thing: str
    rest: str = ""


def shop() -> Gateway:  # noqa: C901 - every kind of route is a function
    """Return a gateway with every kind of route, some of them broken."""
    app = Gateway("shop", settings=Settings(log_level="debug", rate_limits=["/limited=1/60"]))
    things = app.service("things", forward={"authorization", "x-tenant", Cookie("sid")})

    @app.source(safe=True)
    async def ledger(word: str) -> str:
        raise OSError(f"no such word: {word}")

    vary: set[str | Cookie] = {"authorization", "x-tenant", Cookie("sid")}
    for path, cache in (("/screen", None), ("/kept", Cache(max_age=9, tags=["pages"]))):
        screen = app.aggregate(path, Page, vary=vary, cache=cache)

        @screen.part
        async def thing(word: str = "", page: Small = 1, x_token: Annotated[str, Header()] = "") -> str:
            return await things.get(
                str, "/{}", "a", query={"q": word}, headers={"x-token": x_token or "none"}
            )

        @screen.part
        async def rest(word: str = "", sid: Annotated[str, Cookie("sid")] = "") -> str:
            return await ledger(word + sid)

    @app.get("/handler", vary=vary)
    async def handler(
        kind: Literal["a", "b"] = "a",
        tags: Annotated[tuple[int, ...], Field(max_length=2)] = (),
        word: str = "",
    ) -> str:
        return await ledger(word)

    @app.get("/bug", vary=vary)
    async def bug(word: str = "", user_agent: Annotated[str, Header()] = "") -> str:
        secret = word + user_agent + CANARY
        raise ValueError(f"{secret} is wrong")

    @app.get("/limited")
    async def limited() -> str:
        return "once"

    @app.post("/items")
    async def add(item: Item) -> None:
        await things.post(None, "/items", json=item)

    @app.put("/items/{number}")
    async def put(number: int, item: Item, if_match: Annotated[str, Header()] = "") -> str:
        raise KeyError(item.name + if_match)

    @app.post("/animals")
    async def keep(animal: Animal) -> None:
        raise KeyError(animal)

    app.proxy("/through", things, to="/through", methods={"GET", "POST"})
    return app


def garbled(_: Call[HttpRequest]) -> HttpResponse:
    """Answer as a service does that repeats what it was sent."""
    body = b'{"detail": ["%s"]}' % CANARY.encode()
    return HttpResponse(
        status=200, headers=((b"content-type", b"application/json"), (b"x-echo", body)), body=body
    )


def refused(call: Call[HttpRequest]) -> HttpResponse:
    raise UpstreamUnavailable(call.operation, retryable=False)


ROUTES = (
    "/screen",
    "/kept",
    "/handler",
    "/bug",
    "/limited",
    "/items",
    "/items/1",
    "/animals",
    "/through",
    "/nowhere",
)


@pytest.mark.parametrize("service", [garbled, refused])
async def test_t15_a_secret_is_told_to_nobody(service: Any) -> None:
    """T15, N4, H10, T16: every kind of route, every place of a request, at the lowest level of logging."""
    log, post, clock = BytesIO(), Post(), ManualClock()
    script: ScriptedTransport[HttpRequest, HttpResponse] = ScriptedTransport(clock).does(service)
    spans = InMemorySpanExporter()
    tracer = OpenTelemetry([spans], "shop")
    tracer.open()
    env = Env(clock, random.Random(1).random, lambda _: None, tracer)
    running = shop().made(env, transports={"things": script}, all_logs=True, stream=log)
    sentry = Sentry(DSN, traces_rate=1.0, rng=lambda: 0.0, clock=clock, transport=post)
    sentry.watch()
    client, told = Client(running.web), list[bytes]()
    async with running.opened():
        for path in ROUTES:
            for behind, fields, body in attempts(QUERIES):
                for method in ("POST", "PUT", "PATCH") if body else ("GET", "HEAD", "OPTIONS"):
                    answer = await clock.run(
                        client.ask(path + behind, method=method, headers=fields, body=body)
                    )
                    if answer.header(b"content-type") == b"application/problem+json":
                        told.append(answer.body)
        metrics = (await client.ask("/metrics")).body
    await sentry.aclose()
    await tracer.aclose()

    assert len(told) > 1_000
    assert not [one for one in told if leaks(one)]
    assert log.getvalue().count(b'"event":"request"') > 1_000
    assert not [line for line in log.getvalue().splitlines() if leaks(line)]
    assert metrics.count(b"\n") > 50
    assert not leaks(metrics)
    assert len(post.envelopes) > 10
    assert not leaks(post.text())
    traced = spans.get_finished_spans()
    assert {span.kind.name for span in traced} == {"SERVER", "INTERNAL", "CLIENT"}
    assert len(traced) > 1_000
    assert not [span for span in traced if leaks(span.to_json().encode())]


def test_the_places_do_carry_the_secret() -> None:
    """A test that cannot fail is worse than none."""
    sent = [(behind + repr(fields) + repr(body)).encode() for behind, fields, body in attempts(QUERIES)]

    assert all(map(leaks, sent))
    assert len(sent) > 80
    assert logging.getLogger("stagedoor").isEnabledFor(logging.ERROR)
