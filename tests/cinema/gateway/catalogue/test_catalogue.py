"""CONTRACTS 2 to 4: both dialects over ASGI, with the engine in memory."""

import asyncio
from typing import Any

import orjson
import pytest

from cinema.gateway.catalogue.views import person_of_gateway
from stagedoor._requests import HttpResponse
from stagedoor.testing import ManualClock
from tests.cinema.gateway.catalogue.films import ACTION, FILMS, LUCAS, STAR_WARS, uid
from tests.cinema.gateway.services import House

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def said(house: House, target: str) -> Any:
    answered = await house.client.ask(target)
    assert answered.status == 200, answered.body
    return orjson.loads(answered.body)


async def refused(house: House, target: str) -> tuple[int, dict[str, Any]]:
    answered = await house.client.ask(target)
    return answered.status, orjson.loads(answered.body)


async def test_a_film_of_the_course_dialect_has_exactly_these_keys(house: House) -> None:
    """As the contract writes it; roles that nobody has are empty, a missing rating is null."""
    page = await said(house, f"/api/v1/films/{STAR_WARS.upper()}")
    other = await said(house, f"/api/v1/films/{uid('film 1')}/")

    assert list(page) == [
        "uuid",
        "title",
        "imdb_rating",
        "description",
        "genre",
        "actors",
        "writers",
        "directors",
    ]
    assert page["genre"][0] == {"uuid": ACTION, "name": "Action"}
    assert page["directors"] == [{"uuid": LUCAS, "full_name": "George Lucas"}]
    assert (other["imdb_rating"], other["actors"]) == (None, [])


async def test_lists_of_the_course_dialect_are_bare_arrays_best_rated_first(house: House) -> None:
    """A null rating is last; the total is exact; the links keep other parameters."""
    answered = await house.client.ask("/api/v1/films?page_size=2")

    films = orjson.loads(answered.body)
    assert films[0] == {"uuid": STAR_WARS, "title": "Star Wars", "imdb_rating": 8.6}
    assert answered.header(b"x-total-count") == b"63"
    assert b'</api/v1/films?page_number=2&page_size=2>; rel="next"' in (answered.header(b"link") or b"")
    assert (await said(house, "/api/v1/films?page_size=63"))[-1]["imdb_rating"] is None


async def test_pages_never_overlap_or_skip(house: House) -> None:
    """Sixty equal ratings, in pages of seven, in both directions."""
    for sort in ("imdb_rating", "-imdb_rating", "title", "-title"):
        seen = []
        for number in range(1, 11):
            page = await said(house, f"/api/v1/films?sort={sort}&page_size=7&page_number={number}")
            seen += [film["uuid"] for film in page]

        assert sorted(seen) == sorted(film["id"] for film in FILMS)


async def test_both_dialects_agree_on_membership_totals_and_order(house: House) -> None:
    """They are two views of one index."""
    course = await house.client.ask(f"/api/v1/films?sort=title&page_size=40&genre={ACTION}")
    gateway = await house.client.ask("/v1/films?order=title&pagination=0&pagination=40&title=star")

    names = [film["uuid"] for film in orjson.loads(course.body)]
    assert names == [film["id"] for film in orjson.loads(gateway.body)["results"]]
    assert course.header(b"x-total-count") == gateway.header(b"x-total-count") == b"2"


async def test_a_search_finds_by_words_and_an_empty_one_is_refused(house: House) -> None:
    """`star` finds Star Wars; a blank query is 422."""
    found = await said(house, "/api/v1/films/search/?query=STAR%20wars&page_number=1&page_size=50")
    status, problem = await refused(house, "/api/v1/films/search?query=%20")

    assert found[0]["uuid"] == STAR_WARS
    assert (status, problem["errors"][0]["loc"]) == (422, ["query", "query"])
    assert (await refused(house, "/api/v1/films/search"))[0] == 422


async def test_persons_have_their_films_and_roles(house: House) -> None:
    """Roles in alphabetical order; both spellings of the list; nobody's films are an empty list."""
    person = await said(house, f"/api/v1/persons/{LUCAS}")

    assert person == {
        "uuid": LUCAS,
        "full_name": "George Lucas",
        "films": [{"uuid": STAR_WARS, "roles": ["director", "writer"]}],
    }
    for path in ("film", "films"):
        assert [one["uuid"] for one in await said(house, f"/api/v1/persons/{LUCAS}/{path}")] == [STAR_WARS]
    assert await said(house, f"/api/v1/persons/{uid('Nobody')}/film") == []
    assert (await said(house, "/api/v1/persons/search?query=captain"))[0]["full_name"] == "Captain Nobody"


