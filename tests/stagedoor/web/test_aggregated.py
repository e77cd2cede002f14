"""An aggregate behind a route: kept, joined, judged and told."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic.alias_generators import to_camel

from stagedoor import context
from stagedoor.aggregate import Aggregate, Report
from stagedoor.cache.memory import MemoryStore
from stagedoor.call import Env
from stagedoor.errors import UpstreamError, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from stagedoor.policies.cached import Cached
from stagedoor.policies.coalesced import Coalesced
from stagedoor.requests import HttpRequest, HttpResponse
from stagedoor.testing import Client, ManualClock, Script, settle
from stagedoor.upstream import Upstream
from stagedoor.web.aggregated import Rendered, RenderedCodec, aggregate_route
from stagedoor.web.docs import DocumentSet, documentation_routes
from stagedoor.web.gateway import Gateway
from stagedoor.web.parameters import Text
from stagedoor.web.routes import Documentation


class Screen(BaseModel):
    """Two parts and a summary."""

    name: Any
    orders: list[Any]
    told: dict[str, Any]


class Source:
    """A scripted remote that answers JSON."""

    def __init__(self, name: str, env: Env, script: Script[HttpRequest, HttpResponse]) -> None:
        self.script = script
        self.upstream = Upstream(name, script, env=env)
        self.upstreams = (self.upstream,)

    async def get(self) -> Any:
        return orjson.loads((await self.upstream.call("get", HttpRequest(target=b"/"))).body)


class Stage:
    """One aggregate with its two scripted sources, behind a gateway."""

    def __init__(self, env: Env, clock: ManualClock, *, public: bool = True, stale: float = 0.0) -> None:
        self.users = Source("users", env, Script(clock))
        self.book = Source("orders", env, Script(clock))
        screen = Aggregate(Screen, budget=0.1)

        @screen.part(required=True)
        async def name(users: Source) -> str:
            return str(await users.get())

        @screen.part(fallback=[])
        async def orders(book: Source) -> list[int]:
            found: list[int] = await book.get()
            return found

        @screen.summary
        def told(name: str, report: Report) -> dict[str, Any]:
            return {"of": name, "lifetime": report.lifetime}

        route, self.screen = aggregate_route(
            "/screens/{id}",
            screen.plan(sources={"users": self.users, "book": self.book}, values={"id": str}),
            Cached(
                store=MemoryStore(env=env),
                codec=RenderedCodec(),
                lifetime=30.0,
                stale_if_error=stale,
            ),
            Coalesced(),
            env=env,
            parameters=(Text(name="id", description="", example="1"),),
            documentation=Documentation(summary="A screen", model=Screen),
            lifetime=30.0,
            public=public,
            finish=lambda said, delivery: {**said, "cached": delivery.cached},
        )
        self.client = Client(Gateway((route,), env=env, name="test"))


def value(said: object) -> HttpResponse:
    return HttpResponse(status=200, body=orjson.dumps(said))


@pytest.fixture
def stage(env: Env, clock: ManualClock) -> Stage:
    return Stage(env, clock)


async def test_p4_verdicts_travel_in_the_header_and_the_summary_fills_its_field(stage: Stage) -> None:
    """P4: body, Stagedoor-Parts and Server-Timing tell the same story."""
    stage.users.script.then(value("Anna"))
    stage.book.script.then(value([1, 2]))

    answer = await stage.client.ask("/screens/1")

    said = {"of": "Anna", "lifetime": 30.0, "cached": False}
    assert orjson.loads(answer.body) == {"name": "Anna", "orders": [1, 2], "told": said}
    assert answer.header(b"stagedoor-parts") == b"name=fresh, orders=fresh"
    assert answer.header(b"server-timing") == b"name;dur=0.0, orders;dur=0.0, total;dur=0.0"
    assert answer.header(b"cache-control") == b"private, max-age=30"
    assert answer.header(b"cache-status") == b"stagedoor; fwd=miss; stored"


async def test_a_kept_answer_says_so_and_sends_the_rest_of_its_lifetime(
    stage: Stage, clock: ManualClock
) -> None:
    """Only what the delivery adds differs from the first answer."""
    stage.users.script.then(value("Anna"))
    stage.book.script.then(value([1]))
    first = await stage.client.ask("/screens/1")
    await clock.advance(10.5)

    again = await stage.client.ask("/screens/1")

    assert again.body == first.body.replace(b'"cached":false', b'"cached":true')
    assert again.header(b"stagedoor-parts") == b"name=cached, orders=cached"
    assert again.header(b"cache-control") == b"private, max-age=19"
    assert again.header(b"cache-status") == b"stagedoor; hit; ttl=19"
    assert len(stage.users.script.calls) == 1


async def test_p1_a_partial_answer_is_named_and_never_kept(stage: Stage) -> None:
    """P1: no-store, the reason in the verdict, and the next request asks again."""
    stage.users.script.then(value("Anna"))
    stage.book.script.fails(UpstreamUnavailable).then(value([7]))

    partial = await stage.client.ask("/screens/1")
    whole = await stage.client.ask("/screens/1")

    assert partial.header(b"stagedoor-parts") == b"name=fresh, orders=fallback;reason=unavailable"
    assert partial.header(b"cache-control") == b"no-store"
    assert orjson.loads(partial.body)["told"]["lifetime"] == 0.0
    assert orjson.loads(whole.body)["orders"] == [7]


async def test_p2_a_required_part_that_fails_is_a_problem(stage: Stage) -> None:
    """P2, H10: its error decides the status."""
    stage.users.script.fails(UpstreamTimeout)
    stage.book.script.hangs()

    answer = await stage.client.ask("/screens/1")

    assert answer.status == 504
    assert stage.book.script.active == 0


async def test_k4_a_thousand_first_requests_make_one_fan_out(stage: Stage, clock: ManualClock) -> None:
    """K4: each source is asked once."""
    stage.users.script.after(0.01, value("Anna"))
    stage.book.script.after(0.02, value([1]))

    asking = [asyncio.create_task(stage.client.ask("/screens/1")) for _ in range(1000)]
    await clock.advance(0.02)
    answers = await asyncio.gather(*asking)

    assert {answer.status for answer in answers} == {200}
    assert len(stage.users.script.calls) == len(stage.book.script.calls) == 1
    assert stage.screen.counts()["flights"] == 0


async def test_t4_callers_of_a_private_route_share_nothing(env: Env, clock: ManualClock) -> None:
    """T4: neither a kept answer nor one under way crosses from one identity to another."""
    stage = Stage(env, clock, public=False)
    for script in (stage.users.script, stage.book.script):
        script.does(lambda call: value([dict(context_of(call)).get(b"authorization", b"").decode()]), 0.01)

    asking = [
        asyncio.create_task(
            stage.client.ask("/screens/1", headers=((b"authorization", b"user%d" % (i % 20)),))
        )
        for i in range(200)
    ]
    await clock.advance(0.01)
    answers = await asyncio.gather(*asking)

    assert len(stage.users.script.calls) == 20
    for i, answer in enumerate(answers):
        assert orjson.loads(answer.body)["orders"] == [f"user{i % 20}"]


async def test_k7_a_stale_answer_stands_in_for_an_error_and_says_so(env: Env, clock: ManualClock) -> None:
    """K7, P4: past its lifetime, inside its window, with its age; it is not to be kept by others."""
    stage = Stage(env, clock, stale=60.0)
    stage.users.script.then(value("Anna")).fails(UpstreamUnavailable)
    stage.book.script.then(value([1]))
    await stage.client.ask("/screens/1")
    await clock.advance(42.0)

    answer = await stage.client.ask("/screens/1")

    assert answer.status == 200
    assert answer.header(b"stagedoor-parts") == b"name=stale;age=12, orders=stale;age=12"
    assert answer.header(b"cache-control") == b"no-store"
    assert answer.header(b"cache-status") == b"stagedoor; hit; ttl=-12; detail=stale"


async def test_k7_a_required_part_that_is_refused_ends_the_kept_answer(env: Env, clock: ManualClock) -> None:
    """D2, K7: the user is gone; when the users fail later, the old screen is not brought back."""
    stage = Stage(env, clock, stale=600.0)
    gone = UpstreamRejected("users.get", "answered 404", response=HttpResponse(status=404))
    stage.users.script.then(value("Anna")).fails(gone).fails(UpstreamUnavailable)
    stage.book.script.then(value([1]))
    await stage.client.ask("/screens/1")
    await clock.advance(42.0)
    refused = await stage.client.ask("/screens/1")
    failed = await stage.client.ask("/screens/1")

    assert (refused.status, failed.status) == (502, 503)
    assert b"Anna" not in refused.body + failed.body


async def test_d6_the_last_client_to_leave_stops_the_fan_out(stage: Stage) -> None:
    """D6: nobody waits, nothing is asked any more."""
    stage.users.script.hangs()
    stage.book.script.hangs()
    asking = [asyncio.create_task(stage.client.ask("/screens/1")) for _ in range(3)]
    await settle()
    stage.client.leave()

    results = await asyncio.gather(*asking, return_exceptions=True)

    assert all(isinstance(result, ConnectionError) for result in results)
    assert stage.users.script.active == stage.book.script.active == 0
    assert stage.screen.counts()["flights"] == 0


async def test_a_route_may_answer_some_errors_in_its_own_way(stage: Stage) -> None:
    """An unknown id is an answer, not an outage (P8); anything else stays in the table."""
    stage.users.script.fails(UpstreamError("users.get"))

    assert (await stage.client.ask("/screens/1")).status == 503


def test_k8_what_is_kept_comes_back_as_it_was() -> None:
    """K8: verdicts and bytes survive the store; a stored answer decodes to an equal one."""
    codec = RenderedCodec()
    rendered = Rendered(b'{"a":1', {"b": None}, {}, True)

    assert codec.decode(codec.encode(rendered)) == rendered


def context_of(_: object) -> tuple[tuple[bytes, bytes], ...]:
    return context.current().forward


def declared(env: Env, kind: Any, said: Any, spare: Any) -> Client:
    """Serve one part of a declared type, with its document."""
    model = create_model("Page", part=(kind, ...))
    page = Aggregate(model, budget=0.1)

    async def part(number: str) -> Any:
        return said

    part.__annotations__["return"] = kind
    page.part(fallback=spare)(part)
    route, _ = aggregate_route(
        "/pages/{number}",
        page.plan(sources={}, values={"number": str}),
        env=env,
        public=True,
        parameters=(Text(name="number", description="", example="1"),),
        documentation=Documentation(summary="A page", model=model),
    )
    shown = documentation_routes(
        [DocumentSet(openapi="/openapi.json")],
        routes=lambda: [route],
        title="",
        version="1",
        description="",
        nonce=str,
    )
    return Client(Gateway([route, *shown], env=env, name="test"))


@pytest.mark.parametrize(
    ("kind", "said", "spare"),
    [
        (int, 1, 0),
        (UUID, UUID(int=1), UUID(int=0)),
        (date, date(2026, 1, 5), date.min),
        (timedelta, timedelta(seconds=1), timedelta()),
        (Decimal, Decimal("10.50"), Decimal(0)),
        (list[Decimal], [Decimal("10.50")], []),
        (set[int], {1}, set()),
        (frozenset[str], frozenset("a"), frozenset()),
        (bytes, b"a", b""),
        (Path, Path("a"), Path()),
        (IPv4Address, IPv4Address("192.0.2.1"), IPv4Address(0)),
        (dict[int, str], {1: "a"}, {}),
    ],
    ids=str,
)
async def test_whatever_pydantic_can_say_in_json_may_be_declared(
    env: Env, kind: Any, said: Any, spare: Any
) -> None:
    """Case 07: it was checked at the start and stands in the document, so it is answered."""
    answer = await declared(env, kind, said, spare).ask("/pages/1")

    assert answer.status == 200
    assert orjson.loads(answer.body)["part"] == orjson.loads(TypeAdapter(kind).dump_json(said))


class Plain(BaseModel):
    """No aliases."""

    full_name: str


class Camel(BaseModel):
    """An alias for every field."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    full_name: str


class Aliased(BaseModel):
    """One alias, both ways."""

    model_config = ConfigDict(populate_by_name=True)
    full_name: str = Field(alias="name")


class Written(BaseModel):
    """One alias, outwards only."""

    full_name: str = Field(serialization_alias="name")


class Read(BaseModel):
    """One alias, inwards only."""

    model_config = ConfigDict(populate_by_name=True)
    full_name: str = Field(validation_alias="name")


@pytest.mark.parametrize(
    "kind",
    [
        Plain,
        Camel,
        Aliased,
        Written,
        Read,
    ],
)
async def test_answers_have_the_names_of_the_document(env: Env, kind: Any) -> None:
    """G9, case 08: clients are made from the document."""
    client = declared(env, kind, kind(full_name="Ann"), kind(full_name=""))

    said = orjson.loads((await client.ask("/pages/1")).body)["part"]
    shown = orjson.loads((await client.ask("/openapi.json")).body)["components"]["schemas"][kind.__name__]

    assert set(said) == set(shown["properties"])
    assert set(said) >= set(shown["required"])
