"""Read documents from the source, a batch at a time: the statements of all three pipelines, written once.

A pipeline reads the documents of a scope, which is either the ids between two ids, for a walk through everything in
the order of the primary key, or a set of ids. Ids of a set that are not found have been deleted.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    Table,
    Text,
    and_,
    cast,
    func,
    select,
    true,
)

from cinema.database.tables import film_work, genre, genre_film_work, person, person_film_work
from cinema.etl.documents import genre_document, movie_document, person_document
from cinema.etl.gathered import rows_as_json, rows_in
from cinema.indices import GENRES, MOVIES, PERSONS
from stagedoor.search import Document, Index

__all__ = ["PIPELINES", "Pipeline", "Scope", "Span", "among", "between", "films_of", "people_of"]

Span: TypeAlias = tuple[str | None, str | None]  # ids behind the first, up to the last; without one, no bound
Scope: TypeAlias = Callable[[ColumnElement[str]], ColumnElement[bool]]


class Documents(Protocol):
    """Reads the documents of a scope, which are made one at a time: what is done with each finds it in the cache."""

    def __call__(self, connection: Connection, scope: Scope) -> Iterator[Document]: ...


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

    def spans(self, connection: Connection, size: int) -> list[Span]:
        """Return what divides everything into pages of so many documents, in the order of ids."""
        key = self.table.c.id
        placed = select(key, func.row_number().over(order_by=key).label("place")).subquery()
        ends = select(placed.c.id).where(placed.c.place % size == 0).order_by(placed.c.id)
        return [*pairwise([None, *connection.execute(ends).scalars(), None])]

    def page(self, connection: Connection, span: Span) -> Iterator[Document]:
        """Return the documents of a span."""
        return self.documents(connection, between(*span))

    def those(self, connection: Connection, ids: Collection[str]) -> list[Document]:
        """Return the documents of these ids, as far as they are there."""
        return [*self.documents(connection, among(ids))]


def between(after: str | None, last: str | None) -> Scope:
    """Mean the ids behind one up to another; without one, from the first, and to the last."""

    def scope(column: ColumnElement[str]) -> ColumnElement[bool]:
        behind = true() if after is None else column > after
        return behind if last is None else and_(behind, column <= last)

    return scope


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


def _movies(connection: Connection, scope: Scope) -> Iterator[Document]:
    table, genres, people = film_work.c, genre_film_work.c, person_film_work.c
    statement = _batch(
        scope(table.id),
        table.id,
        table.title,
        table.description,
        table.rating,
        _linked(genre, genres.genre_id, genres.film_work_id == table.id, genre.c.name, genre.c.id),
        _linked(
            person,
            people.person_id,
            people.film_work_id == table.id,
            people.role,
            person.c.full_name,
            person.c.id,
        ),
    )
    for key, title, description, rating, genres, people in _rows(connection, statement):
        yield movie_document(key, title, description, rating, rows_in(genres), rows_in(people))


def _genres(connection: Connection, scope: Scope) -> Iterator[Document]:
    statement = _batch(scope(genre.c.id), genre.c.id, genre.c.name, genre.c.description)
    for row in _rows(connection, statement):
        yield genre_document(*row)


def _persons(connection: Connection, scope: Scope) -> Iterator[Document]:
    link, film = person_film_work.c, film_work.c
    films = _linked(
        film_work,
        link.film_work_id,
        link.person_id == person.c.id,
        film.id,
        link.role,
        film.title,
        film.rating,
    )
    statement = _batch(scope(person.c.id), person.c.id, person.c.full_name, films)
    for key, name, films in _rows(connection, statement):
        yield person_document(key, name, rows_in(films))


def _rows(connection: Connection, statement: Select[str]) -> list[Any]:
    return rows_in(connection.execute(statement).scalar_one())


def _batch(scope: ColumnElement[bool], *columns: ColumnElement[Any]) -> Select[str]:
    return select(cast(rows_as_json(*columns), Text)).where(scope)


def _linked(
    end: Table, key: ColumnElement[str], this: ColumnElement[bool], *columns: ColumnElement[Any]
) -> ScalarSelect[Any]:
    """Return the rows at the other end of the links of this entity."""
    return select(rows_as_json(*columns)).where(this, end.c.id == key).scalar_subquery()


PIPELINES = (
    Pipeline(MOVIES, film_work, "film", _movies),
    Pipeline(GENRES, genre, "genre", _genres),
    Pipeline(PERSONS, person, "person", _persons),
)
