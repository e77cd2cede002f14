"""CONTRACTS 1 to 4 line by line, for every route of the catalogue: what holds for all of them, and each defect."""

import asyncio
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from cinema.gateway.catalogue.resources import LISTS, RELATED, THINGS
from stagedoor.errors import UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamUnavailable
from stagedoor.testing import ManualClock
from tests.cinema.gateway.catalogue.films import ACTION, FILMS, LUCAS, STAR_WARS, uid
from tests.cinema.gateway.services import House, header
from tests.stagedoor.door.conftest import serving

UNKNOWN = "00000000-0000-4000-8000-000000000000"
IDS = {"film": STAR_WARS, "genre": ACTION, "person": LUCAS}
SEARCHES = [row.path + "?query=star" for row in LISTS if row.path.endswith("/search")]
PAGES = [
    *(row.path for row in LISTS if not row.path.endswith("/search")),
    *SEARCHES,
    *(row.path.replace(f"{{{row.id}}}", IDS[row.kind]) for row in THINGS),
    *(row.path.replace("{uuid}", IDS[row.kind]) for row in RELATED),
]


async def said(house: House, target: str) -> Any:
    answered = await house.client.ask(target)
    assert answered.status == 200, (target, answered.body)
    return orjson.loads(answered.body)


async def results(house: House, target: str) -> list[str]:
    """Return the ids of a list of the gateway dialect."""
    return [one["id"] for one in (await said(house, target))["results"]]


@pytest.mark.parametrize("target", PAGES)
async def test_every_path_works_with_a_slash_and_by_head(house: House, target: str) -> None:
    """Contract 1.2: the same answer without a redirect, and HEAD wherever there is GET."""
    path, _, query = target.partition("?")

    plain = await house.client.ask(target)
    slash = await house.client.ask(f"{path}/?{query}")
    head = await house.client.ask(target, method="HEAD")

    assert plain.status == slash.status == head.status == 200
    assert (slash.body, head.body) == (plain.body, b"")
    for name in ("etag", "content-type", "x-total-count", "link"):
        assert header(plain, name) == header(slash, name) == header(head, name)


@pytest.mark.parametrize("target", PAGES)
async def test_hc15_every_page_is_kept_for_300_seconds(house: House, clock: ManualClock, target: str) -> None:
    """HC15, contract 3: lists and searches too; a hit is byte-identical and says what is left of its life."""
    first = await house.client.ask(target)
    await clock.advance(89.0)
    asked = house.engine.asked

    again = await house.client.ask(target)
    unchanged = await house.client.ask(target, headers=((b"if-none-match", header(first, "etag").encode()),))

    assert header(first, "cache-status") == "stagedoor; fwd=miss; stored"
    assert header(first, "cache-control") == "public, max-age=300"
    assert header(again, "cache-status") == "stagedoor; hit; ttl=211"
    assert header(again, "cache-control") == header(unchanged, "cache-control") == "public, max-age=211"
    assert (again.body, unchanged.status, unchanged.body) == (first.body, 304, b"")
    assert house.engine.asked == asked
    for answered in (first, again, unchanged):
        assert header(answered, "x-content-type-options") == "nosniff"
        assert header(answered, "x-request-id")


@pytest.mark.parametrize("target", PAGES)
async def test_other_methods_are_405_with_allow(house: House, target: str) -> None:
    """Contract 1.2: the catalogue is read-only, and says so as a problem."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answered = await house.client.ask(target, method=method)

        assert answered.status == 405
        assert {"GET", "HEAD"} <= set(header(answered, "allow").replace(" ", "").split(","))
        assert header(answered, "content-type") == "application/problem+json"


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/films/search/x",
        "/api/v1/genres/..%2ffilms",
        "/v1/films/%2e%2e",
        f"/v1/films/{STAR_WARS}/similar",
        f"/api/v1/films/{STAR_WARS}%2fsimilar",
        "/v1/films/search?query=star",
        "/v1/nothing",
    ],
)
async def test_t8_nothing_else_is_a_path(house: House, target: str) -> None:
    """T8, contract 1.2: an encoded slash or dot segment never reaches another route."""
    asked = house.engine.asked
    answered = await house.client.ask(target)

    assert answered.status in {404, 422}
    assert house.engine.asked == asked


async def test_h10_a_problem_has_the_form_of_the_contract(house: House) -> None:
    """H10, contract 1.4: path as instance, the real status, never kept; a 422 names place and parameter."""
    answered = await house.client.ask(
        "/api/v1/films?page_size=101&sort=title", headers=((b"x-request-id", b"r-1"),)
    )

    assert orjson.loads(answered.body) == {
        "type": "urn:problem-type:cinema:validation",
        "title": orjson.loads(answered.body)["title"],
        "status": 422,
        "detail": orjson.loads(answered.body)["detail"],
        "instance": "/api/v1/films",
        "request_id": "r-1",
        "errors": [{"loc": ["query", "page_size"], "msg": "must be between 1 and 100", "type": "range"}],
    }
    assert isinstance(orjson.loads(answered.body)["detail"], str)
    assert header(answered, "cache-control") == "no-store"


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (UpstreamUnavailable("search.list", "refused", retryable=True), 503, "upstream-unavailable"),
        (UpstreamTimeout("search.list", "late"), 504, "upstream-timeout"),
        (UpstreamGarbled("search.list", "not JSON"), 502, "upstream-garbled"),
    ],
)
@pytest.mark.parametrize(
    "target", ["/api/v1/films", f"/v1/films/{STAR_WARS}", f"/api/v1/persons/{LUCAS}/film"]
)
async def test_h6_an_outage_is_neither_404_nor_500(
    house: House,
    clock: ManualClock,
    target: str,
    failure: UpstreamError,
    status: int,
    kind: str,
) -> None:
    """H6, contract 1.4: never a dependency's fault as plain text, 400, 404 or 500; nothing of it is kept."""
    house.engine.failure = failure
    answered = await clock.run(house.client.ask(target))
    house.engine.failure = None
    problem = orjson.loads(answered.body)

    assert (answered.status, problem["type"]) == (status, f"urn:problem-type:cinema:{kind}")
    assert header(answered, "cache-control") == "no-store"
    if status == 503:
        assert int(header(answered, "retry-after")) >= 1
    await clock.advance(5.0)
    assert (await clock.run(house.client.ask(target))).status == 200


