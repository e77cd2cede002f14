"""The real film set, as it lies beside this file; its `README.md` says what it is."""

import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cinema.data.rows import SNAPSHOT, FilmSet, Row, Rows, link_id, named_id

__all__ = ["ROLES", "Film", "RealFilms", "film_id", "read_films"]

ROLES = ("actor", "director", "writer")
_FILE = Path(__file__).with_name("films.json.xz")
_WIKIDATA = "http://www.wikidata.org/entity/Q"
_PORTION = 2_000  # films at a time


class Film(NamedTuple):
    """One film; genres and people are places in the lists of the set."""

    number: int  # Wikidata's
    title: str
    released: str
    certificate: str | None
    rating: float | None
    genres: Sequence[int]
    actors: Sequence[int]
    directors: Sequence[int]
    writers: Sequence[int]


def film_id(number: int) -> str:
    """Return the id of the film with this number in Wikidata."""
    return named_id(f"{_WIKIDATA}{number}")


@dataclass(frozen=True)
class RealFilms:
    """The set in memory: films, and the names they refer to."""

    films: Sequence[Film]
    genres: Sequence[str]
    people: Sequence[str]

    @cached_property
    def genre_ids(self) -> Sequence[str]:
        """Return the id of each genre, made of its name."""
        return [named_id(f"genre:{name}") for name in self.genres]

    @cached_property
    def person_ids(self) -> Sequence[str]:
        """Return the id of each person, made of the name: there is nothing else to tell people apart by."""
        return [named_id(f"person:{name}") for name in self.people]

    def rows(self) -> FilmSet:
        """Yield the rows of every table."""
        # In order of their ids: every index of the database then grows at its end.
        when = SNAPSHOT
        people = sorted(zip(self.person_ids, self.people, strict=True))
        yield Rows(
            "genre",
            [(key, name, None, when, when) for key, name in zip(self.genre_ids, self.genres, strict=True)],
        )
        yield Rows("person", [(key, name, when, when) for key, name in people])
        films = iter(sorted((film_id(film.number), film) for film in self.films))
        while keyed := list(islice(films, _PORTION)):
            yield Rows("film_work", [_film(key, film) for key, film in keyed])
            yield Rows("genre_film_work", [row for key, film in keyed for row in self._genres(key, film)])
            yield Rows("person_film_work", [row for key, film in keyed for row in self._people(key, film)])

    def _genres(self, key: str, film: Film) -> list[Row]:
        return [
            (link_id(key, number), self.genre_ids[place], key, SNAPSHOT)
            for number, place in enumerate(film.genres)
        ]

    def _people(self, key: str, film: Film) -> list[Row]:
        people = zip(ROLES, (film.actors, film.directors, film.writers), strict=True)
        chosen = [(role, self.person_ids[place]) for role, places in people for place in places]
        return [
            (link_id(key, number), person, key, role, SNAPSHOT)
            for number, (role, person) in enumerate(chosen)
        ]


def read_films() -> RealFilms:
    """Read the set."""
    held = json.loads(lzma.decompress(_FILE.read_bytes()))
    return RealFilms([Film(*film) for film in held["films"]], held["genres"], held["people"])


def _film(key: str, film: Film) -> Row:
    released = date.fromisoformat(film.released)
    return (
        key,
        film.title,
        None,
        released,
        film.rating,
        "movie",
        film.certificate,
        None,
        SNAPSHOT,
        SNAPSHOT,
    )
