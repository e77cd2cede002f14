"""What a platform asks of its gateway beyond screens: labels, documents, probes, upstreams of another kind."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from stagedoor import (
    Answer,
    Backend,
    Cache,
    Delivery,
    DocumentSet,
    Extension,
    Gateway,
    Report,
    Running,
    Settings,
)
from stagedoor._aggregate import PartVerdict
from stagedoor._call import Call, Env
from stagedoor._upstream import Upstream
from stagedoor._web.answer import json
from stagedoor._web.request import Request
from stagedoor._web.routes import Documentation, Route
from stagedoor.errors import ConfigError, UpstreamUnavailable
from stagedoor.policies import Bulkhead, Timeout
from stagedoor.testing import Client, Stage


class Thing(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing
    note: dict[str, Any]


class Lookup:
    """A transport of one's own: a dictionary that can be away."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known
        self.away = False
        self.asked: list[str] = []
        self.closed = False

    async def send(self, call: Call[str], /) -> str:
        self.asked.append(call.payload)
        if self.away:
            raise UpstreamUnavailable(call.operation, "away")
        return self.known[call.payload]

    def key_of(self, payload: str, /) -> bytes:
        return payload.encode()

    def idempotent(self, _: str, /) -> bool:
        return True

    async def aclose(self) -> None:
        self.closed = True


def one_thing(**options: Any) -> Gateway:
    """Return a gateway with one screen of one service."""
    whole = ("settings", "documents", "lifespan")
    app = Gateway("shop", **{name: options.pop(name) for name in whole if name in options})
    things = app.service("things", label="thing_service", health=options.pop("health", ""))
    page = app.aggregate("/page/{name}", Page, **options)

    @page.part
    async def thing(name: str) -> Thing:
        return await things.get(Thing, "/things/{}", name)

    @page.summary
    def note(report: Report) -> dict[str, Any]:
        return {"lifetime": report.lifetime, "cached": False}

    @page.delivered
    def delivered(note: Mapping[str, Any], delivery: Delivery) -> Mapping[str, Any]:
        states = {name: one.state for name, one in delivery.parts.items()}
        took = {name: one.ms for name, one in delivery.parts.items()}
        return {
            **note,
            "cached": delivery.cached,
            "states": states,
            "took": took,
            "seconds": delivery.seconds,
        }

    return app


WHOLE = (DocumentSet(openapi="/openapi.json", swagger=("/docs",)),)
SETS = (*WHOLE, DocumentSet(openapi="/v1/openapi.json", prefix="/v1", swagger=("/v1/docs", "/v1/help")))


async def test_a_summary_is_completed_for_each_answer_that_leaves() -> None:
    """What is only known then: whether it was kept, how its parts fared, how long it took."""
    app = one_thing(cache=Cache(max_age=10))
    async with Stage(app) as stage:
        stage[app.services[0]].after(0.02).says({"name": "a"})
        first, second = (await stage.get("/page/a")).read(Page), (await stage.get("/page/a")).read(Page)

        assert first.note == {
            "lifetime": 10.0,
            "cached": False,
            "states": {"thing": "fresh"},
            "took": {"thing": pytest.approx(20.0)},
            "seconds": pytest.approx(0.02),
        }
        assert second.note == first.note | {
            "cached": True,
            "states": {"thing": "cached"},
            "took": {"thing": None},
            "seconds": 0.0,
        }


def test_the_verdicts_of_a_delivery_have_a_form_in_json() -> None:
    """`status` and `ms` always, the others where there is something to say."""
    delivery = Delivery(
        {"a": PartVerdict("fresh", None, 1.04), "b": PartVerdict("fallback", "timeout")}, False, 0.1
    )

    assert delivery.parts_json() == {
        "a": {"status": "fresh", "ms": 1.0},
        "b": {"status": "fallback", "ms": None, "reason": "timeout"},
    }


