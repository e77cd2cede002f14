"""Filter sets: one declaration gives parsing, validation, documentation and the query.

    class Films(FilterSet, index="movies", default=("-imdb_rating",)):
        ids = InFilter("id")
        title = SearchFilter()
        imdb_rating = RangeFilter()
        pagination = LimitOffsetFilter(max_limit=100)
        order = OrderingFilter("id", "imdb_rating", "title")

    films = Films.parse(b"title=star&imdb_rating=7&imdb_rating=&order=-imdb_rating")
    films.title                 # "star"
    films.to_query()            # a Query, for any engine

A filter reads its parameters into a value and says what the value contributes: a clause, sort keys or a window. A set
is its values and nothing else; it is not changed after it was made. Unknown parameters contribute nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self
from urllib.parse import unquote_to_bytes

from stagedoor._parameters import BeyondWindow, InputFault, Invalid
from stagedoor.errors import ConfigError
from stagedoor.search.engine import key_of
from stagedoor.search.filters.annotated import take_annotation
from stagedoor.search.filters.declared import Declared, Facets, Window, read_all
from stagedoor.search.filters.fitting import default_of, validate_apart, validate_fit
from stagedoor.search.query import WINDOW, All, Clause, Order, Query, texts_of
from stagedoor.search.schema import Index
from stagedoor.search.values import ValueParameter

__all__ = ["FilterSet", "given_by"]


class FilterSet:
    """Filters of one index, declared as class attributes; inherited ones are kept unless declared anew.

    `index` is the index, or its name; given the index itself, a class that does not fit it is refused, not each of its
    questions. `default` is the order where none is asked for and no text ranks, as in "-imdb_rating".
    A set is made by `parse`, or by name inside a program: `Films(title="star")`; names of no filter contribute
    nothing.
    """

    declared: ClassVar[Mapping[str, Declared[Any]]] = {}
    index: ClassVar[str] = ""
    default: ClassVar[tuple[Order, ...]] = ()
    known: ClassVar[frozenset[str]] = frozenset()  # the names it reads in a query string
    _whole: ClassVar[Index | None] = None  # the index itself, if it is known
    bound: ClassVar[str] = ""  # what its window must keep to, in words

    __slots__ = ("_query", "values")

    def __init_subclass__(cls, *, index: str | Index = "", default: Sequence[str] = ()) -> None:
        super().__init_subclass__()
        own = {name: one for name, one in vars(cls).items() if isinstance(one, Declared)}
        for name, one in own.items():
            take_annotation(one, cls, name)
            if hasattr(FilterSet, name):
                raise ConfigError(
                    f"{cls.__name__}.{name}: filter sets have a meaning of their own for this name"
                )
        inherited: dict[str, Declared[Any]] = {}
        for base in reversed(cls.__mro__[1:]):
            inherited |= vars(base).get("declared", {})
        kept = {name: one for name, one in inherited.items() if name not in vars(cls)}
        cls.declared = kept | own
        cls.bound = "".join(one.bound for one in cls.declared.values())
        cls.known = frozenset(name for one in cls.declared.values() for name in one.names)
        cls.default = default_of(cls.__name__, default) or cls.default
        validate_apart(cls.__name__, cls.declared)
        cls._take_index(index)

    @classmethod
    def _take_index(cls, index: str | Index) -> None:
        """Note the index, and raise `ConfigError` if it is known and cannot answer these filters."""
        if isinstance(index, Index):
            cls._whole, cls.index = index, index.name
        elif index and index != cls.index:
            cls._whole, cls.index = None, index
        if cls._whole is not None:
            validate_fit(cls.__name__, cls.declared, cls.default, cls._whole)

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - each filter's value has a type of its own
        self.values: Mapping[str, Any] = {
            name: values[name] if name in values else one.read({}) for name, one in self.declared.items()
        }
        self._query: Query | None = None  # of these values alone, once it was asked for

    @classmethod
    def parse(cls, query: bytes) -> Self:
        """Return the set that a raw query string means.

        Raises `Invalid` with every fault there is, or `BeyondWindow` if nothing else is wrong.
        """
        given, names = given_by(query)
        unreadable = [
            InputFault(("query", name), "must be UTF-8, percent-encoded", "encoding")
            for name in dict.fromkeys(names)  # once, however often it is given
            if name in cls.known
        ]
        try:
            values = read_all(cls.declared, given)
        except Invalid as invalid:
            raise Invalid(*unreadable, *invalid.faults) from None
        if unreadable:
            raise Invalid(*unreadable)
        parsed = cls(**values)
        parsed.to_query()
        return parsed

    def to_query(self, *also: Clause, fields: tuple[str, ...] = ()) -> Query:
        """Return the query of these values, with clauses of the caller's own; raises `BeyondWindow`."""
        if also or fields:
            return self._made(also, fields)
        if self._query is None:
            self._query = self._made((), ())
        return self._query

    def _made(self, also: Sequence[Clause], fields: tuple[str, ...]) -> Query:
        clauses, order, window = [*also], self.default, Window()
        asked: tuple[Order, ...] = ()
        facets: tuple[str, ...] = ()
        for name, one in self.declared.items():
            match one.contribution(self.values[name]):
                case None:
                    pass
                case Window() as said:
                    window = said
                case Facets() as said:
                    facets += said.fields
                case tuple() as keys:
                    asked += keys
                case clause:
                    clauses.append(clause)
        if window.offset + window.limit > WINDOW:
            raise BeyondWindow(self.bound)
        clause = clauses[0] if len(clauses) == 1 else All(tuple(clauses))
        return Query(
            index=self.index,
            clause=clause,
            order=asked or (() if texts_of(clause) else order),
            offset=window.offset,
            limit=window.limit,
            fields=fields,
            facets=facets,
        )

    @property
    def key(self) -> bytes:
        """Return bytes that are equal only for sets that ask the same: defaults are filled in, order is kept."""
        return key_of(self.to_query())

    @classmethod
    def parameters(cls) -> tuple[ValueParameter, ...]:
        """Return the parameters for the documentation, in order of declaration."""
        return tuple(shown for one in cls.declared.values() for shown in one.parameters())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FilterSet) and type(other) is type(self) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={held!r}' for name, held in self.values.items())})"


def given_by(query: bytes) -> tuple[dict[str, list[str]], list[str]]:
    """Return the values of a raw query string by name, in order, and the names of those that are not UTF-8.

    Names that are not UTF-8 are no filter's name and left out.
    """
    given: dict[str, list[str]] = {}
    unreadable = []
    for part in query.split(b"&"):
        raw_name, _, raw = part.partition(b"=")
        try:
            name = _decoded(raw_name)
        except UnicodeDecodeError:
            continue
        try:
            text = _decoded(raw)
        except UnicodeDecodeError:
            unreadable.append(name)
            continue
        if part:
            given.setdefault(name, []).append(text)
    return given, unreadable


def _decoded(raw: bytes) -> str:
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
