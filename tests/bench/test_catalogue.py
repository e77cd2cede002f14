"""What the bench of the catalogue asks, how it judges answers, and what it reads of the machine."""

import math
import sqlite3
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from bench.catalogue.asks import CLASSES, Ask, Expected, Fresh, fault
from bench.catalogue.busy import busy_seconds
from bench.catalogue.grounds import walk_seconds
from bench.catalogue.hard import LINE, candidates
from bench.catalogue.known import Known, read, significant
from bench.catalogue.load import Answer
from bench.catalogue.memory import Memory, parse
from bench.catalogue.node import directly
from bench.catalogue.report import bounded, building, tables
from bench.catalogue.run import Hard, Measured, Plan, Single, worst
from cinema.gateway.catalogue.resources import LISTS
from cinema.indices import INDICES
from stagedoor.search.validation import validate_query

IDS = [f"{number:08x}-0000-8000-8000-{number:012x}" for number in range(20_000)]
WORDS = [
    f"{front}{back}"
    for front in ("sil", "gol", "win", "dar")
    for back in ("k", "ver", "den", "ters", "kings")
]
KNOWN = Known(
    films=200_000,
    persons=400_000,
    genres=[(one, 1_000 - place) for place, one in enumerate(IDS[:120])],
    ties=[(7.0, 5_000), (6.5, 400)],
    film_ids=IDS,
    person_ids=IDS[:1_000],
    busiest=[(one, 90) for one in IDS[:40]],
    crowded=IDS[:40],
    titles=["Love at Night", "The Dark", "?"],
    with_word=Counter({"love": 1_000, "night": 500, "dark": 200}),
    film_words=WORDS,
    title_words=["love", "night", *WORDS[2:]],
    name_words=["lee", "smith", *WORDS[::-1]],
)
LISTS_AT = {row.path: row.filters for row in LISTS}


def allowed(ask: Ask) -> bool:
    """Tell whether the gateway takes a question: its filters read it, and the query fits the index."""
    where = urlsplit(ask.path)
    filters = LISTS_AT.get(where.path)
    if filters is not None:
        query = filters.parse(where.query.encode()).to_query()
        validate_query(query, next(index for index in INDICES if index.name == query.index))
    return len(ask.path) <= LINE


@pytest.mark.parametrize("kind", CLASSES)
def test_no_question_is_drawn_twice_and_every_one_is_allowed(kind: str) -> None:
    """Answers to questions that were asked before would come from the cache, and 422 would be quick."""
    fresh = Fresh(KNOWN, seed=1)
    asks = [fresh.draw(kind) for _ in range(60)]

    assert len({ask.path for ask in asks}) == 60
    assert {ask.kind for ask in asks} == {kind}
    assert all(map(allowed, asks))


def test_t9_every_hard_question_is_allowed_and_asked_anew_each_time() -> None:
    """T9: the worst *allowed* question counts; asked twice in the same words it would be a cache's answer."""
    every = [one.ask(turn) for one in candidates(KNOWN) for turn in range(7)]

    assert all(map(allowed, every))
    assert len({ask.path for ask in every}) == len(every)
    assert {ask.kind for ask in every} == set(CLASSES)


def test_hard_questions_reach_the_end_of_the_window() -> None:
    """The last page there may be ends at the 10,000th, or a few before it."""
    deep = [one.ask(3) for one in candidates(KNOWN) if "10,000th" in one.name]

    assert all(9_900 <= ask.expected.offset + ask.expected.limit <= 10_000 for ask in deep)


def test_a_direct_question_asks_the_node_for_the_same() -> None:
    """The ratio compares the same query, with and without the gateway: a page and its neighbours."""
    ask = Ask("genre list", f"/api/v1/films?genre={IDS[0]}&page_number=2&page_size=40", Expected(limit=40))

    path, body = directly(ask)

    asked = orjson.loads(body)
    assert (path, asked["from"], asked["size"]) == ("/movies/_search", 39, 42)
    assert asked["query"]["bool"]["filter"] == [{"term": {"genre_ids": IDS[0]}}]
    assert directly(Ask("by id", f"/v1/films/{IDS[1]}", Expected(id=IDS[1])))[0] == "/movies/_search"


def body(*ratings: float | None) -> bytes:
    return orjson.dumps(
        [{"uuid": one, "imdb_rating": rating} for one, rating in zip(IDS, ratings, strict=False)]
    )


@pytest.mark.parametrize(
    ("expected", "status", "total", "said", "wrong"),
    [
        (Expected(limit=3, total=2), 200, "2", body(8, 7), ""),
        (Expected(limit=3, least=2), 200, "9", body(8, 7, 6), ""),
        (Expected(limit=3, sort="-imdb_rating"), 200, "3", body(8, 7, None), ""),
        (Expected(limit=3, sort="-imdb_rating"), 200, "3", body(8, 7, 7.5), "not in the order -imdb_rating"),
        (Expected(limit=3, total=2), 200, "3", body(8, 7, 6), "3 matches, not 2"),
        (Expected(limit=3, least=4), 200, "3", body(8, 7, 6), "3 matches, not 4"),
        (Expected(limit=3), 200, "7", body(8, 7), "2 items, not 3 different ones"),
        (Expected(limit=3, offset=6), 200, "7", body(8), ""),
        (
            Expected(limit=3),
            200,
            "2",
            orjson.dumps([{"id": "a"}, {"id": "a"}]),
            "2 items, not 2 different ones",
        ),
        (Expected(limit=1), 200, "1", b'{"results": [{"id": "a"}]}', ""),
        (Expected(limit=3), 503, "", b"busy", "status 503: busy"),
        (Expected(id="a"), 200, "", b'{"uuid": "a"}', ""),
        (Expected(id="a"), 200, "", b'{"id": "b"}', "the id is b"),
    ],
)
def test_g11_bodies_are_judged(expected: Expected, status: int, total: str, said: bytes, wrong: str) -> None:
    """G11: a wrong answer may be quick; it must not count."""
    assert fault(expected, status, total, said) == wrong


