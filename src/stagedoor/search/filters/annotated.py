"""What values a filter has, told by its annotation: `year: Filter[int] = Filter()`."""

import sys
from datetime import date, datetime
from math import ceil
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

__all__ = ["at_least", "take_annotation"]

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
    """Let a filter that was declared without a kind have that of its annotation; raises `ConfigError` for another.

    What it was made as says the same: `Filter[int]()`, which is all there is inside of another filter.
    """
    if not getattr(one, "annotated", False):
        return
    said = vars(owner).get("__annotations__", {}).get(name)
    if isinstance(said, str):
        said = _evaluated(said, owner, name)
    wanted = [kind for kind in (said, getattr(one, "__orig_class__", None)) if kind is not None]
    if wanted:
        vars(one)["kind"] = _kind_of(wanted[0], getattr(one, "least", None), f"{owner.__name__}.{name}")


def _evaluated(said: str, owner: type, name: str) -> Any:  # noqa: ANN401 - what an annotation says
    try:
        return eval(said, vars(sys.modules[owner.__module__]))  # noqa: S307 - the source's own annotation
    except NameError as error:
        raise ConfigError(f"{owner.__name__}.{name}: the annotation {said!r}: {error}") from error


def _kind_of(said: Any, least: float | None, where: str) -> Kind[Any]:  # noqa: ANN401 - what an annotation says
    (wanted, *_) = [*get_args(said), said]
    if wanted not in _KINDS:
        known = ", ".join(kind.__name__ for kind in _KINDS)
        raise ConfigError(f"{where}: {wanted} is no kind of value: one of {known}, or give a `kind`")
    if least is None:
        return _KINDS[wanted]
    if wanted is int:
        return IntegerValue(least=ceil(least), greatest=MOST, example=max(1, ceil(least)))
    if wanted is float:
        return at_least(least)
    raise ConfigError(f"{where}: a least value is for int and float, and not for {wanted.__name__}")


def at_least(least: float | None) -> NumberValue:
    """Return numbers from a least one on, with an example of them."""
    return NumberValue(least=least) if least is None else NumberValue(least=least, example=max(7.5, least))
