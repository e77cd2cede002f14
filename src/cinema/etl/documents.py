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
Appearance: TypeAlias = tuple[str, str | None, str, float | None]  # id of a film, role, title, rating
_People: TypeAlias = tuple[list[Document], list[str]]  # of one role, and their names


def movie_document(
    key: str,
    title: str,
    description: str | None,
    rating: float | None,
    genres: Iterable[Named],
    people: Iterable[Credit],
) -> Document:
    """Return a film with its genres and, by role, its people."""
    genre_ids: list[str] = []
    genre_objects: list[Document] = []
    genre_names: list[str] = []
    for name, genre in sorted(genres):
        genre_ids.append(genre)
        if len(name) > _LENGTH or known(name):
            genre_objects.append({"id": genre, "name": name})
            genre_names.append(name)
    person_ids, actors, writers, directors = _cast(people)
    return {
        "id": key,
        "title": known(title),
        "description": known(description),
        "imdb_rating": number(rating),
        "genres": genre_names,
        "genre_ids": genre_ids,
        "genre": genre_objects,
        "person_ids": person_ids,
        "actors": actors[0],
        "actors_names": actors[1],
        "writers": writers[0],
        "writers_names": writers[1],
        "directors": directors[0],
        "directors_names": directors[1],
    }


def _cast(people: Iterable[Credit]) -> tuple[list[str], _People, _People, _People]:
    """Return the ids of all people, and actors, writers and directors."""
    ids: dict[str, None] = {}
    actors: _People = ([], [])
    writers: _People = ([], [])
    directors: _People = ([], [])
    lists = {"actor": actors, "writer": writers, "director": directors}
    for role, name, key in sorted(people):
        ids[key] = None  # a person's films are all of theirs, whether or not their name is known
        if (len(name) > _LENGTH or known(name)) and role in lists:
            objects, names = lists[role]
            objects.append({"id": key, "name": name})
            names.append(name)
    return [*ids], actors, writers, directors


def genre_document(key: str, name: str, description: str | None) -> Document:
    """Return a genre."""
    return {"id": key, "name": known(name), "description": known(description)}


def person_document(key: str, name: str, rows: Iterable[Appearance]) -> Document:
    """Return a person with their films: one entry a film with all roles that are known, best rated first."""
    films: dict[str, dict[str, Any]] = {}
    for film, role, title, rating in rows:
        roles = [role] if role else []
        if film in films:
            films[film]["roles"] += roles
            films[film]["roles"].sort()
        else:
            films[film] = {
                "id": film, "title": known(title), "imdb_rating": number(rating), "roles": roles,
            }  # fmt: skip
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
