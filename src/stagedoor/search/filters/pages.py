"""Filters on the answer: in which order, and which page of it.

Theory of the documented window. No list serves results beyond the 10,000th, so that what is allowed for one number
depends on the other: `number x size <= 10,000`, or `offset + size <= 10,000`. JSON Schema cannot multiply, but what
lies beyond such a bound is a union of quadrants, one a size: "sizes from 40, numbers above 250". `not` any of them says
the rule exactly, so that whoever reads the document, person or program, can tell an answer from a refusal without
asking. (Positively, as `anyOf` the rectangles inside, it would be as exact; documentation pages would list them all.)
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stagedoor._parameters import InputFault, Invalid, Place
from stagedoor.errors import ConfigError
from stagedoor.search.filters.declared import (
    Contribution,
    Declared,
    Facets,
    Given,
    Window,
    last,
    pair,
)
from stagedoor.search.query import WINDOW, Order
from stagedoor.search.values import ChoiceValue, IntegerValue, ValueParameter, fault, parameter_of

__all__ = [
    "FacetFilter",
    "LimitFilter",
    "LimitOffsetFilter",
    "OrderingField",
    "OrderingFilter",
    "PageNumberFilter",
]


class OrderingField:
    """A field to sort by: what clients call it, and the field it is."""

    __slots__ = ("field", "name")

    def __init__(self, name: str, field: str = "") -> None:
        self.name = name
        self.field = field or name


class _OrderValue:
    """The name of a sort key, with a minus in front for descending order."""

    __slots__ = ("example", "keys")

    def __init__(self, fields: Sequence[OrderingField], example: str) -> None:
        if not fields:
            raise ConfigError("an order needs a field to sort by")
        if strange := [one.name for one in fields if not one.name or one.name.startswith("-")]:
            raise ConfigError(
                f"{strange[0]!r} cannot be a sort key: a minus in front is for descending order"
            )
        if len({one.name for one in fields}) < len(fields):
            raise ConfigError(f"a sort key is named twice: {', '.join(one.name for one in fields)}")
        self.keys = {
            sign + one.name: Order(one.field, descending=bool(sign)) for one in fields for sign in ("", "-")
        }
        self.example = example or f"-{fields[-1].name}"

    def read(self, name: str, raw: str, place: Place = "query") -> Order:
        key = self.keys.get(raw)
        if key is None:
            raise fault(name, f"must be one of {', '.join(self.keys)}", "choice", place)
        return key

    def schema(self) -> Mapping[str, Any]:
        return {"type": "string", "enum": list(self.keys)}


def _size_of(size: Any, most: Any) -> IntegerValue:  # noqa: ANN401 - anybody may have declared it
    """Return how many results there may be, `size` where nobody says; raises `ConfigError` where that cannot be."""
    if not (isinstance(size, int) and isinstance(most, int) and 1 <= size <= most <= WINDOW):
        raise ConfigError(
            f"{size!r} results of at most {most!r}: wanted are 1 to as many, and at most {WINDOW:,}"
        )
    return IntegerValue(least=1, greatest=most, example=size)


class OrderingFilter(Declared[tuple[Order, ...]]):
    """Sort keys, applied in the given order, a minus in front for descending.

    With `many` the parameter is repeated, without it the last one given counts. `example` is a key to show.
    """

    def __init__(
        self, *fields: str | OrderingField, many: bool = True, description: str = "", example: str = ""
    ) -> None:
        self.kind = _OrderValue(
            [OrderingField(one) if isinstance(one, str) else one for one in fields], example
        )
        self.many = many
        self.description = description

    def read(self, given: Given) -> tuple[Order, ...]:
        raws = given.get(self.name, ())
        keys: dict[str, Order] = {}
        for raw in raws if self.many else raws[-1:]:
            key = self.kind.read(self.name, raw)
            keys.setdefault(key.field, key)  # the first of a field counts
        return tuple(keys.values())

    def contribution(self, held: tuple[Order, ...]) -> Contribution:
        return held

    def trials(self) -> Iterator[Contribution]:
        yield tuple(self.kind.keys.values())

    def parameters(self) -> tuple[ValueParameter, ...]:
        text = self.description or (
            "Sort keys, applied in this order; a minus in front for descending"
            if self.many
            else "Sort key; a minus in front for descending"
        )
        if not self.many:
            return (parameter_of(self.kind, self.name, text),)
        described = {"type": "array", "items": dict(self.kind.schema())}
        return (parameter_of(self.kind, self.name, text, described=described, example=[self.kind.example]),)


class LimitOffsetFilter(Declared[Window]):
    """Offset and limit, given as a pair in this order."""

    def __init__(self, *, limit: int = 10, max_limit: int = 100, description: str = "") -> None:
        self.default = Window(0, limit)
        self.max_limit = max_limit
        self.offset = IntegerValue(least=0, example=0)
        self.limit = _size_of(limit, max_limit)
        self.description = description

    def read(self, given: Given) -> Window:
        raws = given.get(self.name)
        if raws is None:
            return self.default
        offset, limit = pair(self.name, raws, "offset and limit")
        return Window(self.offset.read(self.name, offset), self.limit.read(self.name, limit))

    def contribution(self, held: Window) -> Contribution:
        return held

    @property
    def bound(self) -> str:
        return f"{self.name}: offset and limit together must be at most {WINDOW:,}"

    def parameters(self) -> tuple[ValueParameter, ...]:
        text = self.description or (
            f"Which part of the list, as a pair in this order: how many results to pass over (offset, from 0) and how "
            f"many to give (limit, 1 to {self.max_limit}), as in `{self.name}=20&{self.name}=10`. Not given: "
            f"{self.default.offset} and {self.default.limit}. Results beyond the {WINDOW:,}th are not served: offset "
            f"and limit together are at most {WINDOW:,}, more is answered 400"
        )
        example = [self.default.offset, self.default.limit]
        return (parameter_of(self.offset, self.name, text, described=self._described(), example=example),)

    def _described(self) -> Mapping[str, Any]:
        beyond = [
            {"prefixItems": [{"minimum": WINDOW - limit + 1}, {"minimum": limit}]}
            for limit in range(1, self.max_limit + 1)
        ]
        return {
            "title": "OffsetAndLimit",
            "description": f"Offset and limit, together at most {WINDOW:,}",
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
            "prefixItems": [
                {**self.offset.schema(), "title": "offset", "description": "Results to pass over"},
                {**self.limit.schema(), "title": "limit", "description": "Results to give"},
            ],
            "minItems": 2,
            "maxItems": 2,
            "default": [self.default.offset, self.default.limit],
            "not": {
                "type": "array",
                "anyOf": beyond,
            },  # with a type: else Swagger UI shows "never"
        }


class LimitFilter(Declared[Window]):
    """How many results to give, of the first ones."""

    def __init__(self, *, limit: int = 10, max_limit: int = 100, description: str = "") -> None:
        self.kind = _size_of(limit, max_limit)
        self.description = description or f"How many results to give, 1 to {max_limit}; not given: {limit}"

    def read(self, given: Given) -> Window:
        raw = last(given, self.name)
        return Window(0, self.kind.example if raw is None else self.kind.read(self.name, raw))

    def contribution(self, held: Window) -> Contribution:
        return held

    def parameters(self) -> tuple[ValueParameter, ...]:
        described = {**self.kind.schema(), "default": self.kind.example}
        return (parameter_of(self.kind, self.name, self.description, described=described),)


class FacetFilter(Declared[Facets]):
    """Keywords whose values are counted over all matches, by what clients call them; repeated."""

    def __init__(self, *, description: str = "", **fields: str) -> None:
        if not fields:
            raise ConfigError("facets need a keyword to count")
        self.fields = fields
        self.kind = ChoiceValue(tuple(fields))
        self.description = description or "Values that are counted over all matches"

    def read(self, given: Given) -> Facets:
        names = [self.kind.read(self.name, raw) for raw in given.get(self.name, ())]
        return Facets(tuple(dict.fromkeys(self.fields[name] for name in names)))

    def contribution(self, held: Facets) -> Contribution:
        return held

    def trials(self) -> Iterator[Contribution]:
        yield Facets(tuple(self.fields.values()))

    def parameters(self) -> tuple[ValueParameter, ...]:
        described = {"type": "array", "items": dict(self.kind.schema())}
        return (
            parameter_of(
                self.kind, self.name, self.description, described=described, example=[self.kind.example]
            ),
        )


class PageNumberFilter(Declared[Window]):
    """Two parameters: the number of a page, from 1, and how many results a page has."""

    def __init__(
        self,
        *,
        size: int = 50,
        max_size: int = 100,
        number_name: str = "page_number",
        size_name: str = "page_size",
    ) -> None:
        self.number = IntegerValue(least=1, example=1)
        self.size = _size_of(size, max_size)
        self.max_size = max_size
        self.number_name = number_name
        self.size_name = size_name

    def read(self, given: Given) -> Window:
        asked = (self.number_name, self.number, 1), (self.size_name, self.size, self.size.example)
        read: list[int] = []
        faults: list[InputFault] = []
        for name, kind, default in asked:
            raw = last(given, name)
            try:
                read.append(default if raw is None else kind.read(name, raw))
            except Invalid as invalid:
                faults += invalid.faults
        if faults:
            raise Invalid(*faults)
        number, size = read
        return Window((number - 1) * size, size)

    def contribution(self, held: Window) -> Contribution:
        return held

    @property
    def bound(self) -> str:
        return f"{self.number_name} x {self.size_name} must be at most {WINDOW:,}"

    @property
    def names(self) -> tuple[str, ...]:
        return self.number_name, self.size_name

    def parameters(self) -> tuple[ValueParameter, ...]:
        number, size = self.number_name, self.size_name
        text = (
            f"Which page of the list: `{number}` (from 1, default 1) and `{size}` (1 to {self.max_size}, default "
            f"{self.size.example}), two parameters of the query, each of which may be left out, as in "
            f"`{number}=2&{size}={self.size.example}`. Results beyond the {WINDOW:,}th are not served: "
            f"{number} x {size} is at most {WINDOW:,}, more is answered 400"
        )
        example = {number: 1, size: self.size.example}
        return (parameter_of(self.number, self.name, text, described=self._described(), example=example),)

    def _described(self) -> Mapping[str, Any]:
        """Return the schema of both as one object, whose members are parameters (style `form`, exploded)."""
        number, size = self.number_name, self.size_name
        return {
            "title": "PageNumberAndSize",
            "description": f"{number} x {size} is at most {WINDOW:,}",
            "type": "object",
            "properties": {
                number: {
                    **self.number.schema(),
                    "maximum": WINDOW,
                    "default": 1,
                    "description": "The number of the page; the first is 1",
                },
                size: {
                    **self.size.schema(),
                    "default": self.size.example,
                    "description": "How many results a page has",
                },
            },
            "not": {"type": "object", "anyOf": [self._beyond(one) for one in range(1, self.max_size + 1)]},
        }

    def _beyond(self, size: int) -> Mapping[str, Any]:
        """Return the pages of at least this size that begin too late; a size left out is the default."""
        given = [self.number_name] if size <= self.size.example else [self.number_name, self.size_name]
        return {
            "required": given,
            "properties": {
                self.number_name: {"minimum": WINDOW // size + 1},
                self.size_name: {"minimum": size},
            },
        }
