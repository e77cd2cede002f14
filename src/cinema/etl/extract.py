"""Read documents from the source, a batch at a time: the statements of all three pipelines, written once.

A pipeline reads the documents of a scope, which is either the ids between two ids, for a walk through everything in
the order of the primary key, or a set of ids. Ids of a set that are not found have been deleted.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from sqlalchemy import ColumnElement, Connection, Executable, Select, Table, func, select

from cinema.database.tables import film_work, genre, genre_film_work, person, person_film_work
from cinema.etl.documents import (
    FilmRow,
    GenreRow,
    Named,
    PersonRow,
    films_of_people,
    genre_document,
    movie_document,
    named_of_films,
    people_of_films,
    person_document,
)
from cinema.indices import GENRES, MOVIES, PERSONS
from stagedoor.search import Document, Index

__all__ = ["PIPELINES", "Pipeline", "Scope", "among", "between", "films_of", "people_of"]

Scope: TypeAlias = Callable[[ColumnElement[str]], ColumnElement[bool]]


class Documents(Protocol):
    """Reads the documents of a scope."""

    def __call__(self, connection: Connection, scope: Scope) -> list[Document]: ...


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One index, the table its documents come from, and how they are read."""

    index: Index
    table: Table
    tag: str  # of one document in the gateway's cache; lists have its plural
    documents: Documents

    @property
    def name(self) -> str:
        """Return the name of the index."""
        return self.index.name

    def count(self, connection: Connection) -> int:
        """Return how many documents there are to be."""
        return connection.execute(select(func.count()).select_from(self.table)).scalar_one()

    def page(self, connection: Connection, after: str | None, size: int) -> list[Document]:
        """Return the documents that follow an id, in the order of ids; none at the end."""
        keys = select(self.table.c.id).order_by(self.table.c.id).limit(size)
        if after is not None:
            keys = keys.where(self.table.c.id > after)
        found = connection.execute(keys).scalars().all()
        return self.documents(connection, between(found[0], found[-1])) if found else []


def between(first: str, last: str) -> Scope:
    """Mean the ids from one to another."""
    return lambda column: column.between(first, last)


def among(ids: Collection[str]) -> Scope:
    """Mean these ids."""
    return lambda column: column.in_(ids)


def films_of(connection: Connection, table: Table, ids: Sequence[str]) -> Sequence[str]:
    """Return the films that are linked to these genres or persons."""
    link = genre_film_work if table is genre else person_film_work
    return _ends(connection, select(link.c.film_work_id).where(link.c[f"{table.name}_id"].in_(ids)))


def people_of(connection: Connection, films: Sequence[str]) -> Sequence[str]:
    """Return the persons who are linked to these films."""
    link = person_film_work
    return _ends(connection, select(link.c.person_id).where(link.c.film_work_id.in_(films)))


def _ends(connection: Connection, statement: Select[str]) -> Sequence[str]:
    return connection.execute(statement.distinct()).scalars().all()


def _movies(connection: Connection, scope: Scope) -> list[Document]:
    table = film_work.c
    statement = select(table.id, table.title, table.description, table.rating).where(scope(table.id))
    films = list(map(FilmRow._make, _rows(connection, statement)))
    genres = _genres_of_films(connection, scope)
    people = _people_of_films(connection, scope)
    return [movie_document(film, genres.get(film.id, ()), people.get(film.id, {})) for film in films]


def _genres_of_films(connection: Connection, scope: Scope) -> Mapping[str, list[Named]]:
    link = genre_film_work
    statement = (
        select(link.c.film_work_id, genre.c.name, genre.c.id)
        .join(genre, genre.c.id == link.c.genre_id)
        .where(scope(link.c.film_work_id))
    )
    return named_of_films(_rows(connection, statement))


def _people_of_films(connection: Connection, scope: Scope) -> Mapping[str, Mapping[str, list[Named]]]:
    link = person_film_work
    statement = (
        select(link.c.film_work_id, link.c.role, person.c.full_name, person.c.id)
        .join(person, person.c.id == link.c.person_id)
        .where(scope(link.c.film_work_id))
    )
    return people_of_films(_rows(connection, statement))


def _genres(connection: Connection, scope: Scope) -> list[Document]:
    statement = select(genre.c.id, genre.c.name, genre.c.description).where(scope(genre.c.id))
    return [genre_document(GenreRow(*row)) for row in _rows(connection, statement)]


def _persons(connection: Connection, scope: Scope) -> list[Document]:
    people = _rows(connection, select(person.c.id, person.c.full_name).where(scope(person.c.id)))
    link = person_film_work
    statement = (
        select(link.c.person_id, link.c.film_work_id, link.c.role, film_work.c.title, film_work.c.rating)
        .join(film_work, film_work.c.id == link.c.film_work_id)
        .where(scope(link.c.person_id))
    )
    films = films_of_people(_rows(connection, statement))
    return [person_document(row, films.get(row.id, ())) for row in map(PersonRow._make, people)]


def _rows(connection: Connection, statement: Executable) -> Sequence[Any]:
    return connection.execute(statement).all()  # at once: one by one they cost three times as much


PIPELINES = (
    Pipeline(MOVIES, film_work, "film", _movies),
    Pipeline(GENRES, genre, "genre", _genres),
    Pipeline(PERSONS, person, "person", _persons),
)
