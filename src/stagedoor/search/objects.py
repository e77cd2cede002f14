"""Conditions on one and the same object of a list, looked at object by object."""

from collections.abc import Mapping
from typing import Any

from stagedoor.search.compared import has_any, lies_between
from stagedoor.search.query import AnyOf, Between, Document, Same, Term
from stagedoor.search.schema import Index

__all__ = ["meets_same"]


def meets_same(document: Document, asked: Same, index: Index) -> bool:
    """Tell whether one object of a document meets everything that is asked."""
    inner = index.objects[asked.path]
    return any(
        all(_meets(one, clause, inner) for clause in asked.clauses) for one in document[asked.path] or ()
    )


def _meets(held: Mapping[str, Any], clause: Term | AnyOf | Between, inner: Index) -> bool:
    value = held.get(clause.field)
    if isinstance(clause, Between):
        return lies_between(inner, clause, value)
    return value is not None and has_any(inner, clause, value if isinstance(value, list) else [value])
