"""What the foreign set says by plain SQL, and every list of the catalogue with what must be in it, in order."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from tests.cinema.data.course import ACTION, GREG_CAMP

__all__ = ["Listing", "Truth", "course_lists", "gateway_lists", "ordered", "query_of"]

Key: TypeAlias = tuple[str, bool]  # a field, and whether it is descending
Pairs: TypeAlias = tuple[tuple[str, str], ...]

_FILM_SORTS = ("imdb_rating", "-imdb_rating", "title", "-title")
_FILM_ORDERS = (
    *((one,) for one in ("id", "-id", *_FILM_SORTS)),
    ("imdb_rating", "-title"),
    ("-imdb_rating", "title", "-id"),
)
_NAME_ORDERS = (("id",), ("-id",), ("name",), ("-name",), ("-name", "-id"))


@dataclass(frozen=True)
class Listing:
    """One list: its path, the parameters that make it, and the ids it has, in order."""

    path: str
    given: Pairs
    ids: tuple[str, ...]

    @property
    def dialect(self) -> str:
        return "course" if self.path.startswith("/api") else "gateway"


class Truth:
    """The rows of a database, read without a line of what is tried."""

    def __init__(self, database: Path) -> None:
        with closing(sqlite3.connect(database)) as connection:
            self._ask = connection.execute
            self.films = self._rows("SELECT id, title, rating, description FROM film_work")
            self.genres = self._rows("SELECT id, name, description FROM genre")
            self.persons = self._rows("SELECT id, full_name AS name FROM person")
            self.genre_links = {
                (film, genre)
                for film, genre in self._ask("SELECT film_work_id, genre_id FROM genre_film_work")
            }
            self.credits = {
                (film, person, role)
                for film, person, role in self._ask(
                    "SELECT film_work_id, person_id, role FROM person_film_work"
                )
            }
        self._cast: dict[str, list[tuple[str, str]]] = {film: [] for film in self.films}
        for film, person, role in sorted(self.credits):
            self._cast[film].append((role, person))

    def _rows(self, statement: str) -> dict[str, dict[str, Any]]:
        cursor = self._ask(statement)
        names = [column for column, *_ in cursor.description]
        rows = [dict(zip(names, map(known, row), strict=True)) for row in cursor]
        return {row["id"]: row for row in rows}

    def films_of_genre(self, genre: str) -> set[str]:
        return {film for film, other in self.genre_links if other == genre}

    def films_of_person(self, person: str) -> set[str]:
        return {film for film, other, _ in self.credits if other == person}

    def similar(self, film: str) -> set[str]:
        genres = {genre for one, genre in self.genre_links if one == film}
        return {other for other, genre in self.genre_links if genre in genres} - {film}

    def people(self, film: str, role: str) -> list[str]:
        """Return who has a role in a film; somebody whose name is not known is left out."""
        known = self.persons
        return [one for other, one in self._cast[film] if other == role and known[one]["name"] is not None]

    def roles(self, person: str) -> dict[str, list[str]]:
        """Return the films of a person, best rated first, and the roles in each."""
        films = ordered(self.films, self.films_of_person(person), ["-rating"])
        held = {(film, role) for film, other, role in self.credits if other == person}
        return {film: sorted(role for one, role in held if one == film) for film in films}


def known(value: Any) -> Any:
    """Return what a cell says; the text "N/A" says nothing."""
    return None if value == "N/A" else value


def ordered(rows: dict[str, dict[str, Any]], ids: Iterable[str], keys: Iterable[str]) -> tuple[str, ...]:
    """Return ids by these keys: nothing last in both directions, ties by id."""
    found = sorted(ids)
    for key in reversed([*keys]):
        field, descending = key.lstrip("-"), key.startswith("-")
        some = [one for one in found if rows[one][field] is not None]
        some.sort(key=lambda one: rows[one][field], reverse=descending)
        found = some + [one for one in found if rows[one][field] is None]
    return tuple(found)


def _rated(key: str) -> str:
    return key.replace("imdb_rating", "rating")


def course_lists(truth: Truth) -> Iterator[Listing]:
    """Yield every list of the course dialect that has no text, in every order."""
    action = truth.films_of_genre(ACTION)
    for sort in ("", *_FILM_SORTS):
        given = (("sort", sort),) if sort else ()
        keys = [_rated(sort or "-imdb_rating")]
        yield Listing("/api/v1/films", given, ordered(truth.films, truth.films, keys))
        yield Listing("/api/v1/films", (*given, ("genre", ACTION)), ordered(truth.films, action, keys))
    for path, rows, name in (
        ("/api/v1/genres", truth.genres, "name"),
        ("/api/v1/persons", truth.persons, "full_name"),
    ):
        for sign in ("", "-"):
            ids = ordered(rows, rows, [sign + "name"])
            yield Listing(path, (("sort", sign + name),), ids)
    crowded = max(truth.films, key=lambda film: (len(truth.similar(film)), film))
    alike = ordered(truth.films, truth.similar(crowded), ["-rating"])
    yield Listing(f"/api/v1/films/{crowded}/similar", (), alike)
    camp = ordered(truth.films, truth.films_of_person(GREG_CAMP), ["-rating"])
    for name in ("film", "films"):
        yield Listing(f"/api/v1/persons/{GREG_CAMP}/{name}", (), camp)


def gateway_lists(truth: Truth) -> Iterator[Listing]:
    """Yield every list of the gateway dialect, in every order."""
    for order in _FILM_ORDERS:
        given = tuple(("order", key) for key in order)
        yield Listing("/v1/films", given, ordered(truth.films, truth.films, map(_rated, order)))
    for path, rows in (("/v1/genres", truth.genres), ("/v1/persons", truth.persons)):
        for order in _NAME_ORDERS:
            yield Listing(path, tuple(("order", key) for key in order), ordered(rows, rows, order))


def query_of(given: Iterable[tuple[str, str]], offset: int, limit: int, dialect: str) -> str:
    """Return the query string of a page."""
    spelled: Callable[[], list[tuple[str, str]]] = (
        (lambda: [("page_number", str(offset // limit + 1)), ("page_size", str(limit))])
        if dialect == "course"
        else (lambda: [("pagination", str(offset)), ("pagination", str(limit))])
    )
    return urlencode([*given, *spelled()], quote_via=quote)
