"""The order of documents by what they hold, the same on every engine."""

from collections.abc import Sequence

from stagedoor.search.query import Document, Order
from stagedoor.search.schema import Index, Number, single

__all__ = ["in_order"]


def in_order(documents: list[Document], keys: Sequence[Order], index: Index) -> list[Document]:
    """Sort documents by complete keys: numbers in single precision, texts by code point, nothing last."""
    for key in reversed(keys):  # sorting is stable: the most important key comes last
        field, numeric = key.field, isinstance(index.sortable(key.field), Number)
        present = [document for document in documents if document.get(field) is not None]
        absent = [document for document in documents if document.get(field) is None]
        present.sort(
            key=lambda held: single(held[field]) if numeric else held[field],
            reverse=key.descending,
        )
        documents = present + absent
    return documents
