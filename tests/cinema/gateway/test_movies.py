"""The films of a third party: joined, kept, in pages."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest

from cinema.gateway.app import build
from cinema.services.ghibli.facts import read_facts
from cinema.settings import Settings
from stagedoor import Gateway, Service
from stagedoor.testing import Client, Stage

CASTLE = "2baf70d1-42bb-4437-b551-e5fed5a87abe"
TOTORO = "58611129-2dbc-4a81-a72f-77ddfc1b1b49"
FACTS = read_facts("https://ghibli.example")


class Films:
    """The gateway with a scripted film API."""

    def __init__(self, stage: Stage, ghibli: Service) -> None:
        self.stage = stage
        self.api = stage[ghibli]

    def have(self, films: Sequence[Any] = FACTS["films"], people: Sequence[Any] = FACTS["people"]) -> None:
        """Let the film API answer so from now on."""
        self.api.when("/films/").says(films)
        self.api.when("/people/").says(people)

    async def movies(self, target: str = "/movies/") -> Any:
        """Return the data of an answer."""
        return (await self.stage.get(target)).read(dict)["api_data"]

    @property
    def asked(self) -> int:
        """Return how often the film API was asked."""
        return len(self.api.asked)


def ghibli_of(app: Gateway) -> Service:
    (found,) = [one for one in app.services if one.name == "ghibli"]
    return found


@pytest.fixture
async def films() -> AsyncIterator[Films]:
    """Stage the gateway."""
    app = build(Settings())
    async with Stage(app) as stage:
        yield Films(stage, ghibli_of(app))


async def test_people_are_joined_by_what_they_say_of_films(films: Films) -> None:
    """Contract 7: what films say of people is wrong for most of them."""
    films.have()
    count = {one["title"]: len(one["people"]) for one in await films.movies()}

    assert len(count) == 22
    assert [count[title] for title in ("Castle in the Sky", "My Neighbor Totoro")] == [14, 10]
    assert [count[title] for title in ("Kiki's Delivery Service", "Princess Mononoke")] == [6, 10]
    assert list(count.values()).count(0) == 11
    assert sum(count.values()) == 59


async def test_a_movie_has_exactly_these_keys_in_this_order(films: Films) -> None:
    """Contract 7: all strings but people, who are unmodified."""
    films.have()
    castle, *_ = await films.movies()
    keys = ["id", "title", "director", "producer", "release_date", "url", "people"]

    assert list(castle) == keys
    assert castle["people"][0] == next(one for one in FACTS["people"] if one["name"] == "Pazu")


async def test_list_and_single_movie_share_one_snapshot(films: Films) -> None:
    """Contract 7: two calls, one timestamp."""
    films.have()
    answers = [
        (await films.stage.get(path)).read(dict) for path in ("/movies", f"/movies/{CASTLE}/", "/movies/")
    ]

    assert len({one["timestamp"] for one in answers}) == 1
    assert answers[1]["api_data"] == answers[0]["api_data"][0]
    assert films.asked == 2


async def test_the_film_api_is_asked_for_what_is_shown(films: Films) -> None:
    """Contract 7: these fields, up to 250 of each."""
    films.have()
    await films.movies()

    assert sorted(one.path.replace("%2C", ",") for one in films.api.asked) == [
        "/films/?fields=id,title,director,producer,release_date,url&limit=250",
        "/people/?fields=id,name,films,url&limit=250",
    ]


async def test_links_are_read_by_their_last_segment(films: Films) -> None:
    """Contract 7: whatever their host, with and without a final slash; what names no film is skipped."""
    links = {
        "a": ["http://other.example:81/x/films/1/"],
        "b": ["/films/1", "films/2//"],
        "c": [
            "https://ghibli.example/films/",
            "",
            "https://[broken/films/1",
            "https://ghibli.example/films/9",
        ],
        "d": ["https://ghibli.example/films/2?fields=id#top"],
    }
    films.have(
        [film("1"), film("2"), film("3")],
        [person(name, *said) for name, said in links.items()],
    )
    cast = {one["id"]: [each["id"] for each in one["people"]] for one in await films.movies()}

    assert cast == {"1": ["a", "b"], "2": ["b", "d"], "3": []}


async def test_what_is_repeated_counts_once_the_first_one(films: Films) -> None:
    """Contract 7: a link, a film's id, a person's id."""
    films.have(
        [film("1", title="first"), film("2"), film("1", title="second")],
        [person("a", "films/1", "films/1", name="first"), person("a", "films/2", name="second")],
    )
    movies = await films.movies()

    assert [(one["id"], one["title"], [each["name"] for each in one["people"]]) for one in movies] == [
        ("1", "first", ["first"]),
        ("2", "2", []),
    ]


async def test_order_is_the_film_apis(films: Films) -> None:
    """Contract 7: of films and of people."""
    films.have([film("b"), film("a")], [person("z", "films/b"), person("y", "films/b")])
    movies = await films.movies()

    assert [one["id"] for one in movies] == ["b", "a"]
    assert [each["id"] for each in movies[0]["people"]] == ["z", "y"]


async def test_what_the_film_api_adds_stays_with_people_and_leaves_films(films: Films) -> None:
    """Contract 7: exactly these keys of a film, person objects unmodified."""
    grown = {**person("a", "films/1"), "age": "late teens", "gender": None}
    films.have([{**film("1"), "rt_score": "95"}], [grown])
    (movie,) = await films.movies()

    assert "rt_score" not in movie
    assert movie["people"] == [grown]


async def test_no_films_are_an_empty_list(films: Films) -> None:
    """Contract 7: a list, not an object."""
    films.have([], FACTS["people"])
    answer = await films.stage.get("/movies/")

    assert answer.read(dict)["api_data"] == []
    assert answer.header("x-total-count") == "0"


@pytest.mark.parametrize(
    ("query", "titles", "links"),
    [
        ("page_size=2", ["1", "2"], "next first last"),
        ("page_size=2&page_number=2", ["3", "4"], "next prev first last"),
        ("page_size=2&page_number=3", ["5"], "prev first last"),
        ("page_size=2&page_number=9", [], "prev first last"),
        ("page_number=1", ["1", "2", "3", "4", "5"], "first last"),
        ("page_number=2", [], "prev first last"),
        ("page_size=1&page_size=3&other=1", ["1", "2", "3"], "next first last"),
        ("", ["1", "2", "3", "4", "5"], ""),
    ],
)
async def test_pages_are_optional(films: Films, query: str, titles: list[str], links: str) -> None:
    """Contract 7: neither parameter: everything; one: the other is 50 or 1."""
    films.have([film(str(number)) for number in range(1, 6)], [])
    answer = await films.stage.get(f"/movies/?{query}")
    said = answer.header("link")

    assert [one["title"] for one in answer.read(dict)["api_data"]] == titles
    assert answer.header("x-total-count") == "5"
    assert [one.partition('rel="')[2].rstrip('"') for one in said.split(", ") if one] == links.split()


async def test_links_to_other_pages_are_relative_and_whole(films: Films) -> None:
    """Contract 1.3."""
    films.have()
    answer = await films.stage.get("/movies?page_size=5&page_number=2")

    assert '</movies?page_number=3&page_size=5>; rel="next"' in answer.header("link")


@pytest.mark.parametrize(
    "query",
    [
        *(
            f"page_size={said}"
            for said in ("0", "101", "x", "", "-5", "5.0", "1_0", "%2B5", "%205", "%D9%A5")
        ),
        *(f"page_number={said}" for said in ("0", "-1", "1.0", "", "1" * 5000)),
    ],
    ids=lambda query: query[:20],
)
async def test_a_page_out_of_bounds_is_refused(films: Films, query: str) -> None:
    """Contract 1.4: 422 that names the parameter, before the film API is asked."""
    answer = await films.stage.get(f"/movies?{query}")

    assert answer.status == 422
    (error,) = answer.read(dict)["errors"]
    assert (error["loc"], error["type"]) == (["query", query.partition("=")[0]], "range")
    assert films.asked == 0


@pytest.mark.parametrize(
    ("asked", "said"), [("nothing", "nothing"), (CASTLE[:-1], CASTLE[:-1]), ("a%2Fb", "a/b"), ("%D1%8F", "я")]
)
async def test_an_unknown_movie_is_not_found_whatever_its_form(films: Films, asked: str, said: str) -> None:
    """Contract 7: this detail, word for word; it is not kept."""
    films.have()
    answer = await films.stage.get(f"/movies/{asked}/")

    assert answer.status == 404
    assert answer.read(dict)["detail"] == f"Movie ID {said} not present in external API!"
    assert answer.header("cache-control") == "no-store"


async def test_a_movie_is_found_in_either_case(films: Films) -> None:
    """Contract 1.2: ids are UUIDs, and answers use lower case."""
    films.have()
    movie = await films.movies(f"/movies/{CASTLE.upper()}")

    assert movie["id"] == CASTLE


async def test_ids_that_differ_in_case_alone_are_two_movies(films: Films) -> None:
    """Contract 7: list and single movie are views of one snapshot, so each of the list is found under its own id."""
    castle = next(one for one in FACTS["films"] if one["id"] == CASTLE)
    films.have([{**castle, "title": "lower"}, {**castle, "id": CASTLE.upper(), "title": "upper"}])
    listed = {one["id"]: one for one in await films.movies()}

    assert {one: await films.movies(f"/movies/{one}") for one in listed} == listed
    assert (await films.movies(f"/movies/{CASTLE.title()}"))["title"] == "lower"


@pytest.mark.parametrize("which", ["/films/", "/people/"])
@pytest.mark.parametrize(
    ("status", "answered"), [(0, 503), (500, 503), (503, 503), (404, 502), (403, 502), (400, 502), (429, 503)]
)
async def test_both_lists_are_needed(films: Films, which: str, status: int, answered: int) -> None:
    """Contract 7: a failure of either is that failure's, never films without people; it is not kept."""
    films.have()
    films.api.when(which)._words.clear()  # noqa: SLF001 - the script begins anew
    films.api.when(which).fails(status)
    answers = [await films.stage.get(path) for path in ("/movies/", f"/movies/{CASTLE}/")]

    assert [one.status for one in answers] == [answered, answered]
    assert {one.header("cache-control") for one in answers} == {"no-store"}
    assert len({one.path for one in films.api.asked}) == 2


