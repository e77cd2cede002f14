"""What a document of the index looks like in each dialect.

Reading is tolerant: an index may have been filled by others, with genres as names, as one comma-joined text or as
objects, with a person's name under `full_name` or `name`, and without any of the optional fields. A title or name
that the source does not know is an empty text: only descriptions and ratings are ever null.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

__all__ = [
    "Document",
    "film_line",
    "film_of_gateway",
    "film_page",
    "genre_of_course",
    "genre_of_gateway",
    "names_in",
    "objects_in",
    "person_of_course",
    "person_of_gateway",
]

Document: TypeAlias = Mapping[str, Any]

_ROLES = ("actors", "writers", "directors")


def film_line(film: Document) -> dict[str, Any]:
    """Return a film as lists of the course dialect show it."""
    return {"uuid": film["id"], "title": film.get("title") or "", "imdb_rating": film.get("imdb_rating")}


def film_page(film: Document) -> dict[str, Any]:
    """Return a film as its own page of the course dialect shows it."""
    return {
        **film_line(film),
        "description": film.get("description"),
        "genre": [
            {"uuid": one["id"], "name": one.get("name") or ""} for one in objects_in(film, "genre", "genres")
        ],
        "actors": _people(film, "actors"),
        "writers": _people(film, "writers"),
        "directors": _people(film, "directors"),
    }


def genre_of_course(genre: Document) -> dict[str, Any]:
    """Return a genre of the course dialect."""
    return {"uuid": genre["id"], "name": genre.get("name") or "", "description": genre.get("description")}


def person_of_course(person: Document) -> dict[str, Any]:
    """Return a person of the course dialect: films best rated first, then by id; roles in alphabetical order."""
    films = [
        {"uuid": film["id"], "roles": sorted(film.get("roles") or ())}
        for film in sorted(objects_in(person, "films"), key=_best_first)
    ]
    return {"uuid": person["id"], "full_name": name_of(person), "films": films}


def film_of_gateway(film: Document) -> dict[str, Any]:
    """Return a film of the gateway dialect."""
    people = {
        role: [{"id": one["id"], "name": name_of(one)} for one in objects_in(film, role)] for role in _ROLES
    }
    return {
        "id": film["id"],
        "title": film.get("title") or "",
        "description": film.get("description"),
        "imdb_rating": film.get("imdb_rating"),
        "genres": names_in(film),
        "actors": people["actors"],
        "directors": people["directors"],
        "writers": people["writers"],
    }


def genre_of_gateway(genre: Document) -> dict[str, Any]:
    """Return a genre of the gateway dialect."""
    return {"id": genre["id"], "name": genre.get("name") or "", "description": genre.get("description")}


def person_of_gateway(person: Document) -> dict[str, Any]:
    """Return a person of the gateway dialect."""
    return {"id": person["id"], "name": name_of(person)}


def objects_in(document: Document, *names: str) -> list[Document]:
    """Return the objects that have an id, under the first of these names that holds any."""
    for name in names:
        found = document.get(name)
        if isinstance(found, list):
            kept = [one for one in found if isinstance(one, Mapping) and "id" in one]
            if kept:
                return kept
    return []


def names_in(film: Document) -> list[str]:
    """Return the names of a film's genres, however the index holds them."""
    found = film.get("genres") or film.get("genre") or []
    if isinstance(found, str):
        return [name.strip() for name in found.split(",") if name.strip()]
    return [str(one.get("name") or "") if isinstance(one, Mapping) else str(one) for one in found]


def name_of(person: Document) -> str:
    """Return a person's name."""
    return str(person.get("full_name") or person.get("name") or "")


def _people(film: Document, role: str) -> list[dict[str, Any]]:
    return [{"uuid": one["id"], "full_name": name_of(one)} for one in objects_in(film, role)]


def _best_first(film: Document) -> tuple[float, str]:
    rating = film.get("imdb_rating")
    return (float("inf") if rating is None else -rating, str(film["id"]))