def test_an_answer_of_a_cache_is_known_by_its_cache_status() -> None:
    """The table says how many there were; anything but none is a fault."""
    assert Answer(cached="stagedoor; hit; ttl=211").hit
    assert not Answer(cached="stagedoor; fwd=miss; stored").hit


def test_facts_are_read_from_the_source(tmp_path: Path) -> None:
    """What is expected of answers comes from SQL, not from the index that is measured."""
    path = tmp_path / "cinema.db"
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE film_work (id, title, description, rating); CREATE TABLE person (id, full_name);"
            "CREATE TABLE genre_film_work (genre_id, film_work_id);"
            "CREATE TABLE person_film_work (person_id, film_work_id, role);"
            "INSERT INTO film_work VALUES ('f1', 'Star', NULL, 7), ('f2', 'The Star', 'dark', NULL);"
            "INSERT INTO person VALUES ('p1', 'Ann Lee'), ('p2', 'Bob Lee');"
            "INSERT INTO genre_film_work VALUES ('g1', 'f1'), ('g1', 'f2'), ('g2', 'f1');"
            "INSERT INTO person_film_work VALUES ('p1', 'f1', 'actor'), ('p1', 'f1', 'writer');"
        )
    database.close()

    known = read(path)

    assert (known.films, known.persons, known.genres) == (2, 2, [("g1", 2), ("g2", 1)])
    assert (known.busiest, known.person_ids, known.ties) == ([("p1", 1)], ["p1"], [(7.0, 1)])
    assert known.with_word["star"] == 2
    assert known.film_words[0] == "star"


def test_words_that_a_search_ignores_or_takes_for_the_same_are_left_out() -> None:
    """16 common words must be 16 words to the engine."""
    assert significant(Counter({"the": 9, "stars": 8, "star": 7, "night": 6})) == ["stars", "night"]


def test_memory_is_read_from_the_kernel() -> None:
    """Resident pages of files are the page cache's; anonymous memory is the process's own."""
    text = (
        "55d0-7fff ---p 00000000 00:00 0   [rollup]\nRss:    2048 kB\nPss:    1024 kB\nAnonymous:    512 kB\n"
    )

    assert parse(text) == Memory(rss=2_097_152, pss=1_048_576, anonymous=524_288)


def test_the_time_that_cores_worked_leaves_out_waiting() -> None:
    """User, nice, system, interrupts and what other machines took; not idle, not waiting for a disk."""
    assert busy_seconds("cpu  100 10 50 9000 800 5 5 30 0 0\ncpu0 1 1 1 1\n") == pytest.approx(2.0)


def test_the_speed_of_the_etl_is_read_from_its_log() -> None:
    """From the begin of the rebuild to the end of the walk through the films."""
    log = (
        '{"timestamp":"2026-11-21T10:00:00.000+00:00","event":"etl_rebuild"}\nnoise\n'
        '{"timestamp":"2026-11-21T10:00:12.500+00:00","event":"etl_indexed","index":"movies"}\n'
    )

    assert walk_seconds(log, "movies") == 12.5
    assert walk_seconds(log, "persons") == 0.0
    assert "16,000 (ok 15,000)" in building({"tantivy movies": 12.5}, 200_000)


def test_a_figure_stands_beside_its_bound() -> None:
    assert bounded(0.0184, 0.02, 1e3) == "18.4 (ok 20)"
    assert bounded(0.0216, 0.02, 1e3) == "21.6 (over 20)"


def test_the_worst_of_a_class_is_the_slowest_of_its_candidates() -> None:
    """Medians of a few tries are compared, so that one stall of the machine does not decide."""
    seen = Measured(
        typical=dict.fromkeys(CLASSES, Single(0.002, 0.001)),
        hard=[Hard("by id", "a", Single(0.01, 0.01)), Hard("by id", "b", Single(0.03, 0.01))],
        paced=[("by id", Answer(latency=0.01, status=200))],
    )

    assert worst(seen, "by id") == seen.hard[1]
    assert worst(seen, "related") is None
    assert "15.0 (over 10)" in tables("tantivy", seen, Plan())


def test_a_wrong_answer_is_a_fault_with_its_question() -> None:
    """The bench fails, and says which question was answered wrongly."""
    seen = Measured()
    ask = Ask("by id", "/v1/films/a", Expected(id="a"))
    seen.judge([ask, ask], [Answer(status=200, body=b'{"id": "a"}'), Answer(status=0, cached="x; hit")])

    assert (seen.asked, seen.hits, len(seen.faults)) == (2, 1, 1)
    assert "/v1/films/a" in seen.faults[0]


def test_words_are_drawn_from_titles_that_are_there() -> None:
    """A search for nothing would be quick: at least the films with the word in their title must match."""
    fresh = Fresh(KNOWN, seed=3)
    asks = [fresh.draw("text search") for _ in range(40)]

    assert any(ask.expected.least for ask in asks)
    assert all(parse_qs(urlsplit(ask.path).query)["query"] for ask in asks)
    assert not math.isnan(sum(ask.expected.limit for ask in asks))
