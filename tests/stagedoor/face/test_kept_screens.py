"""A screen behind its route: kept, joined, judged and told."""

import asyncio
from collections.abc import AsyncIterator
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

from stagedoor import Cache, Delivery, Gateway, Report
from stagedoor.testing import Client, Stage, settle


class Screen(BaseModel):
    """Two parts and a summary."""

    name: str
    orders: list[Any] = []
    told: dict[str, Any]


class House:
    """One screen over two services."""

    def __init__(self, *, vary: frozenset[str] = frozenset(), stale: float = 0.0) -> None:
        self.app = app = Gateway("test", deadline=1.0)
        self.users = users = app.service("users", forward=vary)
        self.book = book = app.service("orders", forward=vary)
        screen = app.aggregate(
            "/screens/{number}", Screen, vary=vary, cache=Cache(max_age=30, stale_if_error=stale)
        )

        @screen.part
        async def name(number: str) -> str:
            return await users.get(str, "/{}", number)

        @screen.part
        async def orders(number: str) -> list[Any]:
            return await book.get(list[Any], "/{}", number)

        @screen.summary
        def told(name: str, report: Report) -> dict[str, Any]:
            return {"of": name, "lifetime": report.lifetime}

        @screen.delivered
        def completed(told: dict[str, Any], delivery: Delivery) -> dict[str, Any]:
            return {**told, "cached": delivery.cached}


@pytest.fixture
async def house() -> House:
    return House()


@pytest.fixture
async def stage(house: House) -> AsyncIterator[Stage]:
    async with Stage(house.app) as stage:
        stage[house.users].says("Anna")
        stage[house.book].says([1, 2])
        yield stage


async def test_p4_verdicts_travel_in_the_header_and_the_summary_fills_its_field(stage: Stage) -> None:
    """P4: body, Stagedoor-Parts and Server-Timing tell the same story."""
    answer = await stage.get("/screens/1")

    said = {"of": "Anna", "lifetime": 30.0, "cached": False}
    assert answer.read(dict[str, Any]) == {"name": "Anna", "orders": [1, 2], "told": said}
    assert answer.header("stagedoor-parts") == "name=fresh, orders=fresh"
    assert answer.header("server-timing") == "name;dur=0.0, orders;dur=0.0, total;dur=0.0"
    assert answer.header("cache-control") == "public, max-age=30"
    assert answer.header("cache-status") == "stagedoor; fwd=miss; stored"


async def test_a_kept_answer_says_so_and_sends_the_rest_of_its_lifetime(house: House, stage: Stage) -> None:
    """Only what the delivery adds differs from the first answer."""
    first = await stage.get("/screens/1")
    await stage.advance(10.5)

    again = await stage.get("/screens/1")

    assert again.body == first.body.replace(b'"cached":false', b'"cached":true')
    assert again.header("stagedoor-parts") == "name=cached, orders=cached"
    assert again.header("cache-control") == "public, max-age=19"
    assert again.header("cache-status") == "stagedoor; hit; ttl=19"
    assert len(stage[house.users].asked) == 1


async def test_p1_a_partial_answer_is_named_and_has_no_lifetime(house: House, stage: Stage) -> None:
    """P1: no-store, the reason in the verdict, and a report that promises nothing."""
    stage[house.book].fails()

    await stage.get("/screens/1")
    partial = await stage.get("/screens/2")

    assert partial.header("stagedoor-parts") == "name=fresh, orders=fallback;reason=unavailable"
    assert partial.header("cache-control") == "no-store"
    assert partial.read(dict[str, Any])["told"]["lifetime"] == 0.0


async def test_k4_a_thousand_first_requests_make_one_fan_out(house: House, stage: Stage) -> None:
    """K4: each service is asked once."""
    client = Client(stage.running)
    answers = await stage.run(asyncio.gather(*[client.ask("/screens/1") for _ in range(1000)]))

    assert {answer.status for answer in answers} == {200}
    assert len(stage[house.users].asked) == len(stage[house.book].asked) == 1


async def test_t4_callers_of_a_private_screen_share_nothing() -> None:
    """T4: neither a kept answer nor one under way crosses from one identity to another."""
    house = House(vary=frozenset({"authorization"}))
    async with Stage(house.app) as stage:
        stage[house.users].says(*[f"user{i}" for i in range(20)])
        stage[house.book].says([])
        client = Client(stage.running)
        asking = [
            client.ask("/screens/1", headers=((b"authorization", b"user%d" % (i % 20)),)) for i in range(100)
        ]
        answers = await stage.run(asyncio.gather(*asking))

        assert len(stage[house.users].asked) == 20
        assert [orjson.loads(one.body)["name"] for one in answers] == [f"user{i % 20}" for i in range(100)]


