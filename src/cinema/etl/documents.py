"""Make documents of rows (contract 13): values in, values out.

"N/A" is how some sources say that they know nothing: it becomes null, and a person or genre of that name is left out
of films. Lists are sorted by name, so that the same rows always give the same document.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

from stagedoor.search import Document

__all__ = [
    "FilmRow",
    "GenreRow",
    "Named",
    "PersonRow",
    "films_of_people",
    "genre_document",
    "known",
    "movie_document",
    "named_of_films",
    "people_of_films",
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


def named_of_films(rows: Iterable[tuple[str, str, str]]) -> Mapping[str, list[Named]]:
    """Group rows of (film, name, id) by film, sorted by name."""
    films: dict[str, list[Named]] = defaultdict(list)
    for film, name, key in rows:
        if known(name) is not None:
            films[film].append((name, key))
    for held in films.values():
        held.sort()
    return films


def people_of_films(rows: Iterable[tuple[str, str, str, str]]) -> Mapping[str, Mapping[str, list[Named]]]:
    """Group rows of (film, role, name, id) by film and role, sorted by name."""
    films: dict[str, dict[str, list[Named]]] = defaultdict(lambda: defaultdict(list))
    for film, role, name, person in rows:
        if known(name) is not None:
            films[film][role].append((name, person))
    for roles in films.values():
        for held in roles.values():
            held.sort()
    return films


def films_of_people(rows: Iterable[tuple[str, str, str, str, float | None]]) -> Mapping[str, list[Document]]:
    """Group rows of (person, film, role, title, rating) by person.

    One entry a film with all roles of the person in it, best rated first.
    """
    people: dict[str, dict[str, Document]] = defaultdict(dict)
    for person, film, role, title, rating in rows:
        films = people[person]
        if film in films:
            films[film]["roles"].append(role)
        else:
            entry = {"id": film, "title": known(title), "imdb_rating": number(rating), "roles": [role]}
            films[film] = entry
    return {person: sorted(films.values(), key=_place) for person, films in people.items()}


def _place(film: Document) -> tuple[float, str]:
    film["roles"].sort()
    rating = film["imdb_rating"]
    return (1.0 if rating is None else -rating), film["id"]


def known(text: str | None) -> str | None:
    """Return a text that says something, else None."""
    return None if text is None or (len(text) <= _LENGTH and text.strip().upper() in _UNKNOWN) else text


def number(value: float | None) -> float | None:
    """Return a number that JSON can carry, else None."""
    return None if value is None or not isfinite(value) else float(value)
