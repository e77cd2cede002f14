"""What values a filter has, told by its annotation: `year: Filter[int] = Filter()`."""

import sys
from datetime import date, datetime
from typing import Any, Final, get_args
from uuid import UUID

from stagedoor.errors import ConfigError
from stagedoor.search.compared import LEAST, MOST
from stagedoor.search.filters.declared import Declared
from stagedoor.search.values import (
    BooleanValue,
    DateValue,
    IntegerValue,
    Kind,
    NumberValue,
    TextValue,
    UuidValue,
)

__all__ = ["take_annotation"]

_KINDS: Final[dict[type, Kind[Any]]] = {
    bool: BooleanValue(),
    date: DateValue(),
    datetime: DateValue("2001-05-17T10:00:00Z"),
    float: NumberValue(),
    int: IntegerValue(least=LEAST, greatest=MOST),
    str: TextValue(example="a"),
    UUID: UuidValue(),
}


def take_annotation(one: Declared[Any], owner: type, name: str) -> None:
    """Let a filter that was declared without a kind have that of its annotation; raises `ConfigError` for another."""
    said = vars(owner).get("__annotations__", {}).get(name)
    if said is None or not getattr(one, "annotated", False):
        return
    if isinstance(said, str):
        said = eval(said, vars(sys.modules[owner.__module__]))  # noqa: S307 - the source's own annotation
    (wanted, *_) = [*get_args(said), said]
    if wanted not in _KINDS:
        known = ", ".join(kind.__name__ for kind in _KINDS)
        raise ConfigError(
            f"{owner.__name__}.{name}: {wanted} is no kind of value: one of {known}, or give a `kind`"
        )
    vars(one)["kind"] = _KINDS[wanted]
