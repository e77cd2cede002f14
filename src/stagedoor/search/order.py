"""The order and the form of documents in an answer, the same on every engine."""

from collections.abc import Iterable, Sequence

from stagedoor.search.compared import comparable
from stagedoor.search.query import Document, Order
from stagedoor.search.schema import Index

__all__ = ["in_facet_order", "in_order", "narrowed"]


def in_order(documents: list[Document], keys: Sequence[Order], index: Index) -> list[Document]:
    """Sort documents by complete keys: numbers in single precision, texts by code point, nothing last."""
    for key in reversed(keys):  # sorting is stable: the most important key comes last
        field, leaf = key.field, index.paths[key.field]
        present = [document for document in documents if document.get(field) is not None]
        absent = [document for document in documents if document.get(field) is None]
        present.sort(
            key=lambda held: comparable(leaf, held[field]),
            reverse=key.descending,
        )
        documents = present + absent
    return documents


def narrowed(documents: list[Document], fields: tuple[str, ...], index: Index) -> tuple[Document, ...]:
    """Return documents with these fields only, () for all; never with those that are only asked for."""
    if fields:
        wanted = [field for field in fields if field not in index.unkept]
        return tuple({field: held[field] for field in wanted if field in held} for held in documents)
    if not index.unkept:
        return tuple(documents)
    return tuple({name: held[name] for name in held if name not in index.unkept} for held in documents)


def in_facet_order(counts: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Return values with how often they are, most first, equal ones by value."""
    return tuple(sorted(counts, key=lambda one: (-one[1], one[0])))
