"""Filters on fields: what documents must have."""

from typing import TYPE_CHECKING, Any, cast

from stagedoor.errors import ConfigError
from stagedoor.search.filters.annotated import at_least, take_annotation
from stagedoor.search.filters.declared import Contribution, Declared, Given, last, pair, read_all
from stagedoor.search.query import (
    AnyOf,
    Begins,
    Between,
    Clause,
    Either,
    Exists,
    Match,
    Not,
    Phrase,
    Same,
    Scalar,
    Term,
)
from stagedoor.search.values import (
    BooleanValue,
    Kind,
    NumberValue,
    TextValue,
    UuidValue,
    ValueParameter,
    fault,
    parameter_of,
)

__all__ = [
    "EitherFilter",
    "ExistsFilter",
    "Filter",
    "FlagFilter",
    "InFilter",
    "NotInFilter",
    "PhraseFilter",
    "PrefixFilter",
    "RangeFilter",
    "SameFilter",
    "SearchFilter",
]

if (
    TYPE_CHECKING
):  # so that a filter without an annotation is one of anything: what runs here knows no defaults yet
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")


class Filter(Declared[T | None]):
    """The field has this value. `kind` says what values are, or the annotation does: UUIDs where neither is given.

        year: Filter[int] = Filter()

    An annotation may name `str`, `int`, `float`, `bool`, `datetime.date`, `datetime.datetime` or `uuid.UUID`.
    """

    def __init__(
        self,
        field: str = "",
        *,
        kind: Kind[Any] | None = None,
        required: bool = False,
        description: str = "",
    ) -> None:
        self.field = field
        self.annotated = kind is None
        self.kind: Kind[Any] = kind or UuidValue()
        self.required = required
        self.description = description

    def read(self, given: Given) -> T | None:
        raw = last(given, self.name, required=self.required)
        return None if raw is None else self.kind.read(self.name, raw)

    def contribution(self, held: T | None) -> Contribution:
        return None if held is None else Term(self.field or self.name, cast("Scalar", held))

    def parameters(self) -> tuple[ValueParameter, ...]:
        text = self.description or f"Only with this {self.field or self.name}"
        return (parameter_of(self.kind, self.name, text, required=self.required),)


class InFilter(Declared[tuple[T, ...]]):
    """The field has any of these values, of which there are at most `most`. Repeated; none given: no filter.

    What values are is said by `kind`, or by the annotation (`InFilter[int]`): UUIDs where neither is given.
    """

    meaning = "Only with any of these"

    def __init__(
        self, field: str = "", *, kind: Kind[Any] | None = None, most: int = 500, description: str = ""
    ) -> None:
        if most < 1:
            raise ConfigError(f"at most {most} values are none at all")
        self.field = field
        self.annotated = kind is None
        self.kind: Kind[Any] = kind or UuidValue()
        self.most = most
        self.description = description

    def read(self, given: Given) -> tuple[T, ...]:
        raws = given.get(self.name, ())
        if len(raws) > self.most:
            raise fault(self.name, f"must be given at most {self.most} times", "count")
        return tuple(dict.fromkeys(self.kind.read(self.name, raw) for raw in raws))

    def contribution(self, held: tuple[T, ...]) -> Contribution:
        return AnyOf(self.field or self.name, cast("tuple[Scalar, ...]", held)) if held else None

    def parameters(self) -> tuple[ValueParameter, ...]:
        text = self.description or f"{self.meaning} values of {self.field or self.name}; up to {self.most}"
        # `most` is said in words alone: a request line ends sooner, for ids of 36 letters in two such filters, and a
        # schema that promised both lists in full would promise too much.
        described = {"type": "array", "items": dict(self.kind.schema())}
        return (parameter_of(self.kind, self.name, text, described=described, example=[self.kind.example]),)


class NotInFilter(InFilter[T]):
    """The field has none of these values."""

    meaning = "Only with none of these"

    def contribution(self, held: tuple[T, ...]) -> Contribution:
        return Not(AnyOf(self.field or self.name, cast("tuple[Scalar, ...]", held))) if held else None


class RangeFilter(Declared[tuple[T | None, T | None]]):
    """The number or date lies between two bounds, both inclusive, given as a pair; an empty text leaves a side open.

    Bounds below `least` are refused. What bounds are is said by `kind`, or by the annotation (`RangeFilter[date]`):
    numbers where neither is given.
    """

    def __init__(
        self,
        field: str = "",
        *,
        least: float | None = None,
        kind: Kind[Any] | None = None,
        description: str = "",
    ) -> None:
        self.field = field
        self.annotated = kind is None
        self.least = least
        self.kind: Kind[Any] = kind or at_least(least)
        self.description = description

    def read(self, given: Given) -> tuple[T | None, T | None]:
        raws = given.get(self.name)
        if raws is None:
            return None, None
        low, high = pair(self.name, raws, "least and greatest; an empty text leaves a side open")
        return self._bound(low), self._bound(high)

    def _bound(self, raw: str) -> T | None:
        return self.kind.read(self.name, raw) if raw else None

    def contribution(self, held: tuple[T | None, T | None]) -> Contribution:
        low, high = cast("tuple[float | str | None, float | str | None]", held)
        return None if held == (None, None) else Between(self.field or self.name, low, high)

    def parameters(self) -> tuple[ValueParameter, ...]:
        text = self.description or (
            f"The least and the greatest {self.field or self.name}, both inclusive, as a pair in this order; "
            "an empty value leaves its side open"
        )
        items = {"anyOf": [dict(self.kind.schema()), {"type": "string", "maxLength": 0}]}
        described = {"type": "array", "items": items, "minItems": 2, "maxItems": 2}
        least = self.kind.example
        most = max(10.0, self.kind.example) if isinstance(self.kind, NumberValue) else least
        return (parameter_of(self.kind, self.name, text, described=described, example=[least, most]),)


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

    def said_of(self, names: str) -> str:
        """Return what documents have in these fields, for the documentation."""
        return f"Words in {names}, typing errors forgiven"

    def parameters(self) -> tuple[ValueParameter, ...]:
        names = " or ".join(field for field, _ in self.fields) or self.name
        empty = "" if self.required else ". Empty: not given"
        text = self.description or f"{self.said_of(names)}; at most 16 words count{empty}"
        return (parameter_of(self.kind, self.name, text, required=self.required),)


