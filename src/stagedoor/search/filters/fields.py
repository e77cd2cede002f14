"""Filters on fields: what documents must have."""

from stagedoor.search.filters.declared import Contribution, Declared, Given, last, pair
from stagedoor.search.query import AnyOf, Begins, Between, Match, Not, Term
from stagedoor.search.values import (
    ChoiceValue,
    Kind,
    NumberValue,
    TextValue,
    UuidValue,
    ValueParameter,
    fault,
    parameter_of,
)

__all__ = ["Filter", "FlagFilter", "InFilter", "NotInFilter", "PrefixFilter", "RangeFilter", "SearchFilter"]


class Filter(Declared[str | float | None]):
    """The field has this value. `kind` says what values are: UUIDs, unless it is another."""

    def __init__(
        self,
        field: str = "",
        *,
        kind: Kind[str] | Kind[float] | None = None,
        required: bool = False,
        description: str = "",
    ) -> None:
        self.field = field
        self.kind = kind or UuidValue()
        self.required = required
        self.description = description

    def read(self, given: Given) -> str | float | None:
        raw = last(given, self.name, required=self.required)
        return None if raw is None else self.kind.read(self.name, raw)

    def contribution(self, held: str | float | None) -> Contribution:
        return None if held is None else Term(self.field or self.name, held)

    def parameters(self) -> tuple[ValueParameter, ...]:
        text = self.description or f"Only with this {self.field or self.name}"
        return (parameter_of(self.kind, self.name, text, required=self.required),)


class InFilter(Declared[tuple[str, ...]]):
    """The field has any of these values, of which there are at most `most`. Repeated; none given: no filter."""

    meaning = "Only with any of these"

    def __init__(
        self, field: str = "", *, kind: Kind[str] | None = None, most: int = 500, description: str = ""
    ) -> None:
        self.field = field
        self.kind = kind or UuidValue()
        self.most = most
        self.description = description

    def read(self, given: Given) -> tuple[str, ...]:
        raws = given.get(self.name, ())
        if len(raws) > self.most:
            raise fault(self.name, f"must be given at most {self.most} times", "count")
        return tuple(dict.fromkeys(self.kind.read(self.name, raw) for raw in raws))

    def contribution(self, held: tuple[str, ...]) -> Contribution:
        return AnyOf(self.field or self.name, held) if held else None

    def parameters(self) -> tuple[ValueParameter, ...]:
        text = self.description or f"{self.meaning} values of {self.field or self.name}; up to {self.most}"
        # `most` is said in words alone: a request line ends sooner, for ids of 36 letters in two such filters, and a
        # schema that promised both lists in full would promise too much.
        described = {"type": "array", "items": dict(self.kind.schema())}
        return (parameter_of(self.kind, self.name, text, described=described, example=[self.kind.example]),)


class NotInFilter(InFilter):
    """The field has none of these values."""

    meaning = "Only with none of these"

    def contribution(self, held: tuple[str, ...]) -> Contribution:
        return Not(AnyOf(self.field or self.name, held)) if held else None


class RangeFilter(Declared[tuple[float | None, float | None]]):
    """The number lies between two bounds, both inclusive, given as a pair; an empty text leaves a side open.

    Bounds below `least` are refused.
    """

    def __init__(self, field: str = "", *, least: float | None = None, description: str = "") -> None:
        self.field = field
        self.kind = NumberValue(least=least)
        self.description = description

    def read(self, given: Given) -> tuple[float | None, float | None]:
        raws = given.get(self.name)
        if raws is None:
            return None, None
        low, high = pair(self.name, raws, "least and greatest; an empty text leaves a side open")
        return self._bound(low), self._bound(high)

    def _bound(self, raw: str) -> float | None:
        return self.kind.read(self.name, raw) if raw else None

    def contribution(self, held: tuple[float | None, float | None]) -> Contribution:
        return None if held == (None, None) else Between(self.field or self.name, *held)

    def parameters(self) -> tuple[ValueParameter, ...]:
        text = self.description or (
            f"The least and the greatest {self.field or self.name}, both inclusive, as a pair in this order; "
            "an empty value leaves its side open"
        )
        items = {"anyOf": [dict(self.kind.schema()), {"type": "string", "maxLength": 0}]}
        described = {"type": "array", "items": items, "minItems": 2, "maxItems": 2}
        return (
            parameter_of(self.kind, self.name, text, described=described, example=[self.kind.example, 10.0]),
        )


class SearchFilter(Declared[str]):
    """Words in one or more text fields, each perhaps with a weight; an empty text is no filter.

    A `required` one must be given, and not be blank.
    """

    def __init__(
        self,
        *fields: str | tuple[str, float],
        required: bool = False,
        description: str = "",
        example: str = "star",
    ) -> None:
        self.fields = tuple((field, 1.0) if isinstance(field, str) else field for field in fields)
        self.required = required
        self.kind = TextValue(example=example, min_length=1 if required else 0, blank=not required)
        self.description = description

    def read(self, given: Given) -> str:
        raw = last(given, self.name, required=self.required)
        return "" if raw is None else self.kind.read(self.name, raw)

    def contribution(self, held: str) -> Contribution:
        return Match(self.fields or ((self.name, 1.0),), held) if held else None

    def parameters(self) -> tuple[ValueParameter, ...]:
        names = " or ".join(field for field, _ in self.fields) or self.name
        empty = "" if self.required else ". Empty: not given"
        text = self.description or f"Words in {names}, typing errors forgiven; at most 16 words count{empty}"
        return (parameter_of(self.kind, self.name, text, required=self.required),)


class PrefixFilter(SearchFilter):
    """Words in one or more text fields, the last of which is still being typed; an empty text is no filter."""

    def contribution(self, held: str) -> Contribution:
        return Begins(self.fields or ((self.name, 1.0),), held) if held else None


class FlagFilter(Declared[bool]):
    """`true` or `false`, not given: false. It says how the answer looks, and nothing of what is in it."""

    def __init__(self, *, description: str = "") -> None:
        self.kind = ChoiceValue(("true", "false"))
        self.description = description

    def read(self, given: Given) -> bool:
        raw = last(given, self.name)
        return raw is not None and self.kind.read(self.name, raw) == "true"

    def contribution(self, held: bool) -> Contribution:
        return None

    def parameters(self) -> tuple[ValueParameter, ...]:
        described = {"type": "boolean", "default": False}
        return (parameter_of(self.kind, self.name, self.description, described=described, example=True),)
