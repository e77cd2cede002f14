"""Bytes that are equal only for equal values: what keys are made of.

JSON is no such thing: NaN, infinity and None are one, secrets are stars, and a field may be left out of it.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Protocol, runtime_checkable

import pydantic_core
from pydantic import BaseModel

from stagedoor._face.fields import digest

__all__ = ["exact"]


@runtime_checkable
class _Secret(Protocol):
    def get_secret_value(self) -> object: ...


def exact(value: object) -> bytes:
    """Return bytes that are equal only for equal values of one type; of secrets they hold a digest.

    Raises `PydanticSerializationError` for what has no form at all.
    """
    known = _FORMS.get(type(value))
    return _compound(value) if known is None else known(value)


_FORMS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    str: lambda text: b"'" + text.encode("utf-8", "surrogatepass"),
    int: lambda number: b"%d" % number,
    bool: lambda truth: b"true" if truth else b"false",
    float: lambda number: b"f" + repr(number).encode(),
    type(None): lambda _: b"none",
    bytes: lambda octets: b"b" + octets,
    list: lambda values: _joined(list, map(exact, values)),
    tuple: lambda values: _joined(tuple, map(exact, values)),
    dict: lambda pairs: _joined(dict, [exact(one) for pair in pairs.items() for one in pair]),
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
    elif isinstance(value, _Secret):
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
    return _name_of(kind) + b"".join([b"%d:%b" % (len(part), part) for part in parts])


@lru_cache(maxsize=1_024)
def _name_of(kind: type) -> bytes:
    name = f"{kind.__module__}.{kind.__qualname__}".encode()
    return b"%d:%b" % (len(name), name)
