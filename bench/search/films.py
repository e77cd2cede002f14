"""The film set as documents, and what of it questions are made of."""

from collections.abc import Iterator
from functools import cached_property
from typing import Final

from cinema.data.films import ROLES, Film, RealFilms, film_id, read_films
from cinema.etl.documents import movie_document
from stagedoor.search import Document

__all__ = ["FIELDS", "Films"]

FIELDS: Final = (
    ("title", 3.0),
    ("description", 1.0),
    ("actors_names", 1.0),
    ("writers_names", 1.0),
    ("directors_names", 1.0),
)


class Films:
    """The films that the platform ships with."""

    def __init__(self) -> None:
        self._real = read_films()
        self.documents = [_document(self._real, film) for film in self._real.films]

    @cached_property
    def by_title(self) -> dict[str, frozenset[str]]:
        """Return the ids of the films of each title."""
        found: dict[str, set[str]] = {}
        for document in self.documents:
            if document["title"]:
                found.setdefault(document["title"], set()).add(document["id"])
        return {title: frozenset(ids) for title, ids in found.items()}

    @cached_property
    def titles(self) -> list[str]:
        """Return the different titles, sorted."""
        return sorted(self.by_title)

    def directed(self) -> Iterator[tuple[Document, str]]:
        """Yield each film with one of its directors."""
        for document in self.documents:
            if document["title"]:
                yield from ((document, name) for name in document["directors_names"])


def _document(real: RealFilms, film: Film) -> Document:
    cast = zip(ROLES, (film.actors, film.directors, film.writers), strict=True)
    people = [(role, real.people[place], real.person_ids[place]) for role, places in cast for place in places]
    genres = [(real.genres[place], real.genre_ids[place]) for place in film.genres]
    return movie_document(film_id(film.number), film.title, None, film.rating, genres, people)
