"""A small catalogue with every awkward case: null ratings, ties, repeated titles, several roles, no genres."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from stagedoor.search.query import Document

__all__ = ["ACTION", "DRAMA", "FILMS", "GENRES", "HAMILL", "LUCAS", "PERSONS", "STAR_WARS", "uid"]


def uid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


ACTION, DRAMA, EMPTY = uid("Action"), uid("Drama"), uid("Empty")
LUCAS, HAMILL = uid("George Lucas"), uid("Mark Hamill")
_NAMES = {ACTION: "Action", DRAMA: "Drama", EMPTY: "Empty", LUCAS: "George Lucas", HAMILL: "Mark Hamill"}


def film(number: int, title: str, rating: float | None, genres: tuple[str, ...], **roles: Any) -> Document:
    people = {role: [{"id": one, "name": _NAMES[one]} for one in roles.get(role, ())] for role in ROLES}
    return {
        "id": uid(f"film {number}"),
        "title": title,
        "description": None,
        "imdb_rating": rating,
        "genres": [_NAMES[one] for one in genres],
        "genre_ids": list(genres),
        "person_ids": sorted({one["id"] for found in people.values() for one in found}),
        "genre": [{"id": one, "name": _NAMES[one]} for one in genres],
        **{f"{role}_names": [one["name"] for one in found] for role, found in people.items()},
        **people,
    }


ROLES = ("actors", "writers", "directors")
STAR_WARS = uid("film 0")
FILMS: list[Document] = [
    film(0, "Star Wars", 8.6, (ACTION, DRAMA), actors=(HAMILL,), writers=(LUCAS,), directors=(LUCAS,)),
    film(1, "Star Trek", None, (ACTION,)),
    film(2, "Alone", 5.0, ()),
    *[film(number, f"Tie {number % 7}", 7.0, (DRAMA,)) for number in range(10, 70)],
]
GENRES: list[Document] = [
    {"id": one, "name": _NAMES[one], "description": None} for one in (ACTION, DRAMA, EMPTY)
]
PERSONS: list[Document] = [
    {
        "id": LUCAS,
        "full_name": "George Lucas",
        "films": [
            {"id": STAR_WARS, "title": "Star Wars", "imdb_rating": 8.6, "roles": ["writer", "director"]}
        ],
    },
    {
        "id": HAMILL,
        "full_name": "Mark Hamill",
        "films": [{"id": STAR_WARS, "title": "Star Wars", "imdb_rating": 8.6, "roles": ["actor"]}],
    },
    {"id": uid("Nobody"), "full_name": "Captain Nobody", "films": []},
]
