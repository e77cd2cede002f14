"""Whether a query fits an index: asked before any engine is, so that all refuse the same."""

from collections.abc import Iterator
from typing import assert_never

from stagedoor.search.query import All, AnyOf, Begins, Between, Clause, Match, Not, Query, Term, texts_in
from stagedoor.search.schema import Index, Keyword, Leaf, Number, Text

__all__ = ["demand_fit"]


def demand_fit(query: Query, index: Index) -> None:
    """Raise `ValueError` for a query that names a field the index does not have in this sense."""
    for field, kinds in _named(query.clause):
        if not isinstance(index.paths.get(field), kinds):
            kind = " or ".join(kind.__name__.lower() for kind in kinds)
            raise ValueError(f"index {index.name!r} has no {kind} {field!r}")  # noqa: TRY004 - of the query
    for match in texts_in(query.clause):
        index.places_of(field for field, _ in match.fields)
    for facet in query.facets:
        if not index.is_facet(facet):
            raise ValueError(f"index {index.name!r} does not count {facet!r}")
    for key in query.order:
        if not index.is_sortable(key.field):
            raise ValueError(f"index {index.name!r} cannot be sorted by {key.field!r}")


def _named(clause: Clause) -> Iterator[tuple[str, tuple[type[Leaf], ...]]]:
    match clause:
        case All():
            for part in clause.clauses:
                yield from _named(part)
        case Not():
            yield from _named(clause.clause)
        case Term() | AnyOf():
            yield clause.field, (Keyword, Number)
        case Between():
            yield clause.field, (Number,)
        case Match() | Begins():
            yield from ((field, (Text,)) for field, _ in clause.fields)
        case _:
            assert_never(clause)
