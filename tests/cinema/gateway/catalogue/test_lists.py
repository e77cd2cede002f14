"""Lists of the catalogue: order, filters, pages."""

import asyncio

import orjson
import pytest

from tests.cinema.gateway.catalogue.films import ACTION, FILMS, LUCAS, STAR_WARS, uid
from tests.cinema.gateway.catalogue.shelves import results, said
from tests.cinema.gateway.services import House, header

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/genres?sort=imdb_rating",
        "/api/v1/persons?sort=name",
        "/api/v1/films?sort=imdb_rating,title",
        "/api/v1/films?sort=--title",
        "/v1/genres?order=imdb_rating",
        "/v1/persons?order=full_name",
        "/v1/films?order=",
    ],
)
async def test_an_unknown_sort_is_refused_not_ignored(house: House, target: str) -> None:
    """Defect: an unknown sort field was ignored."""
    answered = await house.client.ask(target)

    name = "order" if target.startswith("/v1") else "sort"
    assert (answered.status, orjson.loads(answered.body)["errors"][0]["loc"]) == (422, ["query", name])


async def test_lists_have_their_default_orders(house: House) -> None:
    """Contract 2: genres and persons by name; a text ranks, unless an order is asked for."""
    assert [one["name"] for one in await said(house, "/api/v1/genres")] == ["Action", "Drama", "Empty"]
    names = [one["name"] for one in (await said(house, "/v1/persons"))["results"]]
    assert names == sorted(names)
    found = [one["title"] for one in await said(house, "/api/v1/films/search?query=trek+star")]
    assert found == ["Star Trek", "Star Wars"]
    ranked = [one["title"] for one in await said(house, "/api/v1/films/search?query=trek+star&sort=-title")]
    assert ranked == ["Star Wars", "Star Trek"]


async def test_a_null_rating_is_last_in_both_directions(house: House) -> None:
    """Contract 2: in both dialects."""
    for sort in ("imdb_rating", "-imdb_rating"):
        assert (await said(house, f"/api/v1/films?sort={sort}&page_size=100"))[-1]["imdb_rating"] is None
        last = await said(house, f"/v1/films?order={sort}&pagination=62&pagination=1")
        assert last["results"][0]["imdb_rating"] is None


async def test_filters_of_the_gateway_dialect_combine_with_and(house: House) -> None:
    """Contract 4: every parameter of the table."""
    trek, alone = uid("film 1"), uid("film 2")

    assert await results(house, f"/v1/films?ids={trek}&ids={alone}&order=id") == sorted([trek, alone])
    assert await results(house, f"/v1/films?title=star&excluded_ids={trek}") == [STAR_WARS]
    assert await results(house, f"/v1/films?ids={trek}&ids={alone}&imdb_rating=5&imdb_rating=5") == [alone]
    assert await results(house, "/v1/films?imdb_rating=8.6&imdb_rating=") == [STAR_WARS]
    assert await results(house, "/v1/films?imdb_rating=&imdb_rating=6.5") == [alone]
    assert await results(house, "/v1/films?imdb_rating=9&imdb_rating=7") == []
    assert await results(house, f"/v1/films?id={trek}&imdb_rating=0&imdb_rating=10") == []
    assert await results(house, f"/v1/films?id={trek}&imdb_rating=&imdb_rating=") == [trek]
    assert await results(house, f"/v1/films?id={trek}&title=&description=") == [trek]
    assert await results(house, "/v1/genres?name=action") == [ACTION]
    assert await results(house, "/v1/persons?name=lucas&order=-name") == [LUCAS]
    assert await results(house, "/v1/films?description=nothing") == []


async def test_order_keys_of_the_gateway_dialect_are_applied_as_given(house: House) -> None:
    """Contract 4: repeatable, in the given order, ties by id."""
    titles = [(one["title"], one["id"]) for one in FILMS if one["imdb_rating"] == 7.0]
    wanted = sorted(sorted(titles, key=lambda one: one[1]), key=lambda one: one[0], reverse=True)

    target = (
        "/v1/films?imdb_rating=7&imdb_rating=7&order=imdb_rating&order=-title&pagination=0&pagination=100"
    )
    assert await results(house, target) == [one for _, one in wanted]


