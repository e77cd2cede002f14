"""Which documents a change reaches: decided on values, completed by the links of the source.

    a genre     its document, and all films of the genre, which carry its name
    a person    their document, and all their films
    a film      its document, and all its people, whose documents carry title and rating
    a link      the documents at both ends, and no others

Links that are gone cannot be followed any more, and need not be: their removal has changed both ends by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import Connection

from cinema.database.tables import genre, person
from cinema.etl.extract import films_of, people_of
from cinema.etl.feed import Change, Entity

__all__ = ["AT_ONCE", "Dirty", "chunks", "completed", "dirty_of", "indices_of"]

AT_ONCE = 5_000  # ids in one statement: PostgreSQL takes 32,767 values, SQLite as many or more
_OWN: Mapping[Entity, str] = {"film_work": "movies", "genre": "genres", "person": "persons"}
_OVER: Mapping[Entity, str] = {"film_work": "persons", "genre": "movies", "person": "movies"}


@dataclass(slots=True)
class Dirty:
    """Ids of documents to be read again, and of entities whose own row has changed."""

    films: set[str] = field(default_factory=set)
    genres: set[str] = field(default_factory=set)
    persons: set[str] = field(default_factory=set)
    own_films: set[str] = field(default_factory=set)
    own_genres: set[str] = field(default_factory=set)
    own_persons: set[str] = field(default_factory=set)

    def of(self, index: str) -> set[str]:
        """Return the ids of an index."""
        return {"movies": self.films, "genres": self.genres, "persons": self.persons}[index]


def dirty_of(changes: Iterable[Change]) -> Dirty:
    """Return what changes reach without looking at links."""
    dirty = Dirty()
    kinds = {
        "film_work": (dirty.films, dirty.own_films),
        "genre": (dirty.genres, dirty.own_genres),
        "person": (dirty.persons, dirty.own_persons),
    }
    for change in changes:
        documents, own = kinds.get(change.entity, (set[str](), set[str]()))
        documents.add(change.id)
        if not change.link:
            own.add(change.id)
    return dirty


def indices_of(change: Change) -> set[str]:
    """Return the indices in which a change may reach documents; none for what is no entity."""
    found = [_OWN.get(change.entity), None if change.link else _OVER.get(change.entity)]  # type: ignore[call-overload]
    return {index for index in found if index}


def completed(connection: Connection, dirty: Dirty) -> Dirty:
    """Add what is reached over links."""
    for ids in chunks(dirty.own_genres, AT_ONCE):
        dirty.films.update(films_of(connection, genre, ids))
    for ids in chunks(dirty.own_persons, AT_ONCE):
        dirty.films.update(films_of(connection, person, ids))
    for ids in chunks(dirty.own_films, AT_ONCE):
        dirty.persons.update(people_of(connection, ids))
    return dirty


def chunks(ids: Iterable[str], size: int) -> Iterable[list[str]]:
    """Yield the ids in order, at most so many at once."""
    rest = iter(sorted(ids))
    while chunk := list(islice(rest, size)):
        yield chunk
