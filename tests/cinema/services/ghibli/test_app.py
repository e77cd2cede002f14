"""The stand-in for the film API: its schema, its facts, its flaws."""

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from pydantic import TypeAdapter

from cinema.services.ghibli.app import KINDS, build
from cinema.services.ghibli.facts import read_facts
from cinema.settings import Settings
from tests.cinema.services.asking import Asker, started

TOTORO = "58611129-2dbc-4a81-a72f-77ddfc1b1b49"
BASE = "http://127.0.0.1:8006"


@pytest.fixture
async def ghibli() -> AsyncIterator[Asker]:
    """Ask the stand-in; it needs no database."""
    async with started(build(Settings(), stream=io.BytesIO())) as asker:
        yield asker


@pytest.mark.parametrize(
    ("kind", "count"), [("films", 22), ("people", 57), ("locations", 25), ("species", 7), ("vehicles", 3)]
)
async def test_each_kind_has_the_public_schema_and_number(ghibli: Asker, kind: str, count: int) -> None:
    """Contract 7: these fields, all of them, all text or lists of text."""
    said = (await ghibli(f"/{kind}/")).json
    model = TypeAdapter(KINDS[kind])

    assert len(said) == count
    assert {frozenset(one) for one in said} == {frozenset(KINDS[kind].model_fields)}
    assert [model.validate_python(one, strict=True).model_dump() for one in said] == said


async def test_links_are_absolute_and_begin_with_its_own_address(ghibli: Asker) -> None:
    """Contract 7: so that they can be followed; placeholders end with the slash."""
    film = (await ghibli(f"/films/{TOTORO}")).json

    assert film["url"] == f"{BASE}/films/{TOTORO}"
    assert film["locations"] == [f"{BASE}/locations/"]
    assert film["image"].startswith("https://image.tmdb.org/")


async def test_the_flaws_are_the_public_ones(ghibli: Asker) -> None:
    """Contract 7: Castle in the Sky names 7 people, 14 name it; 59 links in all; two people are in two films."""
    films, people = (await ghibli("/films")).json, (await ghibli("/people")).json
    named = Counter(link.rpartition("/")[2] for person in people for link in person["films"])
    castle = films[0]

    assert (castle["title"], len(castle["people"]), named[castle["id"]]) == ("Castle in the Sky", 7, 14)
    assert (named.total(), sum(len(person["films"]) == 2 for person in people)) == (59, 2)
    assert sum(film["people"] == [f"{BASE}/people/"] for film in films) > 10
    assert sum(not named[film["id"]] for film in films) == 11


async def test_fields_limit_the_keys_of_lists_and_things(ghibli: Asker) -> None:
    """Contract 7; a name that is no field is none."""
    many = (await ghibli("/films/?fields=id,title,nothing&limit=2")).json
    one = (await ghibli(f"/films/{TOTORO}/?fields=title")).json

    assert [set(film) for film in many] == [{"id", "title"}] * 2
    assert one == {"title": "My Neighbor Totoro"}


async def test_any_field_is_a_filter(ghibli: Asker) -> None:
    """Contract 7: equality; what is no field is ignored."""
    said = (await ghibli("/films?director=Isao%20Takahata&release_date=1988&nothing=1&fields=title")).json

    assert said == [{"title": "Grave of the Fireflies"}]


@pytest.mark.parametrize(
    ("limit", "status"), [("1", 200), ("250", 200), ("0", 422), ("251", 422), ("x", 422)]
)
async def test_limit_is_from_1_to_250(ghibli: Asker, limit: str, status: int) -> None:
    """Contract 7."""
    assert (await ghibli(f"/people?limit={limit}")).status == status


@pytest.mark.parametrize("path", ["/films/nothing", "/people/", "/films/a%2Fb", "/nothing"])
async def test_an_unknown_id_is_not_found(ghibli: Asker, path: str) -> None:
    """Contract 7; a list is a list with and without its slash."""
    reply = await ghibli(path)

    assert reply.status == (200 if path == "/people/" else 404)
    assert reply.headers["content-type"] == (
        "application/json" if path == "/people/" else "application/problem+json"
    )


async def test_it_is_healthy_without_a_database() -> None:
    """Contract 11: it serves facts of the tree, and works offline."""
    settings = Settings(database_url="postgresql+asyncpg://nobody:x@127.0.0.1:1/none")
    async with started(build(settings, stream=io.BytesIO())) as ghibli:
        reply, about = await asyncio.gather(ghibli("/health"), ghibli("/"))

    assert reply.json == {"status": "healthy", "service": "ghibli-service"}
    assert "GET /films" in about.json["endpoints"]


def test_descriptions_are_short_sentences() -> None:
    """They are our own: nobody's prose is in the tree."""
    facts = read_facts(BASE)

    assert all(len(one["description"]) < 80 for kind in ("films", "vehicles") for one in facts[kind])
