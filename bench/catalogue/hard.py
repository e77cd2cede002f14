"""The worst allowed question of each class, looked for among the candidates: what is slow in search engines.

Each candidate can be asked several times in ways that no cache takes for the same: another page size, the same words
in another order, other ids.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlencode

from bench.catalogue.asks import SORTS, WINDOW, Ask, Expected, Pairs, page
from bench.catalogue.known import Known

__all__ = ["Candidate", "candidates"]

T = TypeVar("T")
FILMS: Final = "/api/v1/films"
SEARCH: Final = "/api/v1/films/search"
DEEP: Final = ", to the 10,000th"
LINE: Final = 32_000  # bytes of a request line, of which the gateway takes 32 KiB


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hard question: its class, what it is, and how it is asked for the n-th time."""

    kind: str
    name: str
    ask: Callable[[int], Ask]


def candidates(known: Known) -> Iterator[Candidate]:
    """Yield every candidate."""
    yield from _pages("sorted list", FILMS, [], known.films, depths=(False,))
    yield from _pages("deep page", FILMS, [], known.films, depths=(True,))
    genre, films = known.genres[0]
    yield from _pages("genre list", FILMS, [("genre", genre)], films)
    yield from _texts(known)
    yield from _things(known)
    yield from _filters(known)
    yield from _persons(known)
    yield from _related(known)


def _pages(
    kind: str,
    path: str,
    pairs: Pairs,
    total: int | None,
    *,
    sorts: Sequence[str] = SORTS,
    depths: Sequence[bool] = (False, True),
) -> Iterator[Candidate]:
    """Yield the first and the last page there may be, in every order."""
    for sort in sorts:
        for deep in depths:
            name = f"{' '.join(name for name, _ in pairs)} sort={sort}{DEEP if deep else ''}".strip()
            yield Candidate(kind, name, _paged(kind, path, [*pairs, ("sort", sort)], total, sort, deep=deep))