@pytest.mark.parametrize(("private", "scope"), [(True, "private"), (False, "public")])
async def test_an_answer_may_be_one_persons_without_a_field_that_says_so(private: bool, scope: str) -> None:
    """The path may name a person: nobody between here and the client may keep it."""
    app = one_thing(cache=Cache(max_age=10, private=private))
    async with Stage(app) as stage:
        stage[app.services[0]].says({"name": "a"})

        assert (await stage.get("/page/a")).header("cache-control") == f"{scope}, max-age=10"


async def test_rendering_takes_what_is_reserved_for_it() -> None:
    """`reserve`: the parts have the rest of the deadline."""
    app = one_thing(deadline=0.2, reserve=0.05)
    async with Stage(app) as stage:
        stage[app.services[0]].hangs()
        started = stage.clock.now()
        answer = await stage.get("/page/a")

        assert answer.status == 504
        assert stage.clock.now() - started <= 0.15


async def test_metrics_and_health_call_a_service_by_its_label() -> None:
    """Dashboards outlive names in code."""
    app = one_thing()
    async with Stage(app) as stage:
        stage[app.services[0]].says({"name": "a"})
        health = orjson.loads((await stage.get("/health")).body)
        metrics = (await stage.get("/metrics")).body

        assert health["components"] == {"thing_service": {"status": "healthy", "ms": 0.0}}
        assert b'service_errors_total{service_name="thing_service"} 0.0' in metrics


async def test_a_dashboard_has_something_to_draw_before_anything_has_happened() -> None:
    """Issue 15: what runs, and every verdict that a part can have, are there with the first scrape."""
    app = one_thing()
    async with Stage(app) as stage:
        metrics = (await stage.get("/metrics")).body.decode()

    assert re.search(r'^gateway_build_info\{.*stagedoor="[0-9.]+".*\} 1\.0$', metrics, re.MULTILINE)
    for status in ("fresh", "cached", "stale", "fallback", "missing"):
        assert f'aggregate_parts_total{{aggregate="page",part="thing",status="{status}"}} 0.0' in metrics
    assert 'upstream_calls_in_flight{service_name="thing_service"} 0.0' in metrics


async def test_a_fixed_number_of_places_is_shown_like_a_measured_one() -> None:
    """Issue 15: a service behind a bulkhead fills up as any other does."""
    app = Gateway("shop")
    things = app.service("things", policies=(Bulkhead(limit=7),))

    @app.get("/thing")
    async def thing() -> Thing:
        return await things.get(Thing, "/thing")

    async with Stage(app) as stage:
        metrics = (await stage.get("/metrics")).body.decode()

    assert 'upstream_concurrency_limit{service_name="things"} 7.0' in metrics


@pytest.mark.parametrize(("path", "status"), [("", "healthy"), ("/alive", "unhealthy")])
async def test_a_health_path_that_was_asked_for_must_be_there(path: str, status: str) -> None:
    """Where none was asked for, a service without one answers all the same."""
    app = one_thing(health=path)
    async with Stage(app) as stage:
        stage[app.services[0]].fails(404)
        said = orjson.loads((await stage.get("/health")).body)["components"]["thing_service"]

        assert said["status"] == status
        assert stage[app.services[0]].asked[0].path == path or "/health"


async def test_each_document_shows_its_part() -> None:
    """By the prefix of its paths; each has pages of its own."""
    app = one_thing(documents=SETS)

    @app.get("/v1/things", tags=["things"])
    async def things() -> list[Thing]:
        """List the things."""
        return []

    async with Stage(app) as stage:
        whole, dialect = [
            orjson.loads((await stage.get(path)).body)["paths"]
            for path in ("/openapi.json", "/v1/openapi.json")
        ]

        assert set(dialect) == {"/v1/things"}
        assert {"/page/{name}", "/v1/things", "/health"} <= set(whole)
        assert dialect["/v1/things"]["get"]["tags"] == ["things"]
        assert [(await stage.get(path)).status for path in ("/docs", "/v1/docs", "/v1/help", "/redoc")] == [
            200,
            200,
            200,
            404,
        ]


