"""Screens without a route of their own: handlers run them, and several routes show one kept answer."""

import pytest
from pydantic import BaseModel

from stagedoor import Answer, Cache, Gateway, NotFound
from stagedoor._face.blueprint import Blueprint
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage


class Shelf(BaseModel):
    books: list[str]


def library() -> Gateway:
    app = Gateway("library")
    store = app.service("store")
    shelf = app.aggregate("", Shelf, cache=Cache(max_age=60))

    @shelf.part
    async def books() -> list[str]:
        return await store.get(list[str], "/books")

    @app.get("/books", etag=True)
    async def every() -> Answer[list[str]]:
        found = await shelf.run()
        return Answer(found.value.books, headers=found.headers)

    @app.get("/books/{number}", etag=True)
    async def one(number: int) -> Answer[str]:
        found = await shelf.run()
        if number >= len(found.value.books):
            raise NotFound("no such book")
        return Answer(found.value.books[number], headers=found.headers)

    return app


async def test_several_routes_show_one_kept_answer() -> None:
    """Contract 7: list and single thing share one fetch, and say what remains of its life."""
    app = library()
    async with Stage(app) as stage:
        stage[app.services[0]].says(["Dune", "Emma"])
        first = await stage.get("/books")
        await stage.advance(10)
        second = await stage.get("/books/1")
        document = (await stage.get("/openapi.json")).read(dict)

    assert (first.read(list), second.read(str)) == (["Dune", "Emma"], "Emma")
    assert (first.parts, second.parts) == ({"books": "fresh"}, {"books": "cached"})
    assert [one.header("cache-control") for one in (first, second)] == [
        "public, max-age=60",
        "public, max-age=50",
    ]
    assert second.header("cache-status") == "stagedoor; hit; ttl=50"
    assert len(stage[app.services[0]].asked) == 1
    assert "/" not in document["paths"]


async def test_an_entity_tag_is_of_what_is_sent() -> None:
    """RFC 9110 13.1.2: who holds an answer is told so; a problem has none."""
    app = library()
    async with Stage(app) as stage:
        stage[app.services[0]].says(["Dune", "Emma"])
        tags = [(await stage.get(path)).header("etag") for path in ("/books", "/books/0", "/books/1")]
        held = await stage.get("/books/1", **{"if-none-match": f'"x", W/{tags[2]}'})
        other = await stage.get("/books/1", **{"if-none-match": tags[0]})
        missing = await stage.get("/books/9", **{"if-none-match": "*"})

    assert len({*tags}) == 3
    assert (held.status, held.body) == (304, b"")
    assert other.status == 200
    assert (missing.status, missing.header("etag")) == (404, "")


def test_two_of_one_name_are_a_mistake() -> None:
    """Their name is all that tells their answers apart in a store."""
    app = library()
    again = app.aggregate("", Shelf)

    @again.part
    async def books() -> list[str]:
        return []

    with pytest.raises(ConfigError, match="the screen 'shelf' is declared already"):
        app.inspected()


@pytest.mark.parametrize("seconds", [0, -1, 60, 61, float("nan"), True])
def test_a_renewal_that_cannot_be_is_refused(seconds: float) -> None:
    """With what would be right."""
    with pytest.raises(ConfigError, match="renew_after"):
        Cache(max_age=60, renew_after=seconds)


def test_f6_what_fails_a_screen_is_named_by_the_service_behind_it() -> None:
    """F6: the log gave the screen's own name as the cause of a 504, which nobody can mend."""
    assert Blueprint(library()).waited_for() == {"shelf": "store", "every": "store", "one": "store"}