async def test_k7_a_stale_answer_stands_in_for_an_error_and_says_so() -> None:
    """K7, P4: past its lifetime, inside its window, with its age; it is not to be kept by others."""
    house = House(stale=60.0)
    async with Stage(house.app) as stage:
        stage[house.users].says("Anna").fails()
        stage[house.book].says([1])
        await stage.get("/screens/1")
        await stage.advance(42.0)

        answer = await stage.get("/screens/1")

        assert answer.status == 200
        assert answer.header("stagedoor-parts") == "name=stale;age=12, orders=stale;age=12"
        assert answer.header("cache-control") == "no-store"
        assert answer.header("cache-status") == "stagedoor; hit; ttl=-12; detail=stale"


async def test_k7_a_required_part_that_is_refused_ends_the_kept_answer() -> None:
    """K9, K7: the user is gone; when the users fail later, the old screen is not brought back."""
    house = House(stale=600.0)
    async with Stage(house.app) as stage:
        stage[house.users].says("Anna").fails(404).fails()
        stage[house.book].says([1])
        await stage.get("/screens/1")
        await stage.advance(42.0)
        refused, failed = await stage.get("/screens/1"), await stage.get("/screens/1")

        assert (refused.status, failed.status) == (404, 503)
        assert b"Anna" not in refused.body + failed.body


async def test_d6_the_last_client_to_leave_stops_the_fan_out(house: House, stage: Stage) -> None:
    """D6: nobody waits, nothing is asked any more."""
    stage[house.users].hangs()
    await stage.get("/screens/1")
    client = Client(stage.running)
    asking = [asyncio.create_task(client.ask("/screens/2")) for _ in range(3)]
    await settle()
    client.leave()

    results = await asyncio.gather(*asking, return_exceptions=True)

    assert all(isinstance(result, ConnectionError) for result in results)
    assert not any(number for one in stage.running.web.upstreams for number in one.counts().values())


def declared(kind: Any, said: Any) -> Gateway:
    """Declare a screen with one part of a type."""
    app = Gateway("test")
    page = app.aggregate("/page", create_model("Page", part=(kind, ...)))

    async def part() -> Any:
        return said

    part.__annotations__["return"] = kind
    page.part(part)
    return app


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (int, 1),
        (UUID, UUID(int=1)),
        (date, date(2026, 1, 5)),
        (timedelta, timedelta(seconds=1)),
        (Decimal, Decimal("10.50")),
        (list[Decimal], [Decimal("10.50")]),
        (set[int], {1}),
        (frozenset[str], frozenset("a")),
        (bytes, b"a"),
        (Path, Path("a")),
        (IPv4Address, IPv4Address("192.0.2.1")),
        (dict[int, str], {1: "a"}),
    ],
    ids=str,
)
async def test_whatever_pydantic_can_say_in_json_may_be_declared(kind: Any, said: Any) -> None:
    """Case 07: it was checked at the start and stands in the document, so it is answered."""
    async with Stage(declared(kind, said)) as stage:
        answer = await stage.get("/page")

        assert answer.status == 200
        assert answer.read(dict[str, Any])["part"] == TypeAdapter(kind).dump_python(said, mode="json")


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


@pytest.mark.parametrize("kind", [Plain, Camel, Aliased, Written, Read])
async def test_answers_have_the_names_of_the_document(kind: Any) -> None:
    """G9, case 08: clients are made from the document."""
    async with Stage(declared(kind, kind(full_name="Ann"))) as stage:
        said = (await stage.get("/page")).read(dict[str, Any])["part"]
        document = (await stage.get("/openapi.json")).read(dict[str, Any])

        shown = document["components"]["schemas"][kind.__name__]
        assert set(said) == set(shown["properties"])
        assert set(said) >= set(shown["required"])


async def test_k5_what_completes_a_summary_changes_that_of_no_other_answer() -> None:
    """K5: answers that share one run share its summary; what one took out of it was missing in the next, a 500."""
    app = Gateway("test", deadline=1.0)
    users = app.service("users")
    screen = app.aggregate("/screens/{number}", Screen, cache=Cache(max_age=30))

    @screen.part
    async def name(number: int) -> str:
        return await users.get(str, "/users/{}", number)

    @screen.summary
    def told(name: str) -> dict[str, Any]:
        return {"of": name, "own": 1}

    @screen.delivered
    def completed(told: dict[str, Any], delivery: Delivery) -> dict[str, Any]:
        return {"own": told.pop("own"), **told}

    async with Stage(app) as stage:
        stage[users].after(0.1).says("ann")
        client = Client(stage.running)
        both = [asyncio.ensure_future(client.ask("/screens/1")) for _ in range(2)]
        await stage.advance(0.2)
        answers = [await both[0], await both[1], await client.ask("/screens/1")]

    assert [one.body for one in answers] == [b'{"name":"ann","orders":[],"told":{"own":1,"of":"ann"}}'] * 3
