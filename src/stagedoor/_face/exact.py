"""Bytes that are equal only for equal values: what keys are made of.

JSON is no such thing: NaN, infinity and None are one, secrets are stars, and a field may be left out of it.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, Final

import pydantic_core
from pydantic import BaseModel

from stagedoor._face.fields import digest

__all__ = ["exact"]


def exact(value: object) -> bytes:
    """Return bytes that are equal only for equal values of one type; of secrets they hold a digest.

    Raises `PydanticSerializationError` for what has no form at all.
    """
    known = _SCALARS.get(type(value))
    return _compound(value) if known is None else known(value)


_SCALARS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    str: lambda text: b"'" + text.encode("utf-8", "surrogatepass"),
    int: lambda number: b"%d" % number,
    bool: lambda truth: b"true" if truth else b"false",
    float: lambda number: b"f" + repr(number).encode(),
    type(None): lambda _: b"none",
    bytes: lambda octets: b"b" + octets,
}


def _compound(value: object) -> bytes:
    kind = type(value)
    parts: Iterable[object]
    if isinstance(value, Enum):
        parts = (value.name,)
    elif isinstance(value, BaseModel):
        parts = (value.__dict__, value.__pydantic_extra__, value.__pydantic_private__)
    elif dataclasses.is_dataclass(value):
        parts = [getattr(value, one.name, None) for one in dataclasses.fields(value)]
    elif isinstance(value, Mapping):
        parts = [one for pair in value.items() for one in pair]
    elif isinstance(value, list | tuple):
        parts = value
    elif isinstance(value, AbstractSet):
        return _joined(kind, sorted(map(exact, value)))
    elif hasattr(value, "get_secret_value"):
        return _joined(kind, [digest(exact(value.get_secret_value()))])
    else:
        return _joined(kind, [_plain(value)])
    return _joined(kind, map(exact, parts))


def _plain(value: object) -> bytes:
    """Return the bytes of a thing without parts."""
    if isinstance(value, str):
        return str.encode(value, "utf-8", "surrogatepass")
    if isinstance(value, int | float):
        return repr(value).encode()
    return pydantic_core.to_json(value, inf_nan_mode="constants")


def _joined(kind: type, parts: Iterable[bytes]) -> bytes:
    name = f"{kind.__module__}.{kind.__qualname__}".encode()
    return b"".join([b"%d:%b" % (len(part), part) for part in (name, *parts)])
