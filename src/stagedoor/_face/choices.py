"""What there is to choose from in a type: literals and members of enums that are no texts, by how they are spelled.

A request has texts only, and pydantic takes no text for `Literal[1]` or an enum of numbers: it compares, and `"1"` is
not `1`.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, get_args, get_origin

__all__ = ["choices_of"]


def choices_of(hint: Any) -> Mapping[str, object]:  # noqa: ANN401 - an annotation
    """Return the values of a type's choices, also inside unions and lists, by their texts."""
    return {text: one for one in _choices(hint) if (text := _spelled(one)) is not None}


def _choices(hint: Any) -> Iterator[object]:  # noqa: ANN401 - an annotation
    if get_origin(hint) is Literal:
        yield from get_args(hint)
    elif isinstance(hint, type) and issubclass(hint, Enum):
        yield from hint
    elif hasattr(hint, "__value__"):  # a type alias
        yield from _choices(hint.__value__)
    elif hasattr(hint, "__supertype__"):  # a NewType
        yield from _choices(hint.__supertype__)
    else:  # a union, a list, an Annotated
        for one in get_args(hint):
            yield from _choices(one)


def _spelled(one: object) -> str | None:
    """Return the text of a choice that is no text; None for any other."""
    value = one.value if isinstance(one, Enum) else one
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float | Decimal) else None