async def test_similar_films_share_a_genre_and_are_others(house: House) -> None:
    """Best rated first; a film without genres has none."""
    similar = await said(house, f"/api/v1/films/{STAR_WARS}/similar?page_size=100")

    assert len(similar) == 61
    assert STAR_WARS not in [film["uuid"] for film in similar]
    assert await said(house, f"/api/v1/films/{uid('film 2')}/similar") == []


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/api/v1/films/{}", "film not found"),
        ("/api/v1/films/{}/similar", "film not found"),
        ("/api/v1/genres/{}", "genre not found"),
        ("/api/v1/persons/{}", "person not found"),
        ("/api/v1/persons/{}/film", "person not found"),
        ("/v1/films/{}", "film not found"),
        ("/v1/genres/{}", "genre not found"),
        ("/v1/persons/{}", "person not found"),
    ],
)
async def test_an_unknown_id_is_404_and_a_malformed_one_422(house: House, path: str, detail: str) -> None:
    """404 is not kept; 422 asks nothing of the engine."""
    assert (await refused(house, path.format(UNKNOWN)))[1]["detail"] == detail
    asked = house.engine.asked
    assert (await refused(house, path.format(UNKNOWN)))[0] == 404
    assert house.engine.asked > asked
    asked = house.engine.asked
    assert (await refused(house, path.format("not-a-uuid")))[0] == 422
    assert house.engine.asked == asked


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/api/v1/films?page_size=0", "page_size"),
        ("/api/v1/films?page_size=101", "page_size"),
        ("/api/v1/films?page_number=0", "page_number"),
        ("/api/v1/films?page_size=ten", "page_size"),
        ("/api/v1/films?sort=", "sort"),
        ("/api/v1/films?sort=year", "sort"),
        ("/api/v1/films?genre=action", "genre"),
        ("/api/v1/films/search?query=" + "a" * 256, "query"),
        ("/v1/films?pagination=0", "pagination"),
        ("/v1/films?pagination=0&pagination=0", "pagination"),
        ("/v1/films?pagination=0&pagination=101", "pagination"),
        ("/v1/films?pagination=-1&pagination=5", "pagination"),
        ("/v1/films?imdb_rating=7,9", "imdb_rating"),
        ("/v1/films?imdb_rating=NaN&imdb_rating=", "imdb_rating"),
        ("/v1/films?imdb_rating=-1&imdb_rating=9", "imdb_rating"),
        ("/v1/films?order=year", "order"),
        ("/v1/films?ids=x", "ids"),
        ("/v1/films?" + "&".join(["ids=" + UNKNOWN] * 501), "ids"),
        ("/v1/persons?name=a%00b", "name"),
    ],
)
async def test_t9_a_wrong_parameter_is_named_and_costs_nothing(house: House, target: str, name: str) -> None:
    """T9: 422 with the parameter as the client spells it, before the engine is asked."""
    asked = house.engine.asked
    status, problem = await refused(house, target)

    assert (status, problem["errors"][0]["loc"]) == (422, ["query", name])
    assert house.engine.asked == asked


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/films?page_size=100&page_number=101",
        "/api/v1/films?page_number=99999999999999999999999",
        "/v1/films?pagination=9991&pagination=10",
    ],
)
async def test_t9_beyond_the_window_is_400(house: House, target: str) -> None:
    """T9: decided before the index is asked, also for huge numbers."""
    asked = house.engine.asked
    status, problem = await refused(house, target)

    assert (status, problem["type"]) == (400, "urn:problem-type:cinema:beyond-window")
    assert house.engine.asked == asked


async def test_the_last_of_a_repeated_parameter_wins_and_unknown_ones_are_ignored(house: House) -> None:
    """Neither makes another cache entry."""
    first = await house.client.ask("/api/v1/films?page_size=2&page_size=3")
    again = await house.client.ask("/api/v1/films?page_size=3&utm_source=x")

    assert len(orjson.loads(first.body)) == 3
    assert again.body == first.body
    assert (again.header(b"cache-status") or b"").startswith(b"stagedoor; hit")


async def test_links_keep_the_parameters_of_whoever_asks(house: House) -> None:
    """Equal questions share a page; the links have each client's own spelling, and nothing unknown."""
    plain = await house.client.ask("/api/v1/films?page_size=2")
    spelled = await house.client.ask("/api/v1/films?page_size=2&x=1&sort=title&sort=-imdb_rating")
    search = await house.client.ask("/v1/films?title=tie+%D1%91&imdb_rating=&imdb_rating=7&genre=x")

    assert (plain.header(b"link") or b"").startswith(b'</api/v1/films?page_number=2&page_size=2>; rel="next"')
    assert (spelled.header(b"cache-status") or b"").startswith(b"stagedoor; hit")
    assert b"</api/v1/films?sort=title&sort=-imdb_rating&page_number=2&page_size=2>" in (
        spelled.header(b"link") or b""
    )
    assert b"</v1/films?title=tie%20%D1%91&imdb_rating=&imdb_rating=7&pagination=10&pagination=10>" in (
        search.header(b"link") or b""
    )