def _paged(
    kind: str, path: str, pairs: Pairs, total: int | None, sort: str = "", *, deep: bool
) -> Callable[[int], Ask]:
    def ask(turn: int) -> Ask:
        size = 100 - turn
        offset = (WINDOW // size - 1) * size if deep else 0
        order = sort if "imdb_rating" in sort or "title" in sort else ""
        return page(kind, path, pairs, Expected(total=total, offset=offset, limit=size, sort=order))

    return ask


def _texts(known: Known) -> Iterator[Candidate]:
    genre = known.genres[0][0]
    words = {
        "the most common word": known.film_words[:1],
        "16 most common words": known.film_words[:16],
        "16 most common words of titles": known.title_words[:16],
        "16 most common names": known.name_words[:16],
        "16 words of 3 letters, mistyped": [_mistyped(one) for one in _long(known, 3, 5)[:16]],
        "16 words of 6 letters, mistyped": [_mistyped(one) for one in _long(known, 6, 7)[:16]],
    }
    for name, some in words.items():
        yield Candidate("text search", name, _worded("text search", SEARCH, some))
        for sort in ("title", "-imdb_rating"):
            yield Candidate(
                "text search", f"{name}, sort={sort}", _worded("text search", SEARCH, some, [("sort", sort)])
            )
        yield Candidate("text search", f"{name}{DEEP}", _worded("text search", SEARCH, some, deep=True))
        yield Candidate(
            "text search",
            f"{name}, in the largest genre",
            _worded("text search", SEARCH, some, [("genre", genre)]),
        )


def _long(known: Known, least: int, most: int) -> list[str]:
    words = [*known.name_words, *known.film_words]
    return [word for word in words if least <= len(word) <= most]


def _mistyped(word: str) -> str:
    """Return a word with its last letter changed: near the word, and near its neighbours."""
    return word[:-1] + ("b" if word[-1] != "b" else "d")


def _worded(
    kind: str, path: str, words: Sequence[str], more: Pairs | None = None, *, deep: bool = False
) -> Callable[[int], Ask]:
    def ask(turn: int) -> Ask:
        size = 100 - turn
        pairs: Pairs = [("query", " ".join(rotated(words, turn))), *(more or [])]
        offset = (WINDOW // size - 1) * size if deep else 0
        return page(kind, path, pairs, Expected(offset=offset, limit=size))

    return ask


def _things(known: Known) -> Iterator[Candidate]:
    busiest, crowded = [one for one, _ in known.busiest], known.crowded
    yield Candidate("by id", "the person with the most films", _thing("/api/v1/persons/", busiest))
    yield Candidate("by id", "the film with the most people", _thing("/api/v1/films/", crowded))
    yield Candidate("by id", "the same, gateway dialect", _thing("/v1/films/", crowded))


def _thing(path: str, ids: Sequence[str]) -> Callable[[int], Ask]:
    return lambda turn: Ask("by id", path + ids[turn], Expected(id=ids[turn]))


def _filters(known: Known) -> Iterator[Candidate]:
    common, rating = known.film_words[:16], known.ties[0][0]
    open_range: Pairs = [("imdb_rating", ""), ("imdb_rating", 9)]
    tied: Pairs = [("imdb_rating", rating), ("imdb_rating", rating)]
    texts: Pairs = [("title", " ".join(known.title_words[:16])), ("description", " ".join(common))]
    two: Pairs = [("order", "imdb_rating"), ("order", "-title")]
    shapes: dict[str, tuple[Pairs, int, int]] = {  # filters, ids, excluded ids
        "500 ids": ([], 500, 0),
        "500 ids, and as many excluded as a line holds": ([], 500, 500),
        "500 excluded": ([], 0, 500),
        "500 excluded, by title": ([("order", "title")], 0, 500),
        "an open range": (open_range, 0, 0),
        "an open range, by title falling": ([*open_range, ("order", "-title")], 0, 0),
        "a range of thousands of ties": ([*tied, *two], 0, 0),
        "two keys": (two, 0, 0),
        "two keys, title first": ([("order", "-title"), ("order", "imdb_rating")], 0, 0),
        "two keys, id falling": ([("order", "-imdb_rating"), ("order", "-id")], 0, 0),
        "id falling": ([("order", "-id")], 0, 0),
        "counted by genre": ([("facet", "genres")], 0, 0),
        "two texts of 16 words": (texts, 0, 0),
        "two texts of 16 words, counted by genre": ([*texts, ("facet", "genres")], 0, 0),
        "two texts of 16 words, highlighted": ([*texts, ("highlight", "true")], 0, 0),
        "everything at once": ([*texts, *open_range, *two], 0, 500),
    }
    for name, (pairs, ids, excluded) in shapes.items():
        for deep in (False, True):
            ask = _filtered(known, pairs, ids, excluded, deep=deep)
            yield Candidate("filters", f"{name}{DEEP if deep else ''}", ask)


def _filtered(known: Known, pairs: Pairs, ids: int, excluded: int, *, deep: bool) -> Callable[[int], Ask]:
    def ask(turn: int) -> Ask:
        size = 100 - turn
        offset = WINDOW - size if deep else 0
        some = rotated(known.film_ids, 1_000 * turn)
        every: Pairs = [
            ("pagination", offset),
            ("pagination", size),
            *pairs,
            *(("ids", one) for one in some[:ids]),
            *(("excluded_ids", one) for one in some[ids // 2 : ids // 2 + excluded]),
        ]
        path = f"/v1/films?{urlencode(every)}"[:LINE]
        if len(path) == LINE:  # the last pair is cut
            path = path[: path.rindex("&")]
        return Ask("filters", path, Expected(offset=offset, limit=size))

    return ask


def _persons(known: Known) -> Iterator[Candidate]:
    yield from _pages("persons", "/api/v1/persons", [], known.persons, sorts=("full_name", "-full_name"))
    path, some = "/api/v1/persons/search", known.name_words[:16]
    yield Candidate("persons", "16 most common names", _worded("persons", path, some))
    yield Candidate("persons", f"16 names{DEEP}", _worded("persons", path, some, deep=True))
    yield Candidate("persons", "16 names, falling", _worded("persons", path, some, [("sort", "-full_name")]))


def _related(known: Known) -> Iterator[Candidate]:
    for deep in (False, True):
        where = DEEP if deep else ""
        similar = f"/api/v1/films/{known.crowded[0]}/similar"
        yield Candidate("related", f"similar films{where}", _paged("related", similar, [], None, deep=deep))
        person, films = known.busiest[0]
        path = f"/api/v1/persons/{person}/films"
        yield Candidate(
            "related", f"the busiest person's films{where}", _paged("related", path, [], films, deep=deep)
        )


def rotated(some: Sequence[T], places: int) -> list[T]:
    """Return the same elements beginning with another."""
    places %= max(1, len(some))
    return [*some[places:], *some[:places]]