@pytest.mark.parametrize(
    "broken",
    [
        [{**FACTS["films"][0], "director": None}],
        [{**FACTS["films"][0], "release_date": 1988}],
        [{"id": "1"}],
        {},
        None,
        [None],
        b"[",
        b"",
    ],
)
async def test_films_that_are_none_are_garbled(films: Films, broken: Any) -> None:
    """Contract 1.4: a missing or wrong field is the film API's fault."""
    films.have(people=[])
    films.api.when("/films/")._words.clear()  # noqa: SLF001 - the script begins anew
    films.api.when("/films/").says(broken)

    assert (await films.stage.get("/movies/")).status == 502


async def test_a_redirect_is_refused_with_the_reason(films: Films) -> None:
    """Contract 1.4: it is not followed, and the operator learns why."""
    films.api.says(None, status=301, headers={"location": "https://elsewhere.example/films"})
    answer = await films.stage.get("/movies/")

    assert answer.status == 502
    assert answer.read(dict)["detail"] == "the film API answers with a redirect, which is not followed"
    assert answer.read(dict)["type"] == "urn:problem-type:cinema:upstream-garbled"
    assert "elsewhere" not in answer.body.decode()


async def test_a_late_film_api_is_a_time_out_within_its_own_budget(films: Films) -> None:
    """Contract 17: the first fetch is bounded by GHIBLI_TIMEOUT_MS, not by the deadline of other reads."""
    films.api.hangs()
    began = films.stage.clock.now()
    answer = await films.stage.get("/movies/")

    assert answer.status == 504
    assert 2.0 < films.stage.clock.now() - began <= 3.0


