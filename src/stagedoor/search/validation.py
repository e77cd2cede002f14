"""Whether a query fits an index: asked before any engine is, so that all refuse the same."""

from collections.abc import Iterator
from typing import assert_never

from stagedoor.search.query import (
    All,
    AnyOf,
    Begins,
    Between,
    Clause,
    Either,
    Exists,
    Match,
    Not,
    Phrase,
    Query,
    Same,
    Term,
    texts_in,
)
from stagedoor.search.schema import Boolean, Date, Index, Integer, Keyword, Leaf, Number, Text

__all__ = ["validate_query"]


def validate_query(query: Query, index: Index) -> None:
    """Raise `ValueError` for a query that names a field the index does not have in this sense."""
    for field, kinds in _named(query.clause):
        if not isinstance(index.paths.get(field), kinds):
            kind = " or ".join(kind.__name__.lower() for kind in kinds)
            raise ValueError(f"index {index.name!r} has no {kind} {field!r}")  # noqa: TRY004 - of the query
    for said in _said_of(query.clause):
        _validate_path(said, index)
    for match in texts_in(query.clause):
        index.places_of(field for field, _ in match.fields)
    _validate_counted_and_sorted(query, index)


def _validate_counted_and_sorted(query: Query, index: Index) -> None:
    for facet in query.facets:
        if not index.is_facet(facet):
            raise ValueError(f"index {index.name!r} does not count {facet!r}")
    for key in query.order:
        if not index.is_sortable(key.field):
            raise ValueError(f"index {index.name!r} cannot be sorted by {key.field!r}")


def _named(clause: Clause) -> Iterator[tuple[str, tuple[type[Leaf], ...]]]:
    match clause:
        case All() | Either():
            for part in clause.clauses:
                yield from _named(part)
        case Not():
            yield from _named(clause.clause)
        case Term() | AnyOf():
            yield clause.field, (Keyword, Number, Integer, Date, Boolean)
        case Between():
            yield clause.field, (Number, Integer, Date)
        case Exists() | Same() | Phrase():
            pass
        case Match() | Begins():
            yield from ((field, (Text,)) for field, _ in clause.fields)
        case _:
            assert_never(clause)


def _said_of(clause: Clause) -> Iterator[Exists | Same | Phrase]:
    match clause:
        case All() | Either():
            for part in clause.clauses:
                yield from _said_of(part)
        case Not():
            yield from _said_of(clause.clause)
        case Exists() | Same() | Phrase():
            yield clause
        case _:
            pass


def _validate_path(said: Exists | Same | Phrase, index: Index) -> None:
    """Raise for what is said of a field that there is not, or of objects that are not asked for."""
    if isinstance(said, Exists):
        if not (index.exists and said.field in index.names):
            raise ValueError(f"index {index.name!r} cannot tell whether there is {said.field!r}")
        return
    if isinstance(said, Phrase):
        if said.field not in index.phrases:
            raise ValueError(f"index {index.name!r} does not keep the order of the words of {said.field!r}")
        return
    nested = index.nested.get(said.path)
    if nested is None:
        raise ValueError(f"index {index.name!r} has no objects {said.path!r} to ask")
    known = {field.name: field for field in nested.fields}
    for clause in said.clauses:
        if isinstance(known.get(clause.field), Text | None):
            raise ValueError(f"{said.path!r} has no {clause.field!r} to ask")  # noqa: TRY004 - of the query