async def test_pages_are_kept_byte_for_byte_and_say_how_long_they_live(
    house: House, clock: ManualClock
) -> None:
    """300 s, with the rest of the lifetime in max-age, an entity tag, and 304 for who has it."""
    first = await house.client.ask("/v1/films")
    await clock.advance(100.0)
    asked = house.engine.asked

    again = await house.client.ask("/v1/films/")
    etag = first.header(b"etag") or b""
    unchanged = await house.client.ask("/v1/films", headers=((b"if-none-match", etag),))

    assert again.body == first.body
    assert again.header(b"cache-control") == b"public, max-age=200"
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert house.engine.asked == asked


async def test_k8_an_empty_list_is_kept_like_any_other(house: House) -> None:
    """K8: a cached [] is a hit."""
    await house.client.ask(f"/api/v1/films?genre={UNKNOWN}")

    answered = await house.client.ask(f"/api/v1/films?genre={UNKNOWN}")

    assert (answered.status, answered.body) == (200, b"[]")
    assert (answered.header(b"cache-status") or b"").startswith(b"stagedoor; hit")


async def test_k7_a_stale_page_goes_on_while_the_engine_is_away(house: House, clock: ManualClock) -> None:
    """K7: inside its window, and it says so; past it, and for what is not kept, 503."""
    await house.client.ask("/v1/films")
    await clock.advance(310.0)
    house.engine.away = True

    stale = await house.client.ask("/v1/films")
    uncached = await clock.run(house.client.ask("/v1/genres"))

    assert stale.status == 200
    assert (stale.header(b"cache-status") or b"").endswith(b"detail=stale")
    assert uncached.status == 503
    await clock.advance(400.0)
    assert (await clock.run(house.client.ask("/v1/films"))).status == 503


async def test_g4_a_purge_by_tag_calls_out_every_page_with_the_thing(house: House) -> None:
    """G4: its own page, the lists it is in, the people who made it, and nothing else."""
    pages = (f"/v1/films/{STAR_WARS}", "/v1/films", f"/api/v1/persons/{LUCAS}", "/v1/genres")
    for page in pages:
        await house.client.ask(page)

    await house.purge(f"film:{STAR_WARS}")

    after = [(await house.client.ask(page)).header(b"cache-status") or b"" for page in pages]
    assert [b"hit" in status for status in after] == [False, False, False, True]


async def test_k4_equal_questions_ask_the_index_once(house: House) -> None:
    """K4: a hundred callers, one query."""
    asked = house.engine.asked
    answers: list[HttpResponse] = await asyncio.gather(*(house.client.ask("/v1/films") for _ in range(100)))

    assert {answer.status for answer in answers} == {200}
    assert house.engine.asked == asked + 1


async def test_documents_of_others_are_read_with_tolerance(clock: ManualClock) -> None:
    """Comma-joined genres, names under another field, absent optional fields."""
    house = House(clock)
    foreign = {"id": uid("film 9"), "title": "Foreign", "genres": "Action, Drama"}
    await house.engine.fill(movies=[foreign])

    film = (await said(house, "/v1/films"))["results"][0]

    assert (film["genres"], film["imdb_rating"], film["actors"]) == (["Action", "Drama"], None, [])
    assert person_of_gateway({"id": uid("p"), "name": "Ann"}) == {"id": uid("p"), "name": "Ann"}


async def test_names_that_nobody_knows_are_empty(clock: ManualClock) -> None:
    """The index has null for "N/A"; a title or a name is a text in every answer, or required models would break."""
    house = House(clock)
    nameless = {"id": uid("nobody"), "name": None}
    await house.engine.fill(
        movies=[{"id": uid("film 9"), "title": None, "genre": [nameless], "actors": [nameless]}],
        genres=[nameless],
        persons=[{"id": uid("nobody"), "full_name": None}],
    )

    film = await said(house, f"/api/v1/films/{uid('film 9')}")
    (genre,), (person,) = await said(house, "/api/v1/genres"), await said(house, "/api/v1/persons")
    results = [(await said(house, f"/v1/{kind}"))["results"][0] for kind in ("films", "genres", "persons")]

    assert (film["title"], film["genre"][0]["name"], film["actors"][0]["full_name"]) == ("", "", "")
    assert (genre["name"], person["full_name"]) == ("", "")
    assert [one.get("title", one.get("name")) for one in results] == ["", "", ""]
