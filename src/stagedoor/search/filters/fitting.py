"""Whether a set of filters is one: told when the program starts, not when the first request comes.

Every filter says what it adds to a query where its own examples are given (`trials`). An index that is to answer these
has their fields, of their kind: a date that is asked for as a UUID is found too.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from stagedoor._parameters import Invalid
from stagedoor.errors import ConfigError
from stagedoor.search.filters.declared import Contribution, Declared, Facets, Window
from stagedoor.search.filters.fields import EitherFilter, SameFilter
from stagedoor.search.filters.pages import LimitFilter, LimitOffsetFilter, PageNumberFilter
from stagedoor.search.query import Order, Query
from stagedoor.search.schema import Index
from stagedoor.search.validation import validate_query

__all__ = ["default_of", "validate_apart", "validate_fit"]

_Filters: TypeAlias = Mapping[str, Declared[Any]]
_PAGES: Final = (LimitFilter, LimitOffsetFilter, PageNumberFilter)


def default_of(owner: str, keys: Sequence[Any]) -> tuple[Order, ...]:
    """Return a default order, as in ("-stars", "title"); raises `ConfigError`."""
    if isinstance(keys, str):
        raise ConfigError(f"{owner}: the default order is to be a tuple of keys, as in ({keys!r},)")
    for key in keys:
        if not isinstance(key, str) or not key.removeprefix("-") or key.startswith("--"):
            raise ConfigError(
                f"{owner}: {key!r} in the default order is no name of a field, with or without a minus"
            )
    return tuple(Order(key.removeprefix("-"), key.startswith("-")) for key in keys)


def validate_apart(owner: str, filters: _Filters) -> None:
    """Raise `ConfigError` for filters that read the same parameter, ask for two pages, or join what is no condition."""
    names = Counter(name for one in filters.values() for name in one.names)
    if twice := [name for name, times in names.items() if times > 1]:
        raise ConfigError(
            f"{owner}: {twice[0]!r} is read by {names[twice[0]]} filters; one of them needs another name"
        )
    pages = [name for name, one in filters.items() if isinstance(one, _PAGES)]
    if len(pages) > 1:
        raise ConfigError(f"{owner}: {' and '.join(pages)} both say which page is asked for")
    for name, one in filters.items():
        if isinstance(one, EitherFilter | SameFilter):
            _tried(f"{owner}.{name}", one)


def _tried(where: str, one: Declared[Any]) -> Sequence[Contribution]:
    try:
        return [*one.trials()]
    except Invalid as invalid:
        raise ConfigError(f"{where}: its own example is refused: {invalid}") from invalid


def validate_fit(owner: str, filters: _Filters, default: Sequence[Order], index: Index) -> None:
    """Raise `ConfigError`, with all that is wrong, for filters and a default order that an index cannot answer."""
    faults = [
        f"{name}: {fault}"
        for name, one in filters.items()
        for tried in _tried(f"{owner}.{name}", one)
        for fault in _faults(_queries(tried, index.name), index)
    ]
    faults += [
        f"the default order: {fault}" for fault in _faults(_queries(tuple(default), index.name), index)
    ]
    if faults:
        raise ConfigError(f"{owner}: {'; '.join(faults)}")


def _queries(tried: Contribution, index: str) -> Iterator[Query]:
    """Yield what is to be answered, one by one, so that each fault is found."""
    match tried:
        case None | Window():
            pass
        case Facets():
            yield from (Query(index=index, facets=(name,)) for name in tried.fields)
        case tuple():
            yield from (
                Query(index=index, order=(key,)) for key in {key.field: key for key in tried}.values()
            )
        case clause:
            yield Query(index=index, clause=clause)


def _faults(queries: Iterator[Query], index: Index) -> Iterator[str]:
    for query in queries:
        try:
            validate_query(query, index)
        except ValueError as error:
            yield str(error)