async def test_bodies_have_exactly_the_keys_of_their_dialect(house: House) -> None:
    """Contracts 3 and 4: `uuid` and `full_name` there, `id` and `name` here; an item is as in its list."""
    course = {
        "films": ["uuid", "title", "imdb_rating"],
        "genres": ["uuid", "name", "description"],
        "persons": ["uuid", "full_name", "films"],
    }
    gateway = {
        "films": ["id", "title", "description", "imdb_rating", "genres", "actors", "directors", "writers"],
        "genres": ["id", "name", "description"],
        "persons": ["id", "name"],
    }
    for kind, keys in course.items():
        listed = await said(house, f"/api/v1/{kind}?page_size=2")
        assert [list(one) for one in listed] == [keys] * 2
        if kind != "films":
            assert await said(house, f"/api/v1/{kind}/{listed[0]['uuid']}") == listed[0]
    assert [list(one) for one in await said(house, "/api/v1/films/search?query=star")] == [
        course["films"]
    ] * 2
    for kind, keys in gateway.items():
        held = await said(house, f"/v1/{kind}?pagination=0&pagination=2")
        assert list(held) == ["results"]
        assert [list(one) for one in held["results"]] == [keys] * 2
        assert await said(house, f"/v1/{kind}/{held['results'][0]['id']}") == held["results"][0]
    film = await said(house, f"/v1/films/{STAR_WARS}")
    assert film["genres"] == ["Action", "Drama"]
    assert film["directors"] == [{"id": LUCAS, "name": "George Lucas"}]


async def test_ids_are_read_in_either_case_and_answered_in_lower(house: House) -> None:
    """Contract 1.2: in paths and in parameters; both spellings share what is kept."""
    wanted = STAR_WARS.upper()
    for path in (f"/api/v1/films/{wanted}", f"/v1/films/{wanted}"):
        assert STAR_WARS in (await house.client.ask(path)).body.decode()
        assert header(await house.client.ask(path.lower()), "cache-status").startswith("stagedoor; hit")
    assert await results(house, f"/v1/films?id={wanted}") == [STAR_WARS]
    assert await results(house, f"/v1/films?ids={wanted}&ids={STAR_WARS}") == [STAR_WARS]
    assert len(await said(house, f"/api/v1/films?genre={ACTION.upper()}")) == 2


CROOKED = [
    "%FF",
    "%c0%af",
    "%00",
    "..%2f",
    STAR_WARS.replace("-", ""),
    f"{{{STAR_WARS}}}",
    f"urn:uuid:{STAR_WARS}",
    f"{STAR_WARS}%0a",
    f"{STAR_WARS}%FF",
    STAR_WARS.translate({ord("0") + n: chr(0x660 + n) for n in range(10)}).replace("a", "%D0%B0"),
]


@pytest.mark.parametrize("row", [*THINGS, *RELATED], ids=lambda row: row.path)
async def test_t8_a_crooked_id_is_422_whatever_its_octets(house: House, row: Any) -> None:
    """T8, contract 1.2: anything but the hyphenated form, from the socket on, also octets that are no UTF-8."""
    name = getattr(row, "id", "uuid")
    asked = house.engine.asked
    async with serving(house.gateway) as door:
        for crooked in CROOKED:
            path = row.path.replace(f"{{{name}}}", "".join(map(quoted, crooked)))
            (answer,) = await door.ask(
                f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
            )

            assert (answer.status, answer.field(b"content-type")) == (422, b"application/problem+json"), path
            assert answer.json()["errors"][0]["loc"] == ["path", name]
    assert house.engine.asked == asked


def quoted(letter: str) -> str:
    return letter if letter.isascii() and letter not in "{}" else quote(letter)


async def test_an_id_of_another_kind_is_unknown(house: House) -> None:
    """Defect: a key without the entity's name, so that a film's id answered with a person, or 500."""
    for prefix in ("/api/v1", "/v1"):
        for kind, path in (("film", "films"), ("genre", "genres"), ("person", "persons")):
            await house.client.ask(f"{prefix}/{path}/{IDS[kind]}")
            for other in IDS.keys() - {kind}:
                answered = await house.client.ask(f"{prefix}/{path}/{IDS[other]}")
                assert (answered.status, orjson.loads(answered.body)["detail"]) == (404, f"{kind} not found")


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
