"""Read documents from the source, a batch at a time: the statements of all three pipelines, written once.

A pipeline reads the documents of a scope, which is either the ids between two ids, for a walk through everything in
the order of the primary key, or a set of ids. Ids of a set that are not found have been deleted. Where a batch cannot
be read as a whole, it is read carefully (`unread`): the rows that spoil it are told, and the others are as they would
be. Of another table's row that is unreadable a document has what it has of one that says nothing: its id, and no name.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    and_,
    cast,
    false,
    func,
    or_,
    select,
    true,
)

from cinema.database.tables import film_work, genre, genre_film_work, person, person_film_work
from cinema.etl.documents import genre_document, movie_document, person_document
from cinema.etl.gathered import rows_as_json, rows_in
from cinema.etl.linked import Form, Linked, as_it_is
from cinema.etl.unread import (
    NULL,
    ODD,
    Unread,
    UnreadableCell,
    cell,
    is_spoilt,
    key_in,
    key_of,
    octets,
    octets_of,
    value_in,
)
from cinema.indices import GENRES, MOVIES, PERSONS
from stagedoor.search import Document, Index

__all__ = [
    "PIPELINES",
    "Found",
    "IndexPipeline",
    "Scope",
    "Span",
    "among",
    "between",
    "films_of",
    "people_of",
]

Span: TypeAlias = tuple[str | None, str | None]  # ids behind the first, up to the last; without one, no bound
_NOBODY: Final[Span] = (NULL, NULL)  # rows whose id is none, which stand in no order
Scope: TypeAlias = Callable[[ColumnElement[str]], ColumnElement[bool]]
Found: TypeAlias = Document | Unread


@dataclass(frozen=True, slots=True)
class IndexPipeline:
    """One index, the table its documents come from, and how they are read."""

    index: Index
    table: Table
    tag: str  # of one document in the gateway's cache; lists have its plural
    columns: tuple[Column[Any], ...]
    linked: tuple[Linked, ...]
    document: Callable[[Sequence[Any]], Document]  # of a row: these columns, and the rows that are linked

    @property
    def name(self) -> str:
        """Return the name of the index."""
        return self.index.name

    def count(self, connection: Connection) -> int:
        """Return how many documents there are to be."""
        return connection.execute(select(func.count()).select_from(self.table)).scalar_one()

    def spans(self, connection: Connection, size: int) -> list[Span]:
        """Return what divides everything into pages of about so many documents, in the order of ids."""
        key = self.table.c.id
        placed = select(key, func.row_number().over(order_by=key).label("place")).subquery()
        ends = select(placed.c.id).where(placed.c.place % size == 0).order_by(placed.c.id)
        # An id that is no text is no bound: it stays within a page that is larger.
        readable = [end for end in _keys(connection, ends) if end != NULL and not octets_of([end])]
        spans: list[Span] = [*pairwise([None, *readable, None])]
        nobody = connection.execute(select(key).where(key.is_(None)).limit(1)).first()
        return spans if nobody is None else [_NOBODY, *spans]

    def page(self, connection: Connection, span: Span) -> Iterator[Found]:
        """Yield the documents of a span, made one at a time: what is done with each finds it in the cache."""
        return self._found(connection, between(*span))

    def those(self, connection: Connection, ids: Collection[str]) -> list[Found]:
        """Return the documents of these ids, as far as they are there."""
        return [*self._found(connection, among(_asked(connection, ids), null=NULL in ids))]

    def _found(self, connection: Connection, scope: Scope) -> Iterator[Found]:
        try:
            rows = self._rows(connection, scope, as_it_is)
        except Exception as error:
            if not is_spoilt(error):
                raise
            yield from self._carefully(connection, scope)
            return
        for row in rows:
            if row[0] is None:
                yield self._nobody()
                continue
            try:
                document = self.document(row)
            except ODD:
                yield from self._carefully(connection, among([key_of(row[0])]))
            else:
                yield document

    def _rows(self, connection: Connection, scope: Scope, form: Form) -> list[Any]:
        linked = [one.rows(self.table, form) for one in self.linked]
        statement = _batch(scope(self.table.c.id), *map(form, self.columns), *linked)
        return rows_in(connection.execute(statement).scalar_one())

    def _carefully(self, connection: Connection, scope: Scope) -> Iterator[Found]:
        """Read each cell as what it is."""
        try:
            rows = self._rows(connection, scope, cell)
        except Exception as error:
            if not is_spoilt(error):
                raise
            self._rows(connection, lambda _: false(), cell)  # raises where it is the statement that is wrong
            yield from self._one_by_one(connection, scope, error)
            return
        for cells in rows:
            yield from self._read(cells)

    def _one_by_one(self, connection: Connection, scope: Scope, error: Exception) -> Iterator[Found]:
        """Find the row with which a statement fails, of a view for instance."""
        keys = {*_keys(connection, select(self.table.c.id).where(scope(self.table.c.id)))}
        if len(keys) == 1:
            yield Unread(self.name, keys.pop(), type(error.__cause__ or error).__name__)
            return
        for key in sorted(keys):
            yield from self._found(connection, among(_asked(connection, [key]), null=key == NULL))

    def _nobody(self) -> Unread:
        return Unread(self.name, NULL, "id: it is NULL")

    def _read(self, cells: Sequence[Any]) -> Iterator[Found]:
        if cells[0] is None:
            yield self._nobody()
            return
        unread: list[Unread] = []
        try:
            row = [value_in(told, column) for told, column in zip(cells, self.columns, strict=False)]
            linked = [
                one.those(rows_in(rows), unread)
                for one, rows in zip(self.linked, cells[len(self.columns) :], strict=True)
            ]
            document = self.document([*row, *linked])
        except ODD as error:
            why = str(error) if isinstance(error, UnreadableCell) else type(error).__name__
            yield Unread(self.name, key_in(cells[0]), why)
            return
        yield document
        yield from unread


def between(after: str | None, last: str | None) -> Scope:
    """Mean the ids behind one up to another; without one, from the first, and to the last."""

    def scope(column: ColumnElement[str]) -> ColumnElement[bool]:
        if (after, last) == _NOBODY:
            return column.is_(None)
        behind = true() if after is None else column > after
        return behind if last is None else and_(behind, column <= last)

    return scope


def among(ids: Collection[str], *, null: bool = False) -> Scope:
    """Mean these ids, as they are told, and at will those that are none."""
    odd = octets_of(ids)

    def scope(column: ColumnElement[str]) -> ColumnElement[bool]:
        those = or_(column.in_(ids), octets(column).in_(odd)) if odd else column.in_(ids)
        return or_(those, column.is_(None)) if null else those

    return scope


def films_of(connection: Connection, table: Table, ids: Sequence[str]) -> Sequence[str]:
    """Return the films that are linked to these genres or persons."""
    link = genre_film_work if table is genre else person_film_work
    return _ends(connection, link.c.film_work_id, link.c[f"{table.name}_id"], ids)


def people_of(connection: Connection, films: Sequence[str]) -> Sequence[str]:
    """Return the persons who are linked to these films."""
    link = person_film_work
    return _ends(connection, link.c.person_id, link.c.film_work_id, films)


def unread_among(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return the links of persons among these that cannot be read (still)."""
    link = person_film_work.c
    unread = set[str]()
    found = select(cell(link.id), cell(link.role)).where(among(sorted(ids))(link.id))
    for key, role in connection.execute(found):
        try:
            value_in(role, link.role)
        except UnreadableCell:
            unread.add(key_in(key))
    return unread


