"""Put people to their films, by what people say of films: what films say of people is wrong for most of them."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from cinema.gateway.movies.models import Film, Movie, Person

__all__ = ["id_in", "joined", "movie_of"]


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


def movie_of(movie_id: str, movies: Iterable[Movie]) -> Movie | None:
    """Return the movie of an id, which may be asked for in either case: of several that differ in it, the very one."""
    alike = [one for one in movies if one["id"].lower() == movie_id.lower()]
    own = (one for one in alike if one["id"] == movie_id)
    return next(own, alike[0] if alike else None)