class State(TypedDict):
    active: int
    endpoints: Sequence[str]


async def test_a_handler_may_ask_the_gateway_at_work() -> None:
    """An argument of the type `Running` is no input: it is not documented and cannot be sent."""
    app = one_thing()

    @app.get("/state")
    async def state(running: Running) -> State:
        """Tell how it is."""
        return State(active=running.active, endpoints=running.endpoints())

    async with Stage(app) as stage:
        said = orjson.loads((await stage.get("/state?running=1")).body)
        shown = orjson.loads((await stage.get("/openapi.json")).body)["paths"]["/state"]["get"]

        assert said["active"] == 1
        assert {"GET /page/{name}", "GET /state", "GET /health"} <= set(said["endpoints"])
        assert shown["parameters"] == []
        assert "422" not in shown["responses"]


async def test_bytes_with_a_type_of_their_own_go_as_they_stand() -> None:
    """A page for people beside JSON for programs; the document shows the JSON."""
    app = one_thing()

    @app.get("/start")
    async def start(page: bool = False) -> Answer[Thing | bytes]:
        """Tell where everything is."""
        if page:
            return Answer(b"<p>here</p>", headers={"content-type": "text/html"})
        return Answer(Thing(name="here"))

    async with Stage(app) as stage:
        html, data = await stage.get("/start?page=true"), await stage.get("/start")
        shown = orjson.loads((await stage.get("/openapi.json")).body)["paths"]["/start"]["get"]["responses"]

        assert (html.body, html.header("content-type")) == (b"<p>here</p>", "text/html")
        assert (data.body, data.header("content-type")) == (b'{"name":"here"}', "application/json")
        assert shown["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Thing"}


async def test_a_live_handler_answers_however_often_it_is_asked() -> None:
    """Probes must not be turned away (CONTRACTS 17)."""
    app = one_thing(settings=Settings(rate_limit="1/60"))

    @app.get("/probe", live=True)
    async def probe() -> str:
        """Answer."""
        return "well"

    @app.get("/counted")
    async def counted() -> str:
        """Answer."""
        return "well"

    async with Stage(app) as stage:
        probes = [(await stage.get("/probe")).status for _ in range(3)]
        others = [(await stage.get("/counted")).status for _ in range(2)]

        assert (probes, others) == ([200, 200, 200], [200, 429])


def looking(known: Lookup, **options: Any) -> tuple[Gateway, Backend[str, str]]:
    """Return a gateway with an upstream of its own kind, and a handler that asks it."""
    app = Gateway("shop", settings=Settings(docs_only=options.pop("docs_only", False)))
    words: Backend[str, str] = app.upstream("words", lambda _: known, **options)

    @app.get("/words/{word}")
    async def word(word: str) -> str:
        """Look a word up."""
        return await words.call("look", word)

    return app, words


async def test_an_upstream_of_ones_own_kind_has_policies_metrics_and_health() -> None:
    """A search engine, a queue: whatever a transport is written for."""
    known = Lookup({"a": "b", "probe": "?"})
    app, words = looking(known, label="dictionary", health="probe")
    async with Stage(app) as stage:
        said = await stage.get("/words/a")
        known.away = True
        away, health = await stage.get("/words/a"), orjson.loads((await stage.get("/health")).body)
        metrics = (await stage.get("/metrics")).body

        assert (said.body, away.status) == (b'"b"', 503)
        assert health["components"]["dictionary"]["status"] == "unhealthy"
        assert (known.asked[:2], known.asked[-1]) == (["a", "a"], "probe")
        assert b'upstream_request_duration_seconds_count{service_name="dictionary"}' in metrics
        assert [type(one).__name__ for one in stage.running.upstream(words).policies] == [
            "Retry",
            "CircuitBreaker",
            "AdaptiveLimit",
            "Timeout",
        ]
    assert known.closed


