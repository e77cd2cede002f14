"""CONTRACTS 2 to 4 from outside: a foreign film set, three engines, and one truth, which is plain SQL."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema.gateway.catalogue.resources import LISTS
from tests import servers
from tests.cinema.data.course import ACTION, GREG_CAMP, write_course
from tests.contracts.search.asked import mistyped
from tests.contracts.search.inputs import queries
from tests.kinds import kinds
from tests.live.course import Listing, Truth, course_lists, gateway_lists, ordered, query_of
from tests.live.load import Shot
from tests.live.questions import UNKNOWN, generated
from tests.live.stages import Stage, finished, ids_in, links_in, total_of

pytestmark = [pytest.mark.xdist_group("search nodes"), pytest.mark.slow, pytest.mark.timeout(400)]

LOADED = "seeded: 26 genre, 4,166 person, 999 film_work, 2,231 genre_film_work, 5,783 person_film_work"
SIZES = (1, 7, 50, 100)
STRETCH = 3  # pages at either end of a list, where all of them would take long
QUESTIONS = 600
SEED = 7
Stages = dict[str, Stage]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("course")


@pytest.fixture(scope="module")
def started(folder: Path, request: pytest.FixtureRequest) -> Iterator[Stages]:
    """Give a gateway for each engine there is: OpenSearch is filled from PostgreSQL, the others from SQLite."""
    write_course(folder / "course")
    sqlite = f"sqlite+aiosqlite:///{folder}/cinema.db"
    postgres = servers.create_database(request.getfixturevalue("postgres_server"), "course")
    with ExitStack() as stack:
        stages = {"tantivy": stack.enter_context(Stage(folder / "tantivy", sqlite))}
        for node, database in kinds(("opensearch", postgres), ("elasticsearch", sqlite)):
            try:
                server = request.getfixturevalue(node)
            except pytest.skip.Exception:  # the tests of that engine alone say what is missing
                continue
            server.resume()
            server.start()
            stages[node] = stack.enter_context(Stage(folder / node, database, server.url))
        databases = {stage.environment["DATABASE_URL"]: stage for stage in stages.values()}
        said = finished(*(one.cinema("seed", "--from", str(folder / "course")) for one in databases.values()))
        assert {one.strip() for one in said} == {LOADED}
        finished(*(stage.cinema("etl") for stage in stages.values()))
        for stage in stages.values():
            stage["gateway"].begin()
        for stage in stages.values():
            stage["gateway"].until_ready()
        yield stages


@pytest.fixture
async def stages(started: Stages) -> AsyncIterator[Stages]:
    """Give the gateways, with connections of the test's own."""
    for stage in started.values():
        stage.connect()
    yield started
    for stage in started.values():
        stage.client.close()


@pytest.fixture(scope="module")
def truth(started: Stages, folder: Path) -> Truth:
    """Give what is in the database."""
    return Truth(folder / "cinema.db")


def test_the_database_has_what_the_course_says(truth: Truth) -> None:
    """Contract 14: the checks for the classic set, before anything is asked of an engine."""
    assert (len(truth.films), len(truth.genres), len(truth.persons)) == (999, 26, 4_166)
    assert (len(truth.genre_links), len(truth.credits)) == (2_231, 5_783)
    assert (len(truth.films_of_genre(ACTION)), len(truth.films_of_person(GREG_CAMP))) == (244, 6)
    ratings = [film["rating"] for film in truth.films.values()]
    assert (ratings.count(None), ratings.count(7.0) > 300) == (1, True)


async def test_every_list_pages_through_both_ways(stages: Stages, truth: Truth, deep: bool) -> None:
    """Issue 4: in every order, by every size, along `next` and back along `prev`, without overlap or gap."""
    lists = [*course_lists(truth), *gateway_lists(truth)]

    async def walk(kind: str, stage: Stage) -> None:
        for one in lists:
            for size in SIZES if kind == "tantivy" or deep else SIZES[1::2]:
                some = size < 100 or len(one.ids) > 1_000
                await assert_pages(stage, one, size, STRETCH if some and not deep else 10_000)

    await asyncio.gather(*(walk(kind, stage) for kind, stage in stages.items()))


