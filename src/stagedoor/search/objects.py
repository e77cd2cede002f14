"""Conditions on one and the same object of a list, looked at object by object."""

from collections.abc import Mapping
from typing import Any

from stagedoor.search.compared import bounds_of, comparable
from stagedoor.search.query import ID, AnyOf, Between, Document, Same, Term
from stagedoor.search.schema import Index, Keyword

__all__ = ["meets_same"]


def meets_same(document: Document, asked: Same, index: Index) -> bool:
    """Tell whether one object of a document meets everything that is asked."""
    fields = tuple(field for field in index.nested[asked.path].fields if field.name != ID)
    inner = Index(asked.path, (Keyword(name=ID), *fields))
    return any(
        all(_meets(one, clause, inner) for clause in asked.clauses) for one in document[asked.path] or ()
    )


def _meets(held: Mapping[str, Any], clause: Term | AnyOf | Between, inner: Index) -> bool:
    value, leaf = held.get(clause.field), inner.paths[clause.field]
    if value is None:
        return False
    if isinstance(clause, Between):
        bounds = bounds_of(inner, clause.field, clause.low, clause.high)
        mine = comparable(leaf, value)
        return bounds is not None and _inside(mine, *bounds)
    wanted = clause.values if isinstance(clause, AnyOf) else (clause.value,)
    values = value if isinstance(value, list) else [value]
    return not {comparable(leaf, one) for one in wanted}.isdisjoint(comparable(leaf, one) for one in values)


def _inside(value: Any, low: Any, high: Any) -> bool:  # noqa: ANN401 - of any kind
    return (low is None or value >= low) and (high is None or value <= high)
