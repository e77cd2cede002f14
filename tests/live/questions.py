"""Generated questions to the catalogue, in both dialects: each a path with its query, and what is known of it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from stagedoor.search import Match
from tests.cinema.data.course import ACTION
from tests.live.course import Truth, query_of

__all__ = ["UNKNOWN", "Asked", "generated"]

UNKNOWN = "00000000-0000-4000-8000-000000000000"
_EVERYWHERE = tuple(
    (f"{name}", 1.0) for name in ("title", "description", "actors_names", "writers_names", "directors_names")
)

Given = list[tuple[str, str]]


@dataclass(frozen=True)
class Asked:
    """One question; with `texts` it is answered by relevance."""

    path: str
    limit: int
    kind: str = ""
    texts: tuple[Match, ...] = ()


def generated(truth: Truth, count: int, seed: int) -> Iterator[Asked]:
    """Yield questions of every kind, the same ones for the same seed."""
    for number in range(count):
        rng = random.Random(seed * 1_000_000 + number)
        yield rng.choice(
            (
                films,
                films_by_words,
                names,
                related,
                thing,
                films_of_gateway,
                films_of_gateway,
                names_of_gateway,
            )
        )(rng, truth)


def films(rng: random.Random, truth: Truth) -> Asked:
    given = [("sort", a_sort(rng))] if rng.random() < 0.7 else []
    if rng.random() < 0.6:
        given.append(("genre", an_id(rng, truth.genres)))
    return page(rng, "/api/v1/films", given)


def films_by_words(rng: random.Random, truth: Truth) -> Asked:
    text, given = some_words(rng, truth), Given()
    if rng.random() < 0.3:
        given.append(("genre", an_id(rng, truth.genres)))
    return searched(rng, "/api/v1/films/search", [("query", text), *given], "films", Match(_EVERYWHERE, text))


def names(rng: random.Random, truth: Truth) -> Asked:
    kind, field = rng.choice((("genres", "name"), ("persons", "full_name")))
    if rng.random() < 0.4:
        return page(rng, f"/api/v1/{kind}", [("sort", rng.choice((field, f"-{field}")))])
    text = some_words(rng, truth)
    return searched(
        rng, f"/api/v1/{kind}/search", [("query", text)], kind, Match((("name", 1.0),), text), field
    )


def related(rng: random.Random, truth: Truth) -> Asked:
    if rng.random() < 0.5:
        return page(rng, f"/api/v1/films/{an_id(rng, truth.films)}/similar", [])
    return page(rng, f"/api/v1/persons/{an_id(rng, truth.persons)}/{rng.choice(('film', 'films'))}", [])


def thing(rng: random.Random, truth: Truth) -> Asked:
    kind, rows = rng.choice((("films", truth.films), ("genres", truth.genres), ("persons", truth.persons)))
    return Asked(f"{rng.choice(('/api/v1', '/v1'))}/{kind}/{an_id(rng, rows)}", 1)


def films_of_gateway(rng: random.Random, truth: Truth) -> Asked:
    given = ids(rng, truth.films)
    if rng.random() < 0.4:
        given += [
            ("imdb_rating", rng.choice(("", "0", "5.5", "7", "9.9", "1e1", "-1", "x"))) for _ in range(2)
        ]
    texts = {field: some_words(rng, truth) for field in ("title", "description") if rng.random() < 0.25}
    given += texts.items()
    if not texts or rng.random() < 0.5:
        given += orders(rng, ("id", "imdb_rating", "title"))
    matches = [Match(((field, 1.0),), text) for field, text in texts.items()]
    return page(rng, "/v1/films", given, "films", [] if has(given, "order") else matches)


def names_of_gateway(rng: random.Random, truth: Truth) -> Asked:
    kind, rows = rng.choice((("genres", truth.genres), ("persons", truth.persons)))
    given, matches = ids(rng, rows), []
    if rng.random() < 0.4:
        text = some_words(rng, truth)
        given, matches = [*given, ("name", text)], [Match((("name", 1.0),), text)]
    if not matches or rng.random() < 0.5:
        given += orders(rng, ("id", "name"))
    return page(rng, f"/v1/{kind}", given, kind, [] if has(given, "order") else matches)


def ids(rng: random.Random, rows: dict[str, Any]) -> Given:
    """Return filters by id, each with some probability."""
    given = [("id", an_id(rng, rows))] if rng.random() < 0.1 else []
    if rng.random() < 0.3:
        given += [("ids", one) for one in some_ids(rng, rows)]
    if rng.random() < 0.3:
        given += [("excluded_ids", one) for one in some_ids(rng, rows)]
    return given


def some_ids(rng: random.Random, rows: dict[str, Any]) -> list[str]:
    """Return one id, which may be wrong, or several that are there."""
    count = rng.choice((1, 5, 120))
    return [an_id(rng, rows)] if count == 1 else rng.choices([*rows], k=count)


def orders(rng: random.Random, fields: tuple[str, ...]) -> Given:
    keys = [rng.choice(("", "-")) + field for field in rng.sample(fields, rng.randrange(len(fields) + 1))]
    return [("order", key) for key in keys]


def a_sort(rng: random.Random) -> str:
    return rng.choice(("imdb_rating", "-imdb_rating", "title", "-title", rng.choice(("title", "year", ""))))


def an_id(rng: random.Random, rows: dict[str, Any]) -> str:
    """Return an id that is there; sometimes in capitals, unknown, or none at all."""
    chance = rng.random()
    if chance < 0.08:
        return rng.choice((UNKNOWN, "not-a-uuid", UNKNOWN.replace("-", "")))
    found = ACTION if ACTION in rows and chance < 0.3 else rng.choice([*rows])
    return found.upper() if chance > 0.9 else found


def some_words(rng: random.Random, truth: Truth) -> str:
    """Return words that stand in the library just so, among them stop words and signs."""
    rows = [
        row for held in (truth.films, truth.persons, truth.genres) for row in rng.sample([*held.values()], 2)
    ]
    words = " ".join(row.get("title") or row.get("name") or "star" for row in rows).split()
    return " ".join(rng.sample(words, rng.choice((1, 1, 2, 3, 5))))


def searched(rng: random.Random, path: str, given: Given, kind: str, text: Match, field: str = "") -> Asked:
    """Return a search, half of the time in an order of its own."""
    if rng.random() < 0.5:
        return page(rng, path, [*given, ("sort", field or a_sort(rng))])
    return page(rng, path, given, kind, [text])


def page(
    rng: random.Random, path: str, given: Given, kind: str = "", texts: list[Match] | None = None
) -> Asked:
    """Return the question for a page of a list: most often the first, sometimes one beyond data or window."""
    course = path.startswith("/api")
    limit = rng.choice((1, 5, 10, 50, 100, 100, 100))
    offset = rng.choice((0, 0, 0, 0, 1, 3, 40, 99)) * limit
    if rng.random() < 0.05:
        limit, offset = rng.choice(((101, 0), (100, 10_000), (100, 10**30)))
    query = query_of(given, offset, limit, "course" if course else "gateway")
    if rng.random() < 0.2:
        query, limit = urlencode(given, quote_via=quote), 50 if course else 10
    return Asked(f"{path}?{query}", limit, kind, tuple(texts or ()))


def has(given: Given, name: str) -> bool:
    return any(one == name for one, _ in given)