async def test_policies_of_an_upstream_replace_the_ordinary_ones() -> None:
    """As those of a service do; without a payload for probes health does not show it."""
    app, words = looking(Lookup({}), policies=[Timeout(attempt=0.1)])
    async with Stage(app) as stage:
        assert stage.running.upstream(words).policies == (Timeout(attempt=0.1),)
        assert orjson.loads((await stage.get("/health")).body)["components"] == {}


async def test_an_upstream_belongs_to_its_gateway() -> None:
    """Elsewhere it is nobody's; a name that is none is told at once."""
    app, _ = looking(Lookup({}))
    _, strange = looking(Lookup({}))
    async with Stage(app) as stage, stage.running.request():
        with pytest.raises(RuntimeError, match="belongs to another gateway than 'shop'"):
            await strange.call("look", "a")
    with pytest.raises(ConfigError, match="an upstream's name is an identifier"):
        app.upstream("no name", lambda _: Lookup({}))


class Life:
    """Says whether it was entered and left."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @asynccontextmanager
    async def lived(self) -> AsyncIterator[None]:
        self.heard.append("entered")
        yield
        self.heard.append("left")


async def hello(_: Request) -> Answer[Any]:
    return json("hello")  # type: ignore[return-value]


def extended(life: Life, inner: Lookup, **options: Any) -> Gateway:
    """Return a gateway with a route, an upstream and a life of its own kind."""
    app = one_thing(**options)

    def more(running: Running) -> Extension:
        upstream: Upstream[str, str] = Upstream("inner", inner, env=running.env)
        route = Route(path="/hello", handle=hello, public=True, documentation=Documentation(summary="Greet"))  # type: ignore[arg-type]
        return Extension(routes=[route], upstreams=[upstream], lives=[life.lived()])

    app.extend(more)
    return app


async def test_routes_of_the_engines_own_kind_come_with_what_they_need() -> None:
    """Served and documented as the others; counted, opened and closed with the gateway."""
    life, inner = Life(), Lookup({})
    async with Stage(extended(life, inner)) as stage:
        said = await stage.get("/hello")
        entered = list(life.heard)

        assert (said.status, said.body, entered) == (200, b'"hello"', ["entered"])
        assert "GET /hello" in stage.running.endpoints()
        assert "inner" in [one.name for one in stage.running.web.upstreams]
    assert (life.heard, inner.closed) == (["entered", "left"], True)


async def test_where_only_documents_are_served_no_data_is() -> None:
    """CONTRACTS 8: no service is asked, nothing is opened, and no address needed; what asks nobody answers."""
    life, opened = Life(), list[str]()

    @asynccontextmanager
    async def lifespan(_: Running) -> AsyncIterator[None]:
        opened.append("lifespan")
        yield

    app = extended(life, Lookup({}), settings=Settings(docs_only=True), lifespan=lifespan)
    things = app.services[0]

    @app.get("/listed")
    async def listed() -> list[Thing]:
        """List the things."""
        return await things.get(list[Thing], "/things")

    @app.get("/state")
    async def state(running: Running) -> int:
        """Tell how many requests are under way."""
        return running.active

    async with app.build(Env(Stage(app).clock, lambda: 0.5, lambda _: None)) as running:
        client = Client(running)
        statuses = {
            path: (await client.ask(path)).status
            for path in ("/page/a", "/hello", "/listed", "/state", "/docs", "/openapi.json", "/health")
        }
        refused = orjson.loads((await client.ask("/page/a")).body)
        components = await running.components()

    assert statuses == {"/page/a": 503, "/hello": 503, "/listed": 503} | dict.fromkeys(
        ("/state", "/docs", "/openapi.json", "/health"), 200
    )
    assert refused["type"] == "urn:problem-type:shop:docs-only"
    assert (life.heard, opened, components) == ([], [], {})
