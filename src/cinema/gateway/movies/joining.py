"""Put people to their films, by what people say of films: what films say of people is wrong for most of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from cinema.gateway.movies.models import Film, Movie, Person

__all__ = ["by_id", "id_in", "joined"]


class _Identified(Protocol):
    def __getitem__(self, name: str, /) -> object: ...


T = TypeVar("T", bound=_Identified)


def joined(films: Sequence[Film], people: Sequence[Person]) -> list[Movie]:
    """Return each film with its people, both in the order they came; of what has one id the first counts."""
    cast: dict[str, list[Person]] = {film["id"]: [] for film in films}
    for person in _firsts(people):
        for film_id in dict.fromkeys(map(id_in, person["films"])):  # a repeated link counts once
            if film_id in cast:
                cast[film_id].append(person)
    return [Movie(**film, people=cast[film["id"]]) for film in _firsts(films)]


def _firsts(rows: Iterable[T]) -> Iterable[T]:
    known: dict[object, T] = {}
    for one in rows:
        known.setdefault(one["id"], one)
    return known.values()


def id_in(link: str) -> str:
    """Return the id that a link ends with, whatever its host: the last segment that is not empty; "" if none is."""
    try:
        path = urlsplit(link).path
    except ValueError:  # its host is none
        return ""
    return unquote(path.rstrip("/").rpartition("/")[2])


def by_id(movies: Iterable[Movie]) -> Mapping[str, Movie]:
    """Return the movies by id, in lower case: ids may be asked for in either."""
    return {one["id"].lower(): one for one in movies}
