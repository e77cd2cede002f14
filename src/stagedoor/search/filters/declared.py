"""What every filter is: a class attribute that reads parameters, says what they contribute, and documents itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar, cast, overload

from stagedoor._parameters import InputFault, Invalid
from stagedoor._value import value
from stagedoor.errors import ConfigError
from stagedoor.search.query import Clause, Order
from stagedoor.search.values import ValueParameter, fault

__all__ = ["Contribution", "Declared", "Facets", "Given", "Window", "last", "pair", "read_all"]

T = TypeVar("T")
Given: TypeAlias = Mapping[str, Sequence[str]]


@value()
class Window:
    """Which of the results are asked for."""

    offset: int = 0
    limit: int = 10


@value()
class Facets:
    """Which keywords are counted."""

    fields: tuple[str, ...] = ()


Contribution: TypeAlias = Clause | Window | Facets | tuple[Order, ...] | None


class Holds(Protocol):
    """An object of a class of filters: it holds their values by name."""

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the values."""
        ...


class Declared(Generic[T]):
    """One filter of a set: a class attribute that is the filter on the class, and its value on a set."""

    name: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        if self.name not in ("", name):
            raise ConfigError(
                f"{owner.__name__}.{name}: this filter is {self.name!r} already; declare another"
            )
        self.name = name

    @property
    def bound(self) -> str:
        """Return what its window must keep to, in words that name the parameters; "" if it has none."""
        return ""

    @property
    def names(self) -> tuple[str, ...]:
        """Return what it is called in a query string."""
        return (self.name,)

    @overload
    def __get__(self, filters: None, owner: type) -> Self: ...
    @overload
    def __get__(self, filters: Holds, owner: type) -> T: ...
    def __get__(self, filters: Holds | None, owner: type) -> Self | T:
        if filters is None:
            return self
        return cast("T", filters.values[self.name])

    def read(self, given: Given) -> T:
        """Return the value that the given parameters mean, or the default; raises `Invalid`."""
        raise NotImplementedError

    def contribution(self, held: T) -> Contribution:
        """Return what a value adds to the query."""
        raise NotImplementedError

    def trials(self) -> Iterator[Contribution]:
        """Yield what it adds to a query where its examples are given: what an index has to be able to answer."""
        yield self.contribution(self.read({shown.name: shown.texts for shown in self.parameters()}))

    def parameters(self) -> tuple[ValueParameter, ...]:
        """Return how the documentation shows it."""
        raise NotImplementedError


def read_all(filters: Mapping[str, Declared[Any]], given: Given) -> dict[str, Any]:
    """Return the values of several filters; raises `Invalid` with every fault there is."""
    values: dict[str, Any] = {}
    faults: list[InputFault] = []
    for name, one in filters.items():
        try:
            values[name] = one.read(given)
        except Invalid as invalid:
            faults += invalid.faults
    if faults:
        raise Invalid(*faults)
    return values


def last(given: Given, name: str, *, required: bool = False) -> str | None:
    """Return the value of a parameter that has one: the last one given wins. Raises `Invalid` if it must be given."""
    raws = given.get(name)
    if not raws and required:
        raise fault(name, "must be given", "missing")
    return raws[-1] if raws else None


def pair(name: str, raws: Sequence[str], meaning: str) -> tuple[str, str]:
    """Return the two values of a pair; raises `Invalid` for another number of them."""
    if len(raws) != 2:
        raise fault(name, f"must be given twice: {meaning}", "pair")
    return raws[0], raws[1]
