"""Values on the hot path: frozen for whoever checks types, plain for whoever makes thousands of them.

A frozen dataclass is filled through `object.__setattr__`, field by field, which costs two to three times what a plain
one does; a cold aggregate makes some fifty values, and being frozen at run time was a tenth of its CPU. The type
checkers hold the line instead: they refuse to assign to a field of a `value` exactly as they do for `frozen=True`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

__all__ = ["MaybePartial", "value"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(*, kw_only: bool = False, order: bool = False) -> Callable[[type[T]], type[T]]:
    """Make a class a dataclass with slots, equality and a hash, which nobody may change."""
    return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only, order=order)


class MaybePartial:
    """The base of values that know whether they are whole: no cache keeps one that is not (P1)."""

    __slots__ = ()

    complete: bool
