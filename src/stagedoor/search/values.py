"""Single values of query parameters: how each is read, what is wrong with it, and its JSON Schema."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from stagedoor._parameters import InputFault, Invalid, Place
from stagedoor._value import value

__all__ = [
    "HUGE",
    "BooleanValue",
    "ChoiceValue",
    "DateValue",
    "IntegerValue",
    "Kind",
    "NumberValue",
    "TextValue",
    "UuidValue",
    "ValueParameter",
    "fault",
    "parameter_of",
]

HUGE: Final = 10**18  # larger integers are this one: nothing counts that far
_SIGNS: Final = 20  # of an integer of 64 bits
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?",
    re.ASCII,
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)

T_co = TypeVar("T_co", covariant=True)


class Kind(Protocol[T_co]):
    """What one value of a parameter may be."""

    def read(self, name: str, raw: str, place: Place = "query") -> T_co:
        """Return the value; raises `Invalid` naming the parameter and what would be right."""
        ...

    def schema(self) -> Mapping[str, Any]:
        """Return the JSON Schema of the value."""
        ...

    @property
    def example(self) -> object:
        """Return a value that works."""
        ...


def fault(name: str, msg: str, kind: str, place: Place = "query") -> Invalid:
    """Return what is wrong with a parameter, to be raised."""
    return Invalid(InputFault((place, name), msg, kind))


@value(kw_only=True)
class ValueParameter:
    """One parameter, or several that belong together, as the documentation shows it.

    One whose schema is an object stands in a query string under the names of the object's members, never its own.
    """

    name: str
    description: str
    kind: Kind[Any]
    example: object
    described: Mapping[str, Any]
    required: bool = False
    place: Place = "query"

    def parse(self, raw: str) -> Any:  # noqa: ANN401 - each parameter has a type of its own
        """Return one value; raises `Invalid`."""
        return self.kind.read(self.name, raw, self.place)

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema."""
        return self.described

    @property
    def texts(self) -> Sequence[str]:
        """Return the example as a query string has it."""
        shown = self.example if isinstance(self.example, list) else [self.example]
        return [str(one) for one in shown]


def parameter_of(kind: Kind[Any], name: str, description: str, **more: Any) -> ValueParameter:  # noqa: ANN401
    """Return a parameter with one value of a kind; `more` are fields that say otherwise."""
    shown: dict[str, Any] = {"example": kind.example, "described": kind.schema()}
    return ValueParameter(name=name, kind=kind, description=description, **(shown | more))


@dataclass(frozen=True, slots=True, kw_only=True)
class UuidValue:
    """A UUID in its hyphenated form, in either case; read as lower case."""

    example: str = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"

    def read(self, name: str, raw: str, place: Place = "query") -> str:
        lower = raw.lower()
        if _UUID.fullmatch(lower) is None:
            raise fault(name, f"must be a UUID, as in {self.example}", "uuid", place)
        return lower

    def schema(self) -> Mapping[str, Any]:
        return {"type": "string", "format": "uuid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextValue:
    """Text of so many characters, without NUL; `blank` if white space alone will do."""

    example: str = "star"
    min_length: int = 0
    max_length: int = 255
    blank: bool = True

    def read(self, name: str, raw: str, place: Place = "query") -> str:
        if not self.min_length <= len(raw) <= self.max_length:
            raise fault(name, f"must have {self.min_length} to {self.max_length} characters", "length", place)
        if "\0" in raw:
            raise fault(name, "must not contain NUL", "characters", place)
        if not (self.blank or raw.strip()):
            raise fault(name, "must not be blank", "blank", place)
        return raw

    def schema(self) -> Mapping[str, Any]:
        schema: dict[str, Any] = {"type": "string", "maxLength": self.max_length}
        if self.min_length:
            schema["minLength"] = self.min_length
        schema["pattern"] = r"^[^\u0000]*$" if self.blank else r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
        return schema


@dataclass(frozen=True, slots=True)
class ChoiceValue:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def example(self) -> str:
        return self.words[0]

    def read(self, name: str, raw: str, place: Place = "query") -> str:
        if raw not in self.words:
            raise fault(name, f"must be one of {', '.join(self.words)}", "choice", place)
        return raw

    def schema(self) -> Mapping[str, Any]:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class BooleanValue:
    """`true` or `false`."""

    example: str = "true"

    def read(self, name: str, raw: str, place: Place = "query") -> bool:
        return ChoiceValue(("true", "false")).read(name, raw, place) == "true"

    def schema(self) -> Mapping[str, Any]:
        return {"type": "string", "enum": ["true", "false"]}  # as a query string has it


@dataclass(frozen=True, slots=True)
class DateValue:
    """A date or a time in ISO 8601 (RFC 3339), UTC where no zone is named; a date is its first moment."""

    example: str = "2001-05-17"

    def read(self, name: str, raw: str, place: Place = "query") -> str:
        try:
            datetime.fromisoformat(raw if _DATE.fullmatch(raw) else "")
        except ValueError:
            msg = "must be a date or a time, as in 2001-05-17 or 2001-05-17T10:00:00Z"
            raise fault(name, msg, "date", place) from None
        return raw

    def schema(self) -> Mapping[str, Any]:
        return {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerValue:
    """An integer with a least value and, perhaps, a greatest."""

    least: int = 0
    greatest: int | None = None
    example: int = 1

    def read(self, name: str, raw: str, place: Place = "query") -> int:
        if _INTEGER.fullmatch(raw) is None:
            raise fault(name, "must be an integer", "integer", place)
        # Thousands of digits would cost time to convert, and Python refuses them.
        exact = 18 if self.greatest is None or self.greatest < HUGE else _SIGNS
        value = int(raw) if len(raw) <= exact else -HUGE if raw.startswith("-") else _large(raw)
        if len(raw) > exact > 18:
            raise fault(name, self.rule, "range", place)
        if value < self.least or (self.greatest is not None and value > self.greatest):
            raise fault(name, self.rule, "range", place)
        return value

    @property
    def rule(self) -> str:
        """Return the bounds as a sentence goes on."""
        if self.greatest is None:
            return f"must be at least {self.least}"
        return f"must be between {self.least} and {self.greatest}"

    def schema(self) -> Mapping[str, Any]:
        schema: dict[str, Any] = {"type": "integer", "minimum": self.least}
        return schema if self.greatest is None else schema | {"maximum": self.greatest}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberValue:
    """A finite number with, perhaps, a least value."""

    least: float | None = None
    example: float = 7.5

    def read(self, name: str, raw: str, place: Place = "query") -> float:
        value = float(raw) if len(raw) <= 400 and _NUMBER.fullmatch(raw) else math.nan
        if not math.isfinite(value):
            raise fault(name, "must be a finite number", "number", place)
        if self.least is not None and value < self.least:
            raise fault(name, f"must be at least {self.least:g}", "range", place)
        return value

    def schema(self) -> Mapping[str, Any]:
        return {"type": "number"} if self.least is None else {"type": "number", "minimum": self.least}


def _large(digits: str) -> int:
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= 18 else HUGE
