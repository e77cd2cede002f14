"""Make documents of rows (contract 13): values in, values out.

"N/A" is how some sources say that they know nothing: it becomes null, and a person or genre of that name is left out
of films. Lists are sorted by name, so that the same rows always give the same document. A build of everything makes
600,000 documents, which is why each row is looked at once, and by few calls.
"""

from collections.abc import Iterable
from math import isfinite
from typing import Any, TypeAlias

from stagedoor.search import Document

__all__ = ["Appearance", "Credit", "Named", "genre_document", "known", "movie_document", "person_document"]

_UNKNOWN = {"", "N/A"}
_LENGTH = 10  # of what may be nothing, with blanks round it

Named: TypeAlias = tuple[str, str]  # name and id of a genre
Credit: TypeAlias = tuple[str, str, str]  # role, name and id of a person
Appearance: TypeAlias = tuple[str, str, str, float | None]  # id of a film, role, title, rating


def movie_document(
    key: str,
    title: str,
    description: str | None,
    rating: float | None,
    genres: Iterable[Named],
    people: Iterable[Credit],
) -> Document:
    """Return a film with its genres and, by role, its people."""
    genres = sorted(genres)
    named = [(name, genre) for name, genre in genres if len(name) > _LENGTH or known(name)]
    document: dict[str, Any] = {
        "id": key,
        "title": known(title),
        "description": known(description),
        "imdb_rating": number(rating),
        "genres": [name for name, _ in named],
        "genre_ids": [genre for _, genre in genres],
        "genre": [{"id": genre, "name": name} for name, genre in named],
    }
    document.update(_cast(people))
    return document


def _cast(people: Iterable[Credit]) -> Document:
    ids: dict[str, None] = {}
    actors: list[Document] = []
    writers: list[Document] = []
    directors: list[Document] = []
    actors_names: list[str] = []
    writers_names: list[str] = []
    directors_names: list[str] = []
    lists = {
        "actor": (actors, actors_names),
        "writer": (writers, writers_names),
        "director": (directors, directors_names),
    }
    for role, name, key in sorted(people):
        ids[key] = None  # a person's films are all of theirs, whether or not their name is known
        if (len(name) > _LENGTH or known(name)) and role in lists:
            objects, names = lists[role]
            objects.append({"id": key, "name": name})
            names.append(name)
    return {
        "person_ids": list(ids),
        "actors": actors,
        "actors_names": actors_names,
        "writers": writers,
        "writers_names": writers_names,
        "directors": directors,
        "directors_names": directors_names,
    }


def genre_document(key: str, name: str, description: str | None) -> Document:
    """Return a genre."""
    return {"id": key, "name": known(name), "description": known(description)}


def person_document(key: str, name: str, rows: Iterable[Appearance]) -> Document:
    """Return a person with their films: one entry a film with all its roles, best rated first."""
    films: dict[str, dict[str, Any]] = {}
    for film, role, title, rating in rows:
        if film in films:
            films[film]["roles"].append(role)
            films[film]["roles"].sort()
        else:
            entry = {"id": film, "title": known(title), "imdb_rating": number(rating), "roles": [role]}
            films[film] = entry
    return {"id": key, "full_name": known(name), "films": sorted(films.values(), key=_place)}


def _place(film: Document) -> tuple[float, str]:
    rating = film["imdb_rating"]
    return (1.0 if rating is None else -rating), film["id"]


def known(text: str | None) -> str | None:
    """Return a text that says something, else None."""
    return None if text is None or (len(text) <= _LENGTH and text.strip().upper() in _UNKNOWN) else text


def number(value: float | None) -> float | None:
    """Return a number that JSON can carry, else None."""
    return float(value) if isinstance(value, int | float) and isfinite(value) else None