async def test_a_slow_film_api_is_waited_for(films: Films) -> None:
    """Contract 17: 2 s are not too late for the first fetch."""
    for which, facts in (("/films/", FACTS["films"]), ("/people/", FACTS["people"])):
        films.api.when(which).after(2.0).says(facts)
    began = films.stage.clock.now()

    assert len(await films.movies()) == 22
    assert films.stage.clock.now() - began == pytest.approx(2.0)  # at once, not one after the other


async def test_five_hundred_clients_cause_one_fan_out(films: Films) -> None:
    """K4: on list, pages and single films together."""
    for which, facts in (("/films/", FACTS["films"]), ("/people/", FACTS["people"])):
        films.api.when(which).after(0.5).says(facts)
    paths = ("/movies/", "/movies?page_size=5", f"/movies/{CASTLE}", f"/movies/{TOTORO}/")
    client = Client(films.stage.running.web)
    asking = asyncio.gather(*(client.ask(paths[number % 4]) for number in range(500)))
    answers = await films.stage.run(asking)

    assert {one.status for one in answers} == {200}
    assert len({orjson.loads(one.body)["timestamp"] for one in answers}) == 1
    assert films.asked == 2


async def read(films: Films, seconds: float = 0.0) -> tuple[int, str, float]:
    """Read after so many seconds: the status, the timestamp, and how many seconds a client may keep it."""
    await films.stage.advance(seconds)
    answer = await films.stage.get("/movies/")
    if answer.status != 200:
        return answer.status, "", 0.0
    return 200, answer.read(dict)["timestamp"], float(answer.header("cache-control").partition("max-age=")[2])