async def test_a_page_of_nothing_passed_over_has_the_size_asked_for(house: House) -> None:
    """Defect: an offset of 0 was dropped, so that the engine's own size applied; the default is ten from the first."""
    assert len(await results(house, "/v1/films?pagination=0&pagination=1")) == 1
    assert await results(house, "/v1/films") == await results(house, "/v1/films?pagination=0&pagination=10")
    assert (
        await results(house, "/v1/films?pagination=20&pagination=5")
        == (await results(house, "/v1/films?pagination=0&pagination=100"))[20:25]
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/api/v1/films", "/api/v1/films?page_number=1"),
        ("/api/v1/films", "/api/v1/films/?page_size=50&sort=-imdb_rating"),
        (
            "/api/v1/films?sort=title&page_size=5",
            "/api/v1/films?page_size=5&sort=title&utm_source=x&sort%00=1",
        ),
        ("/api/v1/films/search?query=star+wars", "/api/v1/films/search?query=x&query=star%20wars"),
        ("/v1/films", "/v1/films?pagination=0&pagination=10&title=&imdb_rating=&imdb_rating=&page_size=7"),
        (f"/api/v1/films/{STAR_WARS}", f"/api/v1/films/{STAR_WARS}?page_size=7"),
    ],
)
async def test_t6_what_asks_the_same_shares_what_is_kept(house: House, one: str, other: str) -> None:
    """Contract 9: defaults are filled in, the last of a single value counts, and what is unknown plays no part."""
    first, second = await house.client.ask(one), await house.client.ask(other)

    assert header(second, "cache-status").startswith("stagedoor; hit")
    assert second.body == first.body


async def test_stop_words_alone_are_an_answer(house: House) -> None:
    """Contract 2: 200, perhaps empty; signs and operators are plain text."""
    assert await said(house, "/api/v1/films/search?query=the+of+and") == []
    assert await said(house, "/api/v1/films/search?query=%F0%9F%8E%AC") == []
    for text in ("%22star%20wars%22", "star*%20OR%20title:x", "(star", "star~9%20%2Fx%2F"):
        assert STAR_WARS in str(await said(house, f"/api/v1/films/search?query={text}"))


async def test_typical_calls_work_as_written(house: House) -> None:
    """Contract 3: the calls that the course makes."""
    first = "/api/v1/films?sort=-imdb_rating&page_size=50&page_number=1"
    films = await said(house, first)

    assert films[0]["uuid"] == STAR_WARS
    assert {one["uuid"] for one in await said(house, f"{first}&genre={ACTION}")} == {STAR_WARS, uid("film 1")}
    assert len(await said(house, "/api/v1/films/search/?query=star&page_number=1&page_size=50")) == 2
    assert len(await said(house, "/api/v1/persons/search?query=captain")) == 1


async def test_both_dialects_agree_on_every_list(house: House) -> None:
    """Contract 2: membership, totals and order, for all three kinds and every sort they share."""
    for kind, sorts in (("films", ("imdb_rating", "title")), ("genres", ("name",)), ("persons", ("name",))):
        for sort in (sign + one for one in sorts for sign in ("", "-")):
            field = sort.replace("name", "full_name") if kind == "persons" else sort
            course = await house.client.ask(f"/api/v1/{kind}?sort={field}&page_size=100")
            gateway = await house.client.ask(f"/v1/{kind}?order={sort}&pagination=0&pagination=100")
            assert [one["uuid"] for one in orjson.loads(course.body)] == [
                one["id"] for one in orjson.loads(gateway.body)["results"]
            ]
            assert header(course, "x-total-count") == header(gateway, "x-total-count")


async def test_t9_what_is_refused_costs_nothing(house: House) -> None:
    """T9: page or size of 10^6, windows beyond 10,000, 10 kB of text, 501 and 5,000 ids: named, and never asked."""
    hostile = {
        "/api/v1/films?page_number=1000000": (400, "page_number"),
        "/api/v1/films?page_size=1000000": (422, "page_size"),
        "/api/v1/films?page_number=101&page_size=100": (400, "page_number"),
        "/v1/films?pagination=9991&pagination=10": (400, "pagination"),
        "/v1/films?pagination=0&pagination=1000000": (422, "pagination"),
        f"/api/v1/films/{STAR_WARS}/similar?page_number=1000000": (400, "page_number"),
        "/api/v1/films/search?query=" + "a" * 10_240: (422, "query"),
        "/v1/films?title=" + "%F0%9F%8E%AC" * 256: (422, "title"),
        "/v1/films?" + "&".join([f"ids={UNKNOWN}"] * 501): (422, "ids"),
        "/v1/persons?" + "&".join([f"excluded_ids={UNKNOWN}"] * 5_000): (422, "excluded_ids"),
    }
    for target, (status, name) in hostile.items():
        asked = house.engine.asked
        answered = await house.client.ask(target)
        problem = orjson.loads(answered.body)
        said = (
            problem["detail"]
            if status == 400
            else problem["errors"][0]["loc"][1] + problem["errors"][0]["msg"]
        )
        assert (answered.status, house.engine.asked) == (status, asked)
        assert name in said, (target[:60], said)
        assert any(bound in said for bound in ("10,000", "100", "255", "500")), said


async def test_k4_many_who_ask_the_same_at_once_get_the_same(house: House) -> None:
    """K4: each with links of their own."""
    answers = await asyncio.gather(
        *(house.client.ask(f"/api/v1/films?page_size=2{more}") for more in ("", "&sort=-imdb_rating") * 20)
    )

    assert len({answer.body for answer in answers}) == 1
    assert len({header(answer, "link") for answer in answers}) == 2
