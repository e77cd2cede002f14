"""CONTRACTS 3 and 4: suggestions, what was met, what was meant, and how many there are of each genre."""

from typing import Any

import orjson
import pytest

from cinema.gateway.catalogue import beside
from cinema.gateway.catalogue.beside import display_string
from tests.cinema.gateway.catalogue.films import ACTION, DRAMA, HAMILL, LUCAS, STAR_WARS, uid
from tests.cinema.gateway.services import House


async def said(house: House, target: str) -> Any:
    answered = await house.client.ask(target)
    assert answered.status == 200, answered.body
    return orjson.loads(answered.body)


async def test_suggestions_are_films_and_persons_by_the_beginning_of_words(house: House) -> None:
    """18: those that begin with all that was typed come first; shorter titles before longer ones."""
    stars = await said(house, "/api/v1/suggest?query=sta")
    people = await said(house, "/api/v1/suggest?query=luc")
    both = await said(house, "/api/v1/suggest/?query=star%20wa&limit=1")

    assert stars == [
        {"type": "film", "uuid": STAR_WARS, "text": "Star Wars"},
        {"type": "film", "uuid": uid("film 1"), "text": "Star Trek"},
    ]
    assert people == [{"type": "person", "uuid": LUCAS, "text": "George Lucas"}]
    assert [one["text"] for one in both] == ["Star Wars"]
    assert await said(house, "/api/v1/suggest?query=mark+h") == [
        {"type": "person", "uuid": HAMILL, "text": "Mark Hamill"}
    ]
    assert await said(house, "/api/v1/suggest?query=zz") == []


async def test_suggestions_are_kept_under_the_tags_of_films_and_persons(house: House) -> None:
    """9: a finished batch makes them old as it does lists."""
    first = await house.client.ask("/api/v1/suggest?query=sta")
    again = await house.client.ask("/api/v1/suggest?query=sta&limit=10")

    assert b"hit" not in (first.header(b"cache-status") or b"")
    assert b"hit" in (again.header(b"cache-status") or b"")


@pytest.mark.parametrize(
    "query", ["", "query=", "query=%20", "query=a&limit=0", "query=a&limit=21", "query=a&limit=x"]
)
async def test_wrong_questions_for_suggestions_are_refused(house: House, query: str) -> None:
    """18: 422, naming the parameter."""
    assert (await house.client.ask(f"/api/v1/suggest?{query}")).status == 422


async def test_what_was_met_is_marked_where_it_is_asked_for(house: House) -> None:
    """18: a key of each result; nothing where no words were searched."""
    found = await said(house, "/v1/films?title=star&highlight=true")
    plain = await said(house, "/v1/films?title=star")
    unsearched = await said(house, "/v1/films?highlight=true")

    assert found["results"][0]["highlight"] == {"title": "<em>Star</em> Wars"}
    assert "highlight" not in plain["results"][0]
    assert "highlight" not in unsearched["results"][0]
    assert (await house.client.ask("/v1/films?title=star&highlight=yes")).status == 422


async def test_genres_are_counted_over_all_matches(house: House) -> None:
    """18: exact, most first, with their names; not only those of the page."""
    found = await said(house, "/v1/films?facet=genres&pagination=0&pagination=1")
    none = await said(house, "/v1/films?facet=genres&title=zzz")

    assert found["facets"] == {
        "genres": [{"id": DRAMA, "name": "Drama", "count": 61}, {"id": ACTION, "name": "Action", "count": 2}]
    }
    assert none == {"results": [], "facets": {"genres": []}}
    assert (await house.client.ask("/v1/films?facet=actors")).status == 422


async def test_genres_that_are_not_among_the_first_are_named_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """18: names are asked for before it is known which are counted, of so many as there usually are."""
    monkeypatch.setattr(beside, "FIRST", 1)
    found = await said(house, "/v1/films?facet=genres")

    assert {(genre["id"], genre["name"]) for genre in found["facets"]["genres"]} == {
        (DRAMA, "Drama"),
        (ACTION, "Action"),
    }


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("/api/v1/films/search?query=alnoe", b'%"alone"'),
        ("/api/v1/persons/search?query=gorge", b'%"george"'),
        ("/v1/films?title=alnoe", b'%"alone"'),
        ("/v1/persons?name=gorge", b'%"george"'),
        ("/api/v1/films/search?query=star+wrs", None),
        ("/api/v1/films/search?query=alone", None),
        ("/api/v1/films/search?query=hamlil", b'%"hamill"'),
        ("/v1/films", None),
    ],
)
async def test_what_was_meant_is_said_where_only_near_words_matched(
    house: House, target: str, meant: bytes | None
) -> None:
    """18: as a field in both dialects, and in the body of the gateway's."""
    answered = await house.client.ask(target)
    body = orjson.loads(answered.body)

    assert answered.header(b"did-you-mean") == meant
    if isinstance(body, dict):
        assert body.get("did_you_mean") == (None if meant is None else meant[2:-1].decode())


def test_a_display_string_is_ascii() -> None:
    """RFC 9651 4.1.11: percent, quotes and all but printable ASCII as bytes in lower-case hexadecimal."""
    assert display_string('a"%\u00e9\n') == b'%"a%22%25%c3%a9%0a"'
