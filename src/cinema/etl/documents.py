"""Make documents of rows (contract 13): values in, values out.

"N/A" is how some sources say that they know nothing: it becomes null, and a person or genre of that name is left out
of films. Lists are sorted by name, so that the same rows always give the same document.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

from stagedoor.search import Document

__all__ = [
    "FilmRow",
    "GenreRow",
    "Named",
    "PersonRow",
    "by_film",
    "by_name",
    "by_role",
    "genre_document",
    "known",
    "movie_document",
    "person_document",
]

_PLURALS = (("actor", "actors"), ("writer", "writers"), ("director", "directors"))

_UNKNOWN = {"", "N/A"}
_LENGTH = 10  # of what may be nothing, with blanks round it

Named: TypeAlias = tuple[str, str]  # name, id: in this order they sort as they are


class FilmRow(NamedTuple):
    """A film as the source has it."""

    id: str
    title: str
    description: str | None
    rating: float | None


class GenreRow(NamedTuple):
    """A genre as the source has it."""

    id: str
    name: str
    description: str | None


class PersonRow(NamedTuple):
    """A person as the source has them."""

    id: str
    full_name: str


def movie_document(film: FilmRow, genres: Sequence[Named], people: Mapping[str, Sequence[Named]]) -> Document:
    """Return a film with its genres and, by role, its people; each sequence is sorted and without "N/A"."""
    document: dict[str, Any] = {
        "id": film.id,
        "title": known(film.title),
        "description": known(film.description),
        "imdb_rating": number(film.rating),
        "genres": [name for name, _ in genres],
        "genre_ids": [key for _, key in genres],
        "genre": [{"id": key, "name": name} for name, key in genres],
        "person_ids": list({key: None for held in people.values() for _, key in held}),
    }
    for role, plural in _PLURALS:
        held = people.get(role, ())
        document[plural] = [{"id": key, "name": name} for name, key in held]
        document[f"{plural}_names"] = [name for name, _ in held]
    return document


def genre_document(genre: GenreRow) -> Document:
    """Return a genre."""
    return {"id": genre.id, "name": known(genre.name), "description": known(genre.description)}


def person_document(person: PersonRow, films: Iterable[Document]) -> Document:
    """Return a person with their films."""
    return {"id": person.id, "full_name": known(person.full_name), "films": list(films)}


def by_name(rows: Iterable[tuple[str, str]]) -> list[Named]:
    """Return rows of (name, id), sorted."""
    return sorted((name, key) for name, key in rows if known(name) is not None)


def by_role(rows: Iterable[tuple[str, str, str]]) -> Mapping[str, list[Named]]:
    """Group rows of (role, name, id) by role, sorted by name."""
    roles: dict[str, list[Named]] = {}
    for role, name, key in rows:
        if known(name) is not None:
            roles.setdefault(role, []).append((name, key))
    for held in roles.values():
        held.sort()
    return roles


def by_film(rows: Iterable[tuple[str, str, str, float | None]]) -> list[Document]:
    """Group rows of (film, role, title, rating): one entry a film with all its roles, best rated first."""
    films: dict[str, Document] = {}
    for film, role, title, rating in rows:
        if film in films:
            films[film]["roles"].append(role)
        else:
            entry = {"id": film, "title": known(title), "imdb_rating": number(rating), "roles": [role]}
            films[film] = entry
    return sorted(films.values(), key=_place)


def _place(film: Document) -> tuple[float, str]:
    film["roles"].sort()
    rating = film["imdb_rating"]
    return (1.0 if rating is None else -rating), film["id"]


def known(text: str | None) -> str | None:
    """Return a text that says something, else None."""
    return None if text is None or (len(text) <= _LENGTH and text.strip().upper() in _UNKNOWN) else text


def number(value: float | None) -> float | None:
    """Return a number that JSON can carry, else None."""
    return float(value) if isinstance(value, int | float) and isfinite(value) else None