async def assert_pages(stage: Stage, one: Listing, size: int, most: int) -> None:
    """Assert that a list is its truth page by page, from either end, and that its links lead to the neighbours."""
    seen: dict[int, Shot] = {}
    path = f"{one.path}?{query_of(one.given, 0, size, one.dialect)}"
    for relation, start in (("next", 0), ("prev", (len(one.ids) - 1) // size * size)):
        at, left = start, most
        path = path if relation == "next" else links_in(seen[0])["last"]
        while path and left:
            shot = seen[at] = await stage.ask(path)
            where = (path, shot.status, shot.body[:300])
            assert (shot.status, ids_in(shot)) == (200, [*one.ids[at : at + size]]), where
            assert total_of(shot) == len(one.ids), where
            assert set(links_in(shot)) == related(at, size, len(one.ids)), where
            path = links_in(shot).get(relation, "")
            at += size if relation == "next" else -size
            left -= 1
        if left:
            assert at == (-size if relation == "prev" else (len(one.ids) - 1) // size * size + size), path


def related(at: int, size: int, total: int) -> set[str]:
    """Return which other pages a page has."""
    return {"first", "last"} | ({"prev"} if at else set()) | ({"next"} if at + size < total else set())


async def test_filters_and_totals_are_those_of_sql(stages: Stages, truth: Truth) -> None:
    """Issue 4: films of a genre, films of a person, similar films: the same ids as the database gives."""
    rng = random.Random(SEED)
    wanted = {
        f"/api/v1/films?genre={genre}&page_size=100": ordered(
            truth.films, truth.films_of_genre(genre), ["-rating"]
        )
        for genre in truth.genres
    }
    nameless = [person for person, row in truth.persons.items() if row["name"] is None]
    for person in [GREG_CAMP, *nameless, *rng.sample([*truth.persons], 40)]:
        films = ordered(truth.films, truth.films_of_person(person), ["-rating"])
        wanted[f"/api/v1/persons/{person}/film?page_size=100"] = films
    for film in rng.sample([*truth.films], 25):
        similar = ordered(truth.films, truth.similar(film), ["-rating"])
        wanted[f"/api/v1/films/{film}/similar?page_size=100"] = similar
    for low, high in ((7, 7), (0, 3.5), (9.9, 10), (5, 2)):
        rated = [(one, film["rating"]) for one, film in truth.films.items() if film["rating"] is not None]
        between = [one for one, rating in rated if low <= rating <= high]
        path = f"/v1/films?imdb_rating={low}&imdb_rating={high}&pagination=0&pagination=100"
        wanted[path] = ordered(truth.films, between, ["-rating"])

    for kind, stage in stages.items():
        for path, shot in (await stage.ask_all([*wanted])).items():
            assert (shot.status, total_of(shot)) == (200, len(wanted[path])), (kind, path)
            assert ids_in(shot) == [*wanted[path][:100]], (kind, path)


async def test_roles_are_those_of_sql(stages: Stages, truth: Truth) -> None:
    """Issue 4: who did what in a film and a person's films with all their roles, in both dialects."""
    rng = random.Random(SEED)
    twice = {
        film
        for film, person, role in truth.credits
        if (film, person, "actor") in truth.credits and role != "actor"
    }
    films = [*sorted(twice)[:20], *rng.sample([*truth.films], 30)]
    people = [GREG_CAMP, *rng.sample(sorted({person for _, person, _ in truth.credits}), 50)]

    for stage in stages.values():
        for film in films:
            course = await stage.said(f"/api/v1/films/{film}")
            gateway = await stage.said(f"/v1/films/{film}")
            row = truth.films[film]
            genres = {genre for one, genre in truth.genre_links if one == film}
            assert {one["uuid"] for one in course["genre"]} == genres
            assert sorted(gateway["genres"]) == sorted(truth.genres[one]["name"] for one in genres)
            for one in (course, gateway):
                assert (one["title"], one["imdb_rating"]) == (row["title"] or "", row["rating"])
                assert one["description"] == row["description"]
            for role in ("actor", "writer", "director"):
                assert sorted(one["uuid"] for one in course[f"{role}s"]) == truth.people(film, role)
                assert sorted(one["id"] for one in gateway[f"{role}s"]) == truth.people(film, role)
        for person in people:
            course = await stage.said(f"/api/v1/persons/{person}")
            name = truth.persons[person]["name"] or ""
            assert course["full_name"] == (await stage.said(f"/v1/persons/{person}"))["name"] == name
            assert {one["uuid"]: one["roles"] for one in course["films"]} == truth.roles(person)
            assert [one["uuid"] for one in course["films"]] == [*truth.roles(person)]


async def test_every_engine_gives_the_same_answers(stages: Stages, truth: Truth) -> None:
    """Issue 4: 600 generated questions, in both dialects; what ranks is compared as exact before near.

    Filters, sorts, totals, windows and the members of searches by exact words are equal, and so are refusals.
    """
    if len(stages) < 2:
        pytest.skip("there is no other engine to compare with")
    asked = [*generated(truth, QUESTIONS, SEED)]
    answers = {kind: await stage.ask_all([one.path for one in asked]) for kind, stage in stages.items()}
    ours, statuses = answers.pop("tantivy"), set()

    for one in asked:
        mine = ours[one.path]
        statuses.add(mine.status)
        for kind, theirs in answers.items():
            other = theirs[one.path]
            assert said(mine) == said(other), (kind, one.path, mine.body[:200], other.body[:200])
            if not one.texts:
                assert mine.body == other.body or mine.status >= 400, (kind, one.path)
            elif mine.status == 200:
                assert ids_in(mine) == ids_in(other), (kind, one.path)
    assert statuses == {200, 400, 404, 422}
    assert sum(ours[one.path].status == 200 for one in asked) > 500


def said(shot: Shot) -> tuple[Any, ...]:
    """Return what two engines must agree on."""
    problem = json.loads(shot.body) | {"request_id": ""} if shot.status >= 400 else None
    return shot.status, shot.headers.get("x-total-count"), shot.headers.get("link"), problem


async def test_mistyped_words_find_the_same(stages: Stages, truth: Truth) -> None:
    """Contract 2: words are read here, not by the engines, so that all of them find the same."""
    rng = random.Random(SEED)
    words = sorted({word for film in truth.films.values() for word in (film["title"] or "").split()})
    texts = [" ".join(mistyped(rng, one) for one in rng.sample(words, 2)) for _ in range(40)]
    in_all = 0

    for text in texts:
        given = [("query", text), ("sort", "title")] if text.strip() else [("query", "star")]
        found = {kind: await members(stage, given) for kind, stage in stages.items()}
        mine = found.pop("tantivy")
        in_all += len(mine)
        for kind, others in found.items():
            assert mine == others, (kind, text, [truth.films[one]["title"] for one in mine ^ others])

    assert in_all > 1_000


async def members(stage: Stage, given: list[tuple[str, str]]) -> set[str]:
    """Return all that a search finds."""
    path, found = f"/api/v1/films/search?{query_of(given, 0, 100, 'course')}", set[str]()
    while path:
        shot = await stage.ask(path)
        assert shot.status == 200, (path, shot.body)
        found |= set(ids_in(shot))
        path = links_in(shot).get("next", "")
    return found


async def test_the_expectations_of_the_course_hold(stages: Stages, truth: Truth) -> None:
    """Contracts 3 and 14: what the course's own tests ask for, on every engine."""
    for stage in stages.values():
        assert len(await stage.said("/api/v1/genres")) == 26
        assert len(await stage.said("/api/v1/films/search/?query=star&page_number=1&page_size=50")) == 50
        (camp,) = await stage.said("/api/v1/persons/search?query=greg+camp&page_size=1")
        assert (camp["uuid"], len(camp["films"])) == (GREG_CAMP, 6)
        captains = [one for one in truth.persons.values() if "Captain" in (one["name"] or "")]
        shot = await stage.ask("/api/v1/persons/search?query=captain")
        assert total_of(shot) >= len(captains) > 50
        assert all("Captain" in one["full_name"] for one in json.loads(shot.body))
        action = f"/api/v1/films?sort=-imdb_rating&page_size=50&page_number=1&genre={ACTION}"
        assert total_of(await stage.ask(action)) == 244
        assert await stage.said(f"/api/v1/films?genre={UNKNOWN}") == []
        for path in ("films", "persons", "genres"):
            for query in ("search?query=N%2FA", "search?query=n/a&page_size=100", "?page_size=100"):
                assert b'"N/A"' not in (await stage.ask(f"/api/v1/{path}/{query}")).body
        for path in (action, f"/api/v1/films?genre={UNKNOWN}", f"/api/v1/persons/{GREG_CAMP}/film"):
            first, again = await stage.ask(path), await stage.ask(path)
            assert again.headers["cache-status"].startswith("stagedoor; hit; ttl=")
            assert again.body == first.body
            assert 0 < int(again.headers["cache-control"].rpartition("=")[2]) <= 300
        for kind in ("film", "genre", "person"):
            for prefix in ("/api/v1", "/v1"):
                unknown = await stage.ask(f"{prefix}/{kind}s/{UNKNOWN}")
                assert (unknown.status, json.loads(unknown.body)["detail"]) == (404, f"{kind} not found")
                assert (await stage.ask(f"{prefix}/{kind}s/1")).status == 422


HOSTILE = {
    "/api/v1/films?page_number=1000000": (400, "page_number", "10,000"),
    "/api/v1/films?page_size=1000000": (422, "page_size", "100"),
    "/api/v1/films?page_number=101&page_size=100": (400, "page_size", "10,000"),
    "/v1/films?pagination=1000000&pagination=10": (400, "pagination", "10,000"),
    "/v1/films?pagination=0&pagination=1000000": (422, "pagination", "100"),
    "/api/v1/films/search?query=" + "a" * 10_240: (422, "query", "255"),
    "/v1/persons?name=" + "a" * 10_240: (422, "name", "255"),
    "/v1/films?" + "&".join([f"ids={UNKNOWN}"] * 501): (422, "ids", "500"),
    "/v1/films?" + "&".join([f"excluded_ids={UNKNOWN}"] * 501): (422, "excluded_ids", "500"),
    "/v1/films?" + "&".join([f"ids={UNKNOWN}"] * 5_000): (414, "request line", "32,768"),
}


async def test_t9_hostile_questions_are_refused_at_once(stages: Stages) -> None:
    """T9: a 4xx that names the parameter and its bound, and no engine asked."""
    for stage in stages.values():
        await stage.ask("/api/v1/films/?query=star")
        before = stage.engine_calls()
        for path, (status, name, bound) in HOSTILE.items():
            shot = await stage.ask(path)
            problem = json.loads(shot.body)
            told = [
                problem["detail"],
                *(one["loc"][1] + " " + one["msg"] for one in problem.get("errors", ())),
            ]
            assert shot.status == status, path[:80]
            assert any(name in one and bound in one for one in told), told
        assert stage.engine_calls() == before > 0


@pytest.mark.timeout(400)
@settings(max_examples=300, derandomize=os.environ.get("CI", "").lower() == "true")
@given(asked=st.sampled_from(LISTS).flatmap(lambda row: st.tuples(st.just(row.path), queries(row.filters))))
def test_t9_no_input_reaches_a_5xx(started: Stages, asked: tuple[str, bytes]) -> None:
    """Issue 4: whatever is sent, every gateway answers it or refuses it, and all of them alike."""
    path, query = asked
    answers = {kind: stage.raw(path.encode() + b"?" + query) for kind, stage in started.items()}

    assert len(set(answers.values())) == 1, answers
    assert 200 <= answers["tantivy"] < 500, answers