def _ends(connection: Connection, end: Column[str], this: Column[str], ids: Sequence[str]) -> Sequence[str]:
    return _keys(connection, select(end).where(among(_asked(connection, ids))(this)).distinct())


def _keys(connection: Connection, statement: Select[str]) -> Sequence[str]:
    """Return ids, as they are told."""
    try:
        return [key_of(key) for key in connection.execute(statement).scalars()]
    except Exception as error:
        if not is_spoilt(error):
            raise
    found = statement.subquery().c[0]
    return [key_in(told) for told in connection.execute(select(cell(found)).order_by(found)).scalars()]


def _asked(connection: Connection, ids: Collection[str]) -> Collection[str]:
    """Return those ids that the source can be asked for: others are nobody's there."""
    return ids if connection.dialect.name == "sqlite" else [key for key in ids if _is_uuid(key)]


def _is_uuid(key: str) -> bool:
    try:
        return str(UUID(key)) == key.lower()
    except ValueError:
        return False


def _batch(scope: ColumnElement[bool], *columns: ColumnElement[Any]) -> Select[str]:
    return select(cast(rows_as_json(*columns), Text)).where(scope)


def _movie(row: Sequence[Any]) -> Document:
    key, title, description, rating, genres, people = row
    return movie_document(key, title, description, rating, rows_in(genres), rows_in(people))


def _genre(row: Sequence[Any]) -> Document:
    return genre_document(*row)


def _person(row: Sequence[Any]) -> Document:
    key, name, films = row
    return person_document(key, name, rows_in(films))


_FILM, _GENRE, _PERSON, _PART = film_work.c, genre.c, person.c, person_film_work.c
_GENRES = Linked(genre, genre_film_work, genre_film_work.c.film_work_id, (_GENRE.name, _GENRE.id))
_PEOPLE = Linked(person, person_film_work, _PART.film_work_id, (_PART.role, _PERSON.full_name, _PERSON.id))
_FILMS = Linked(
    film_work, person_film_work, _PART.person_id, (_FILM.id, _PART.role, _FILM.title, _FILM.rating)
)

PIPELINES = (
    IndexPipeline(
        MOVIES,
        film_work,
        "film",
        (_FILM.id, _FILM.title, _FILM.description, _FILM.rating),
        (_GENRES, _PEOPLE),
        _movie,
    ),
    IndexPipeline(GENRES, genre, "genre", (_GENRE.id, _GENRE.name, _GENRE.description), (), _genre),
    IndexPipeline(PERSONS, person, "person", (_PERSON.id, _PERSON.full_name), (_FILMS,), _person),
)