async def test_in_its_first_fifty_seconds_a_snapshot_is_everybodys(films: Films) -> None:
    """Contract 7: one timestamp, and max-age is what remains of the minute."""
    films.have()
    seen = [await read(films), *[await read(films, 7.0) for _ in range(7)]]

    assert len({timestamp for _, timestamp, _ in seen}) == 1
    assert [left for _, _, left in seen] == [60.0 - 7.0 * number for number in range(8)]
    assert films.asked == 2


async def test_from_the_fiftieth_second_it_is_renewed_behind(films: Films) -> None:
    """Contract 7: who meets it gets the old one at once; the next gets the new one."""
    films.have()
    first = await read(films)
    during, after = await read(films, 50.0), await read(films, 0.1)

    assert during[1] == first[1] < after[1]
    assert after[2] == 59.0
    assert films.asked == 4


async def test_without_traffic_it_is_not_renewed_and_never_older_than_a_minute(films: Films) -> None:
    """Contract 7: nobody asked between the 50th second and the end."""
    films.have()
    first = await read(films)
    second = await read(films, 60.0)

    assert films.asked == 4
    assert first[1] != second[1]


async def test_a_dead_film_api_is_answered_for_to_the_end_of_the_minute(films: Films) -> None:
    """Contract 7: then 503, on list and single film; no stale answer; and whole again once it is back."""
    films.have()
    await read(films)
    for which in ("/films/", "/people/"):
        films.api.when(which)._words.clear()  # noqa: SLF001 - the script begins anew
        films.api.when(which).fails()
    alive = [await read(films, 50.0), *[await read(films, 0.9) for _ in range(11)]]
    dead = await read(films, 0.2)
    single = await films.stage.get(f"/movies/{CASTLE}/")

    assert [status for status, _, _ in alive] == [200] * 12
    assert (dead[0], single.status) == (503, 503)
    assert int(single.header("retry-after")) >= 1


async def test_age_counts_from_when_the_film_api_was_asked(films: Films) -> None:
    """Contract 7: a fetch of 2 s leaves 58 of the minute."""
    for which, facts in (("/films/", FACTS["films"]), ("/people/", FACTS["people"])):
        films.api.when(which).after(2.0).says(facts)
    _, timestamp, left = await read(films)

    assert left == 58.0
    assert timestamp == "2026-01-05T10:00:00+00:00"


async def test_a_client_that_holds_an_answer_is_told_so(films: Films) -> None:
    """Contract 1.3: a publicly cacheable answer carries an entity tag."""
    films.have()
    first = await films.stage.get("/movies/")
    again = await films.stage.get("/movies/", **{"if-none-match": first.header("etag")})

    assert (again.status, again.body) == (304, b"")
    assert again.header("cache-control") == "public, max-age=60"
    assert again.header("cache-status").startswith("stagedoor; hit")
    assert again.parts == {"films": "cached", "people": "cached"}


@pytest.mark.parametrize(
    ("demanded", "status"),
    [("{}", 200), ("*", 200), ('"x", {}', 200), ('"x"', 412), ("W/{}", 412), ("x", 412)],
)
async def test_a_client_that_demands_another_answer_gets_none(
    films: Films, demanded: str, status: int
) -> None:
    """RFC 9110 13.1.1: If-Match compares strongly, and comes before If-None-Match (13.2.2)."""
    films.have()
    etag = (await films.stage.get("/movies/")).header("etag")
    said = {"if-match": demanded.format(etag)}
    answer = await films.stage.get("/movies/", **said)
    both = await films.stage.get("/movies/", **said, **{"if-none-match": etag})

    assert answer.status == status
    assert both.status == (304 if status == 200 else 412)


def film(number: str, *, title: str = "") -> dict[str, str]:
    said = dict.fromkeys(("director", "producer", "release_date"), "x")
    return {"id": number, "title": title or number, **said, "url": f"https://ghibli.example/films/{number}"}


def person(number: str, *links: str, name: str = "x") -> dict[str, Any]:
    return {"id": number, "name": name, "films": [*links], "url": f"https://ghibli.example/people/{number}"}
