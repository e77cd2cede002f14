"""Whether a query fits an index: asked before any engine is, so that all refuse the same."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never

from stagedoor.search.compared import bounds_of, comparable, values_in
from stagedoor.search.leaves import Boolean, Date, Integer, Keyword, Leaf, Number, Text
from stagedoor.search.query import (
    All,
    AnyOf,
    Begins,
    Between,
    Clause,
    Either,
    Exists,
    Match,
    Not,
    Phrase,
    Query,
    Same,
    Term,
    texts_in,
)
from stagedoor.search.schema import Index

__all__ = ["known", "validate_query"]

_COUNTED: Final = (Number, Integer, Date)
_COMPARED: Final = (Keyword, *_COUNTED, Boolean)


def validate_query(query: Query, index: Index) -> None:
    """Raise `ValueError` for a query that names a field the index does not have in this sense, or a value it cannot."""
    for field, kinds in _named(query.clause):
        if not isinstance(index.paths.get(field), kinds):
            kind = " or ".join(kind.__name__.lower() for kind in kinds)
            raise ValueError(f"index {index.name!r} has no {kind} {field!r}")  # noqa: TRY004 - of the query
    for said in _said_of(query.clause):
        _validate_said(said, index)
    for match in texts_in(query.clause):
        if not match.fields:
            raise ValueError(f"index {index.name!r}: {match.text!r} is asked of no field")
        index.places_of(field for field, _ in match.fields)
        _validate_text(match.text)
    _validate_counted_and_sorted(query, index)


def known(query: Query, indices: Mapping[str, Index]) -> Index:
    """Return the index that a query asks; raises `ValueError` for one that nobody has declared."""
    index = indices.get(query.index)
    if index is None:
        raise ValueError(f"there is no index {query.index!r} among {', '.join(indices)}")
    return index


def _validate_counted_and_sorted(query: Query, index: Index) -> None:
    for facet in query.facets:
        if not index.is_facet(facet):
            raise ValueError(f"index {index.name!r} does not count {facet!r}")
    for key in query.order:
        if not index.is_sortable(key.field):
            raise ValueError(f"index {index.name!r} cannot be sorted by {key.field!r}")


def _named(clause: Clause) -> Iterator[tuple[str, tuple[type[Leaf], ...]]]:
    match clause:
        case All() | Either():
            for part in clause.clauses:
                yield from _named(part)
        case Not():
            yield from _named(clause.clause)
        case Term() | AnyOf():
            yield clause.field, _COMPARED
        case Between():
            yield clause.field, _COUNTED
        case Exists() | Same() | Phrase():
            pass
        case Match() | Begins():
            yield from ((field, (Text,)) for field, _ in clause.fields)
        case _:
            assert_never(clause)


_Said: TypeAlias = Term | AnyOf | Between | Exists | Same | Phrase


def _said_of(clause: Clause) -> Iterator[_Said]:
    match clause:
        case All() | Either():
            for part in clause.clauses:
                yield from _said_of(part)
        case Not():
            yield from _said_of(clause.clause)
        case Match() | Begins():
            pass
        case _:
            yield clause


def _validate_said(said: _Said, index: Index) -> None:
    """Raise for what is said of a field that there is not, with values it cannot have, or of objects not asked for."""
    match said:
        case Exists():
            if not (index.exists and said.field in index.names):
                raise ValueError(f"index {index.name!r} cannot tell whether there is {said.field!r}")
        case Phrase():
            if said.field not in index.phrases:
                raise ValueError(
                    f"index {index.name!r} does not keep the order of the words of {said.field!r}"
                )
            _validate_text(said.text)
        case Same():
            _validate_same(said, index)
        case _:
            _validate_values(said, index)


def _validate_same(said: Same, index: Index) -> None:
    inner = index.objects.get(said.path)
    if inner is None:
        raise ValueError(f"index {index.name!r} has no objects {said.path!r} to ask")
    for clause in said.clauses:
        if not isinstance(clause, Term | AnyOf | Between):
            raise ValueError(f"{type(clause).__name__} cannot be asked of one object of {said.path!r}")  # noqa: TRY004
        wanted = _COUNTED if isinstance(clause, Between) else _COMPARED
        if not isinstance(inner.paths.get(clause.field), wanted):
            raise ValueError(f"{said.path!r} has no {clause.field!r} to ask")  # noqa: TRY004 - of the query
        _validate_values(clause, inner)


def _validate_values(said: Term | AnyOf | Between, index: Index) -> None:
    """Raise for values that the field cannot have: what an engine says of them says nothing of whose fault it is."""
    leaf = index.paths[said.field]
    try:
        if isinstance(said, Between):
            bounds_of(index, said.field, said.low, said.high)
        elif isinstance(leaf, Keyword):
            _validate_texts(values_in(said))
        else:
            for value in values_in(said):
                comparable(leaf, value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"index {index.name!r}, {said.field!r}: {error}") from error


def _validate_texts(values: Sequence[Any]) -> None:
    try:
        _validate_text("".join(values))
    except TypeError:
        strange = next(value for value in values if not isinstance(value, str))
        raise TypeError(f"{strange!r} is no text") from None


def _validate_text(text: str) -> None:
    text.encode()  # raises for half of a pair, which no engine takes
