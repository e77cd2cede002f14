"""What every path of the catalogue promises."""

from typing import Any
from urllib.parse import quote

import orjson
import pytest

from cinema.gateway.catalogue.resources import LISTS, RELATED, THINGS
from stagedoor.errors import UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamUnavailable
from stagedoor.testing import ManualClock
from tests.cinema.gateway.catalogue.films import ACTION, LUCAS, STAR_WARS
from tests.cinema.gateway.catalogue.shelves import results, said
from tests.cinema.gateway.services import House, header
from tests.stagedoor.door.conftest import serving

IDS = {"film": STAR_WARS, "genre": ACTION, "person": LUCAS}
SEARCHES = [row.path + "?query=star" for row in LISTS if row.path.endswith("/search")]
PAGES = [
    *(row.path for row in LISTS if not row.path.endswith("/search")),
    *SEARCHES,
    *(row.path.replace(f"{{{row.id}}}", IDS[row.kind]) for row in THINGS),
    *(row.path.replace("{uuid}", IDS[row.kind]) for row in RELATED),
]


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
