"""The rows at the other end of the links of an entity, which its document shows a part of."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, Double, ScalarSelect, Table, select

from cinema.etl.gathered import rows_as_json
from cinema.etl.unread import Unread, UnreadableCell, key_in, value_in

__all__ = ["Form", "Linked", "as_it_is"]

Form: TypeAlias = Callable[[ColumnElement[Any]], ColumnElement[Any]]  # of a column in a statement


def as_it_is(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the column."""
    return column


@dataclass(frozen=True, slots=True)
class Linked:
    """The rows at the other end of the links of an entity; `columns` may be the link's, too."""

    end: Table
    link: Table
    this: Column[str]
    columns: tuple[Column[Any], ...]

    def rows(self, entity: Table, form: Form) -> ScalarSelect[Any]:
        """Return what gathers them, in the row of an entity; if not as they are, then with the link's id behind."""
        columns = self.columns if form is as_it_is else (*self.columns, self.link.c.id)
        there = self.end.c.id == self.link.c[f"{self.end.name}_id"]
        gathered = select(rows_as_json(*map(form, columns)))
        return gathered.where(self.this == entity.c.id, there).scalar_subquery()

    def those(self, rows: Iterable[Sequence[Any]], unread: list[Unread]) -> list[Sequence[Any]]:
        """Return the rows that these cells hold, and note the links that cannot be read."""
        read = []
        for *cells, link in rows:
            try:
                read.append(self._row(cells))
            except UnreadableCell as error:
                unread.append(Unread(self.link.name, key_in(link), str(error)))
        return [row for row in read if row]

    def _row(self, cells: Sequence[str | None]) -> Sequence[Any]:
        """Return a row with nothing in place of what cannot be read; none if that is the id at the other end."""
        row: list[Any] = []
        for told, column in zip(cells, self.columns, strict=True):
            try:
                value = value_in(told, column)
            except UnreadableCell:
                if column.table is self.link:
                    raise
                value = None
            if value is None and column.primary_key:
                return ()
            row.append("" if value is None and not isinstance(column.type, Double) else value)
        return row
