"""Read answers as what was asked for, and write bodies: the types are whatever pydantic knows.

The JSON reader is pydantic's: integers arrive exactly up to 1,000 digits, fractions as the nearest double. NaN,
infinities and numbers that overflow a double are no JSON and make the answer garbled (P6).
"""

import math
import re
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Generic, TypeVar

import orjson
import pydantic_core
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from stagedoor._face.faults import details_of
from stagedoor._face.hasty import LARGE, hasty
from stagedoor._requests import HttpResponse
from stagedoor._web.rendering import why
from stagedoor.errors import UpstreamGarbled

__all__ = ["Shape", "is_json", "odd_number", "shape_of", "written"]

T = TypeVar("T")
_BOM = b"\xef\xbb\xbf"
# What may be no number of JSON, or none that a double can hold, is looked into only where it appears. Looked for in a
# body whose digits are all alike and whose other letters are gone: a regular expression takes twenty times as long.
_ALIKE = bytes(
    ord("0" if chr(one) in "0123456789" else "e" if chr(one) in "eE" else "+" if chr(one) == "+" else " ")
    for one in range(256)
)
_KIND, _JSON = b"content-type", b"application/json"
# Octets as numbers: given bytes, `in` makes a TypeError and drops it before it looks, which costs more than the look.
_N, _I, _PLUS = b"NI+"
_NAN, _INFINITY = b"NaN", b"Infinity"
_POWER, _POWER_PLUS, _LONG = b"0e000", b"0e+000", b"0" * 300
_PLAIN_ONLY = (
    orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_LONGEST = 200  # characters of a place, or of a fault
# Only where a number begins: at each digit of one that is a little shorter it would look as far ahead again.
_DIGITS = re.compile(rb"(?<![0-9])[0-9]{1001}")
# Digits in a text are no number; one without an end ends with all.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


class Shape(Generic[T]):
    """One type of answers."""

    __slots__ = ("_adapter", "_name", "_read")

    def __init__(self, form: Any) -> None:  # noqa: ANN401 - a type form, which has no type of its own
        adapter = form if isinstance(form, TypeAdapter) else _adapter(form)
        self._adapter = adapter
        self._read = adapter.validator.validate_json
        self._name = getattr(form, "__name__", str(form))

    def read(self, operation: str, response: HttpResponse) -> T:
        """Return the typed value; raises `UpstreamGarbled` with the first fault and its place."""
        kind = response.header(_KIND)
        if kind != _JSON and not is_json(kind):
            said = "no content type" if kind is None else kind[:80].decode("latin-1")
            raise UpstreamGarbled(operation, f"it is not JSON but {said}", response=response)
        body = response.body.removeprefix(_BOM)
        if _may_be_odd(body):
            odd = odd_number(body)
            if odd:
                raise UpstreamGarbled(operation, odd, response=response)
        try:
            read = self._read if len(body) <= LARGE else hasty(self._adapter).validate_json
            value: T = read(body)
        except ValidationError as error:
            raise UpstreamGarbled(
                operation, f"it is no {self._name}: {_first(error)}", response=response
            ) from None
        return value

    def __repr__(self) -> str:
        return f"<Shape {self._name}>"


def _first(error: ValidationError) -> str:
    """Return the first fault and its place, without the value: it may be a secret."""
    found = details_of(error)
    if not found:
        return f"at {error.error_count():,} places"
    fault = found[0]
    place = ".".join(map(str, fault["loc"]))[:_LONGEST]
    return f"at {place}: {fault['msg'][:_LONGEST]}" if place else str(fault["msg"])[:_LONGEST]


def _may_be_odd(body: bytes) -> bool:
    """Tell whether a body may hold what is no number of JSON, or none that a double can hold."""
    # A single octet is looked for ten times as fast as several: most bodies have none of these three.
    if (_N in body and _NAN in body) or (_I in body and _INFINITY in body):
        return True
    plain = body.translate(_ALIKE)
    return plain.find(_POWER) >= 0 or (_PLUS in body and _POWER_PLUS in plain) or plain.find(_LONG) >= 0


def odd_number(body: bytes) -> str:
    """Say which number of a body JSON, or a double, does not have; "" if all are fine, or it is no JSON at all."""
    if not _may_be_odd(body):
        return ""
    if _DIGITS.search(body) is not None and _DIGITS.search(_TEXT.sub(b"", body)) is not None:
        return "a number has more than 1,000 digits"
    try:
        said = pydantic_core.from_json(body)
    except ValueError:
        return ""
    return "" if _finite(said) else "a number is no number, or overflows"


def _finite(value: object) -> bool:
    """Tell whether no number inside is infinite."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, float) and not math.isfinite(one):
            return False
        if isinstance(one, dict):
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    return True


def is_json(kind: bytes | None) -> bool:
    """Tell whether a content type says JSON: `application/json`, or any `+json` (RFC 6839 3.1)."""
    if kind == _JSON:
        return True
    if kind is None:
        return False
    essence = kind.partition(b";")[0].strip().lower()
    return essence == b"application/json" or (b"/" in essence and essence.endswith(b"+json"))


def shape_of(form: Any) -> Shape[Any]:  # noqa: ANN401 - a type form
    """Return the shape of a class, a generic or a `TypeAdapter`; raises `TypeError` for what is no type."""
    try:
        return _shape_of(form)
    except TypeError:
        if isinstance(form, Hashable):
            raise
        raise TypeError(
            f"{form!r} is no type; give a class, a generic such as list[Item], or a TypeAdapter"
        ) from None


@lru_cache(maxsize=1_024)
def _shape_of(form: Any) -> Shape[Any]:  # noqa: ANN401 - a type form
    if isinstance(form, str) or form is None:
        raise TypeError(f"{form!r} is no type; give a class, a generic such as list[Item], or a TypeAdapter")
    return Shape(form)


def _adapter(form: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a type form
    try:
        return TypeAdapter(form)
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError) as error:
        raise TypeError(f"{form!r} cannot be read from JSON: {why(error)}") from error


def written(value: object) -> bytes:
    """Return a value as JSON, models by their aliases; raises `TypeError` for what has no JSON form."""
    try:
        return orjson.dumps(value, option=_PLAIN_ONLY)
    except TypeError:
        pass  # more than plain values: pydantic's writer is slower, and knows all the others
    try:
        return pydantic_core.to_json(value, by_alias=True, inf_nan_mode="null")
    except pydantic_core.PydanticSerializationError as error:
        raise TypeError(f"json: {error}") from error
