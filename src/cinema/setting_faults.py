"""Say in plain words what a setting must be, from how it is declared."""

import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

__all__ = ["SECRET", "told", "wanted"]

# What may hold a secret is repeated nowhere: not in a refusal, not in a traceback (promise T15).
SECRET = re.compile(r"admin_key|password|token|secret|access_key|redis_url|database_url|dsn")
_LONGEST = 80


def told(error: ErrorDetails, field: FieldInfo | None) -> str:
    """Return the line for one error: the setting, what is right, and what was said, unless that may be secret."""
    name = str(error["loc"][0]) if error["loc"] else ""
    own = error["type"] == "value_error"
    text = error["msg"].removeprefix("Value error, ") if own or field is None else f"must be {wanted(field)}"
    if not name:
        return text
    given = str(error["input"])
    # An address with a password in it is refused wherever it stands, and not repeated either.
    hidden = SECRET.search(name) or "@" in given or not text.startswith("must")
    return f"{name.upper()}: {text}" + ("" if hidden else f", not {given[:_LONGEST]!r}")


def wanted(field: FieldInfo) -> str:
    """Return what the value of a setting must be."""
    kinds = [kind for kind in _kinds(field.annotation) if kind is not type(None)]
    if get_origin(kinds[0]) is Literal:
        return f"one of {', '.join(map(str, get_args(kinds[0])))}"
    bounds = [*_flat(field.metadata), *_bounds_within(field.annotation)]
    if bool in kinds:
        return "true or false"
    if int in kinds or float in kinds:
        return f"{'a whole number' if int in kinds else 'a number'} {_range(bounds)}"
    return f"text of {_length(bounds)} characters"


def _kinds(annotation: Any) -> list[Any]:  # noqa: ANN401 - whatever a type can be
    """Return the types that an annotation allows, each without what is said of it."""
    if get_origin(annotation) is Literal:
        return [annotation]
    if hasattr(annotation, "__metadata__"):
        return _kinds(annotation.__origin__)
    inner = get_args(annotation)
    return [kind for one in inner for kind in _kinds(one)] if inner else [annotation]


def _bounds_within(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - the same
    for one in get_args(annotation):
        yield from _flat(getattr(one, "__metadata__", ()))


def _flat(metadata: Any) -> Iterator[Any]:  # noqa: ANN401 - the same
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from one.metadata
        else:
            yield one


def _range(bounds: list[Any]) -> str:
    least = next((one.ge for one in bounds if isinstance(one, Ge)), None)
    above = next((one.gt for one in bounds if isinstance(one, Gt)), None)
    most = next((one.le for one in bounds if isinstance(one, Le)), None)
    if above is not None:
        return f"above {above} and at most {most}"
    return f"from {least} to {most}"


def _length(bounds: list[Any]) -> str:
    least = next((one.min_length for one in bounds if isinstance(one, MinLen)), None)
    most = next((one.max_length for one in bounds if isinstance(one, MaxLen)), None)
    return f"at most {most}" if least is None else f"{least} to {most}"