class PrefixFilter(SearchFilter):
    """Words in one or more text fields, the last of which is still being typed; an empty text is no filter."""

    def contribution(self, held: str) -> Contribution:
        return Begins(self.fields or ((self.name, 1.0),), held) if held else None


class PhraseFilter(SearchFilter):
    """Words side by side in one text field, as they are; an empty text is no filter. The field keeps their order."""

    def __init__(
        self, field: str = "", *, required: bool = False, description: str = "", example: str = "star wars"
    ) -> None:
        super().__init__(
            *([field] if field else []), required=required, description=description, example=example
        )

    def said_of(self, names: str) -> str:
        return f"Words side by side in {names}, as they are"

    def contribution(self, held: str) -> Contribution:
        return Phrase(self.fields[0][0] if self.fields else self.name, held) if held else None


class FlagFilter(Declared[bool]):
    """`true` or `false`, not given: false. It says how the answer looks, and nothing of what is in it."""

    def __init__(self, *, description: str = "") -> None:
        self.kind = BooleanValue()
        self.description = description

    def read(self, given: Given) -> bool:
        raw = last(given, self.name)
        return raw is not None and self.kind.read(self.name, raw)

    def contribution(self, held: bool) -> Contribution:
        return None

    def parameters(self) -> tuple[ValueParameter, ...]:
        described = {**self.kind.schema(), "default": "false"}
        return (parameter_of(self.kind, self.name, self.description, described=described),)


class ExistsFilter(Declared[bool | None]):
    """`true`: the field has a value; `false`: it has none; not given: no filter."""

    def __init__(self, field: str = "", *, description: str = "") -> None:
        self.field = field
        self.kind = BooleanValue()
        self.description = description

    def read(self, given: Given) -> bool | None:
        raw = last(given, self.name)
        return None if raw is None else self.kind.read(self.name, raw)

    def contribution(self, held: bool | None) -> Contribution:
        there = Exists(self.field or self.name)
        return None if held is None else there if held else Not(there)

    def parameters(self) -> tuple[ValueParameter, ...]:
        text = self.description or f"Only with a {self.field or self.name}, or (`false`) only without"
        return (parameter_of(self.kind, self.name, text),)


class _Joined(Declared[dict[str, Any]]):
    """Several filters under names of their own, whose clauses become one."""

    def __init__(self, **filters: Declared[Any]) -> None:
        if not filters:
            raise ConfigError(f"{type(self).__name__}: there are no filters in it")
        for name, one in filters.items():
            one.__set_name__(type(self), name)
            take_annotation(one, type(self), name)
        self.filters = filters

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for one in self.filters.values() for name in one.names)

    def read(self, given: Given) -> dict[str, Any]:
        return read_all(self.filters, given)

    def clauses(self, held: dict[str, Any]) -> tuple[Clause, ...]:
        """Return what the filters that were given contribute; raises `ConfigError` for one that is no condition."""
        found = [one.contribution(held[name]) for name, one in self.filters.items()]
        if wrong := [one for one in found if one is not None and not isinstance(one, Clause)]:
            raise ConfigError(f"{self.name}: {type(wrong[0]).__name__} is no condition, and cannot be joined")
        return tuple(cast("Clause", one) for one in found if one is not None)

    def parameters(self) -> tuple[ValueParameter, ...]:
        return tuple(shown for one in self.filters.values() for shown in one.parameters())


class EitherFilter(_Joined):
    """Any of these filters lets a document through; those that are not given count for nothing.

    found = EitherFilter(title=SearchFilter(), isbn=Filter(kind=TextValue()))
    """

    def contribution(self, held: dict[str, Any]) -> Contribution:
        clauses = self.clauses(held)
        return Either(clauses) if clauses else None


class SameFilter(_Joined):
    """One and the same object of a list passes all of these filters, whose fields are the object's own.

    people = SameFilter("people", person=Filter("id"), role=Filter("role", kind=TextValue()))
    """

    def __init__(self, path: str, **filters: Declared[Any]) -> None:
        super().__init__(**filters)
        self.path = path

    def contribution(self, held: dict[str, Any]) -> Contribution:
        clauses = self.clauses(held)
        if wrong := [one for one in clauses if not isinstance(one, Term | AnyOf | Between)]:
            raise ConfigError(f"{self.name}: {type(wrong[0]).__name__} cannot be asked of one object")
        return Same(self.path, cast("tuple[Term | AnyOf | Between, ...]", clauses)) if clauses else None
