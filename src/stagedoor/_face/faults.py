"""What pydantic finds wrong with a value, and how much of it is told.

A body of a megabyte may be wrong in a million places. To hear of each from pydantic takes seconds in which nobody else
is served, and the answer would be a hundred times as long as what was sent: so there is a bound to both (T13).
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stagedoor._face.unsaid import plain
from stagedoor._parameters import InputFault

__all__ = ["details_of", "faults_of"]

_TOLD: Final = 100
_LOOKED_AT: Final = 10_000  # 30 ms
_MORE: Final = "too_many_faults"


def details_of(error: ValidationError) -> list[ErrorDetails]:
    """Return what is wrong, in order, without the values; nothing where it is too much to be looked at."""
    if error.error_count() > _LOOKED_AT:
        return []
    return error.errors(include_url=False, include_context=False, include_input=False)


def faults_of(
    where: tuple[Any, ...],
    error: ValidationError,
    *,
    alone: bool = False,
    unsaid: Callable[[], AbstractSet[str]] = frozenset,
) -> list[InputFault]:
    """Return the faults of a value, without the names that `unsaid` returns.

    `alone`: places in it mean nothing to its sender. Of many faults only the first are told, and the last one says how
    many there are.
    """
    seen: dict[tuple[Any, ...], InputFault] = {}
    found = details_of(error)
    hidden = unsaid() if found else frozenset[str]()
    for fault in found:
        if len(seen) == _TOLD:
            break
        places = () if alone else [str(one) for one in fault["loc"]]
        loc = (*where, *("*" if one in hidden else one for one in places))
        text = plain(fault["type"], fault["msg"].removeprefix("Value error, "))
        seen.setdefault(loc, InputFault(loc, text, fault["type"]))
    else:
        if seen:
            return list(seen.values())
    more = InputFault(where, f"is wrong in {error.error_count():,} places, which are not all told", _MORE)
    return [*seen.values(), more]
