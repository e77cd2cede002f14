"""Readable keys: `Cache(key="page:{film_id}")`, told apart by every input that the text alone does not settle."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, get_args
from uuid import UUID

from stagedoor._face.fields import digest
from stagedoor._face.inputs import Input
from stagedoor._face.templates import Tag

__all__ = ["ReadableKey"]

_TEXTUAL: Final = frozenset({str, int, bool, float, Decimal, UUID, date, datetime})


class ReadableKey:
    """The key of one route's answers, as its `Cache` says it.

    Inputs that it does not name follow as a digest, and so does a value whose text another value may have: None where
    there might be the text `None`. Fields and cookies are part of who asks.
    """

    def __init__(self, key: Tag, inputs: Sequence[Input]) -> None:
        self._key = key
        self._unsettled = [
            (one, one.argument in key.names)
            for one in inputs
            if one.place in {"path", "query"} and not (one.argument in key.names and _is_textual(one.hint))
        ]

    def of(self, values: Mapping[str, Any], identity: bytes) -> str:
        """Return the key; who asks stays part of it (T4)."""
        name = self._key.named(values)
        unsettled = [
            one.key(values[one.argument])
            for one, is_named in self._unsettled
            if not (is_named and type(values[one.argument]) is str)
        ]
        if unsettled:
            name += f":{digest(b''.join(unsettled)).hex()}"
        return f"{name}:{identity.hex()}" if identity else name


def _is_textual(hint: Any) -> bool:  # noqa: ANN401 - an annotation
    """Tell whether it is one type, of which equal texts mean equal values."""
    while hasattr(hint, "__metadata__"):
        hint = get_args(hint)[0]
    inner = getattr(hint, "__supertype__", None) or getattr(hint, "__value__", None)
    return hint in _TEXTUAL if inner is None else _is_textual(inner)
