"""Filters on the answer: in which order, and which page of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from stagedoor.search.filters.declared import (
    Contribution,
    Declared,
    Given,
    QueryParameter,
    Window,
    last,
    pair,
)
from stagedoor.search.query import Order
from stagedoor.search.values import IntegerValue, fault

__all__ = ["LimitOffsetFilter", "OrderingField", "OrderingFilter", "PageNumberFilter"]


class OrderingField:
    """A field to sort by: what clients call it, and the field it is."""

    __slots__ = ("field", "name")

    def __init__(self, name: str, field: str = "") -> None:
        self.name = name
        self.field = field or name


class _OrderValue:
    """The name of a sort key, with a minus in front for descending order."""

    __slots__ = ("keys",)

    def __init__(self, fields: Sequence[OrderingField]) -> None:
        self.keys = {
            sign + one.name: Order(one.field, descending=bool(sign)) for one in fields for sign in ("", "-")
        }

    def read(self, name: str, raw: str) -> Order:
        key = self.keys.get(raw)
        if key is None:
            raise fault(name, f"must be one of {', '.join(self.keys)}", "choice")
        return key

    def schema(self) -> Mapping[str, Any]:
        return {"type": "string", "enum": list(self.keys)}

    @property
    def example(self) -> object:
        return next(reversed(self.keys))


class OrderingFilter(Declared[tuple[Order, ...]]):
    """Sort keys, applied in the given order, a minus in front for descending.

    With `many` the parameter is repeated, without it the last one given counts.
    """

    def __init__(self, *fields: str | OrderingField, many: bool = True, description: str = "") -> None:
        self.kind = _OrderValue([OrderingField(one) if isinstance(one, str) else one for one in fields])
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

    def parameters(self) -> tuple[QueryParameter, ...]:
        text = self.description or (
            "Sort keys, applied in this order; a minus in front for descending"
            if self.many
            else "Sort key; a minus in front for descending"
        )
        if not self.many:
            return (self._parameter(self.kind, text),)
        described = {"type": "array", "items": dict(self.kind.schema())}
        return (self._parameter(self.kind, text, described=described, example=[self.kind.example]),)


class LimitOffsetFilter(Declared[Window]):
    """Offset and limit, given as a pair in this order."""

    def __init__(self, *, limit: int = 10, max_limit: int = 100, description: str = "") -> None:
        self.default = Window(0, limit)
        self.offset = IntegerValue(least=0, example=0)
        self.limit = IntegerValue(least=1, greatest=max_limit, example=limit)
        self.description = description

    def read(self, given: Given) -> Window:
        raws = given.get(self.name)
        if raws is None:
            return self.default
        offset, limit = pair(self.name, raws, "offset and limit")
        return Window(self.offset.read(self.name, offset), self.limit.read(self.name, limit))

    def contribution(self, held: Window) -> Contribution:
        return held

    def parameters(self) -> tuple[QueryParameter, ...]:
        text = self.description or (
            f"Offset and limit, as a pair in this order: offset at least 0, limit from 1 to "
            f"{self.limit.greatest}; {self.default.offset} and {self.default.limit} if not given"
        )
        described = {
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
            "prefixItems": [dict(self.offset.schema()), dict(self.limit.schema())],
            "minItems": 2,
            "maxItems": 2,
        }
        example = [self.default.offset, self.default.limit]
        return (self._parameter(self.offset, text, described=described, example=example),)


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
        self.size = IntegerValue(least=1, greatest=max_size, example=size)
        self.number_name = number_name
        self.size_name = size_name

    def read(self, given: Given) -> Window:
        size = self._integer(given, self.size_name, self.size, self.size.example)
        number = self._integer(given, self.number_name, self.number, 1)
        return Window((number - 1) * size, size)

    @staticmethod
    def _integer(given: Given, name: str, kind: IntegerValue, default: int) -> int:
        raw = last(given, name)
        return default if raw is None else kind.read(name, raw)

    def contribution(self, held: Window) -> Contribution:
        return held

    def parameters(self) -> tuple[QueryParameter, ...]:
        size = {**self.size.schema(), "default": self.size.example}
        return (
            self._parameter(
                self.number,
                "The number of the page; the first is 1",
                name=self.number_name,
                described={**self.number.schema(), "default": 1},
            ),
            self._parameter(self.size, "Results on a page", name=self.size_name, described=size),
        )
