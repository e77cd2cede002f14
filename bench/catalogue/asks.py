"""Questions of each class, drawn so that none is asked twice, and what their answers must be.

A question is one request. What is expected of its answer comes from the source database: exact totals where SQL
counts the same, a lower bound for texts, the id of a single thing, the order of a list.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from bench.catalogue.known import Known

__all__ = ["CLASSES", "MIX", "Ask", "Expected", "Fresh", "fault", "page"]

Pairs = list[tuple[str, object]]
WINDOW: Final = 10_000
SORTS: Final = ("-imdb_rating", "imdb_rating", "title", "-title")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an answer must hold; an `id` for one thing, else a list."""

    id: str = ""
    total: int | None = None  # exactly
    least: int = 0  # at least
    offset: int = 0
    limit: int = 0
    sort: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a path, and what is expected of the answer."""

    kind: str
    path: str
    expected: Expected


class Fresh:
    """Draws questions that were not drawn before."""

    def __init__(self, known: Known, seed: int) -> None:
        self._known = known
        self._rng = Random(seed)
        self._seen: set[str] = set()

    def draw(self, kind: str) -> Ask:
        """Return a question of a class."""
        while True:
            ask = CLASSES[kind](self._known, self._rng)
            if ask.path not in self._seen:
                self._seen.add(ask.path)
                return ask

    def mixed(self, count: int) -> Iterator[Ask]:
        """Yield questions of the mix, each class with the same chance."""
        for _ in range(count):
            yield self.draw(self._rng.choice(MIX))


def page(kind: str, path: str, pairs: Pairs, expected: Expected) -> Ask:
    """Return the question for a page of the course dialect, which its expectation places."""
    size = expected.limit
    window: Pairs = [("page_number", expected.offset // size + 1), ("page_size", size)]
    return Ask(kind, f"{path}?{urlencode([*pairs, *window])}", expected)


def sorted_list(known: Known, rng: Random) -> Ask:
    size = rng.randint(20, 80)
    sort = rng.choice(SORTS)
    expected = Expected(total=known.films, offset=rng.randrange(10) * size, limit=size, sort=sort)
    return page("sorted list", "/api/v1/films", [("sort", sort)], expected)


def genre_list(known: Known, rng: Random) -> Ask:
    genre, films = rng.choice(known.genres)
    size = rng.randint(40, 60)
    sort = rng.choice(SORTS)
    expected = Expected(total=films, offset=rng.randrange(3) * size, limit=size, sort=sort)
    return page("genre list", "/api/v1/films", [("sort", sort), ("genre", genre)], expected)


def text_search(known: Known, rng: Random) -> Ask:
    """Ask for a few words of a title, one in four of them mistyped."""
    words = [word for word in rng.choice(known.titles).lower().split() if known.with_word[word]][:3]
    if not words:
        words = [rng.choice(known.title_words)]
    least = max((known.with_word[word] for word in words if word in known.title_words), default=0)
    if rng.random() < 0.25 and len(words[0]) > 3:
        place = rng.randrange(1, len(words[0]))
        words[0] = words[0][:place] + words[0][place + 1 :]
        least = 0
    expected = Expected(least=least, limit=rng.randint(40, 60))
    return page("text search", "/api/v1/films/search", [("query", " ".join(words))], expected)


def by_id(known: Known, rng: Random) -> Ask:
    path, ids = rng.choice(
        [
            ("/api/v1/films/", known.film_ids),
            ("/v1/films/", known.film_ids),
            ("/api/v1/persons/", known.person_ids),
        ]
    )
    wanted = rng.choice(ids)
    return Ask("by id", path + wanted, Expected(id=wanted))


def deep_page(known: Known, rng: Random) -> Ask:
    size = rng.randint(40, 60)
    sort = rng.choice(SORTS)
    number = rng.randint(5_000 // size, WINDOW // size - 1)
    expected = Expected(total=known.films, offset=number * size, limit=size, sort=sort)
    return page("deep page", "/api/v1/films", [("sort", sort)], expected)


def filtered(known: Known, rng: Random) -> Ask:
    """Ask the gateway dialect with one or two of its filters."""
    ids = rng.sample(known.film_ids, 20)
    low = rng.choice(known.ties)[0]
    filters: Pairs = rng.choice(
        [
            [("ids", one) for one in ids],
            [("excluded_ids", one) for one in ids],
            [("imdb_rating", low), ("imdb_rating", low + 1)],
            [("imdb_rating", ""), ("imdb_rating", low)],
            [("title", rng.choice(known.title_words)), ("imdb_rating", low), ("imdb_rating", "")],
        ]
    )
    order = rng.choice(SORTS)
    window: Pairs = [("pagination", rng.randrange(50)), ("pagination", rng.randint(10, 50))]
    expected = Expected(offset=int(str(window[0][1])), limit=int(str(window[1][1])), sort=order)
    return Ask("filters", f"/v1/films?{urlencode([*filters, ('order', order), *window])}", expected)


def persons(known: Known, rng: Random) -> Ask:
    size = rng.randint(40, 60)
    if rng.random() < 0.5:
        sort = rng.choice(["full_name", "-full_name"])
        expected = Expected(total=known.persons, offset=rng.randrange(10) * size, limit=size)
        return page("persons", "/api/v1/persons", [("sort", sort)], expected)
    name = " ".join(rng.sample(known.name_words, 2))
    return page("persons", "/api/v1/persons/search", [("query", name)], Expected(least=1, limit=size))


def related(known: Known, rng: Random) -> Ask:
    size = rng.randint(40, 60)
    if rng.random() < 0.5:
        path, expected = f"/api/v1/films/{rng.choice(known.film_ids)}/similar", Expected(limit=size)
    else:
        path, expected = (
            f"/api/v1/persons/{rng.choice(known.person_ids)}/films",
            Expected(least=1, limit=size),
        )
    return page("related", path, [], expected)


CLASSES: Final[Mapping[str, Callable[[Known, Random], Ask]]] = {
    "sorted list": sorted_list,
    "genre list": genre_list,
    "text search": text_search,
    "by id": by_id,
    "deep page": deep_page,
    "filters": filtered,
    "persons": persons,
    "related": related,
}
MIX: Final = ("sorted list", "genre list", "text search", "by id", "deep page")


def fault(expected: Expected, status: int, total: str, body: bytes) -> str:
    """Return what is wrong with an answer; `total` is its X-Total-Count, "" if it has none."""
    if status != 200:
        return f"status {status}: {body[:200].decode(errors='replace')}"
    said = orjson.loads(body)
    if expected.id:
        found = said.get("uuid", said.get("id"))
        return "" if found == expected.id else f"the id is {found}"
    items = said if isinstance(said, list) else said["results"]
    return _list_fault(expected, items, int(total or -1))


def _list_fault(expected: Expected, items: Sequence[Mapping[str, Any]], total: int) -> str:
    if total < expected.least or expected.total not in {None, total}:
        return f"{total} matches, not {expected.least if expected.total is None else expected.total}"
    members = max(0, min(expected.limit, total - expected.offset))
    if len(items) != members or len({item.get("uuid", item.get("id")) for item in items}) != members:
        return f"{len(items)} items, not {members} different ones"
    return "" if _is_sorted(expected.sort, items) else f"not in the order {expected.sort}"


def _is_sorted(sort: str, items: Sequence[Mapping[str, Any]]) -> bool:
    field, falling = sort.removeprefix("-"), sort.startswith("-")
    held = [item[field] for item in items if field and item[field] is not None]
    return held == sorted(held, reverse=falling)
