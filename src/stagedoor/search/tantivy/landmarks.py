"""Where ranks lie in a list of everything: what a page deep in it need not find out again.

The page before the 10,000th costs five times the first, for all that comes before is selected too. Of each column by
which everything was sorted that far, the value at every 500th rank is kept as long as the state is open, each with the
number of documents before that value. A page lies between two of them, and only what lies between is looked at.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, cast

import tantivy
from tantivy import FieldType, Query

from stagedoor.search.query import WINDOW

__all__ = ["Found", "Hit", "Landmarks", "Step", "found", "sorted_by"]

Hit: TypeAlias = tuple[Any, tantivy.DocAddress]

STRIDE: Final = 500
REACH: Final = WINDOW + STRIDE + 1  # pages are fetched with a few hits more
DEEP: Final = 2 * STRIDE  # before this rank it is not worth the trouble


@dataclass(frozen=True, slots=True)
class Step:
    """One column to sort by."""

    field: str
    kind: FieldType
    descending: bool = False
    large: bool = False  # many documents have the same value


@dataclass(frozen=True, slots=True)
class _Known:
    total: int
    ranks: list[int]  # of values, rising
    before: list[int]  # documents before these values
    values: list[int]


class Landmarks:
    """The landmarks of one open state."""

    __slots__ = ("_known", "_schema", "_searcher")

    def __init__(self, searcher: tantivy.Searcher, schema: tantivy.Schema) -> None:
        self._searcher = searcher
        self._schema = schema
        self._known: dict[str, _Known] = {}

    def page(self, step: Step, offset: int, limit: int) -> tuple[int, list[Hit]] | None:
        """Return how many documents there are and these of them, in the order of a step; None if that is not known."""
        if step.kind != FieldType.Unsigned:
            return None
        name = f"{step.field}{step.descending}"
        known = self._known.get(name)
        if known is None:
            if offset < DEEP:
                return None
            known = self._known[name] = self._learnt(step)
        first = bisect_right(known.before, offset) - 1
        last = bisect_left(known.ranks, offset + limit)
        if first < 0 or last == len(known.ranks):
            return None
        low, high = sorted((known.values[first], known.values[last]))
        between = Query.range_query(self._schema, step.field, step.kind, low, high)
        hits = sorted_by(self._searcher, between, step, offset - known.before[first], limit).hits
        return known.total, hits

    def _learnt(self, step: Step) -> _Known:
        seen = sorted_by(self._searcher, Query.all_query(), step, 0, REACH, count=True)
        values = [value for value, _ in seen.hits if value is not None]
        sign = -1 if step.descending else 1
        ranks = range(0, len(values), STRIDE)
        before = [bisect_left(values, sign * values[rank], key=lambda value: sign * value) for rank in ranks]
        return _Known(seen.count, list(ranks), before, [values[rank] for rank in ranks])


class Found(Protocol):
    """What a search finds; Tantivy's stubs do not know of the count."""

    count: int
    hits: list[Hit]


def found(result: tantivy.SearchResult) -> Found:
    """Return a result as what it is."""
    return cast("Found", result)


def sorted_by(
    searcher: tantivy.Searcher, query: Query, step: Step, offset: int, limit: int, *, count: bool = False
) -> Found:
    """Search in the order of one step."""
    order = tantivy.Order.Desc if step.descending else tantivy.Order.Asc
    return found(
        searcher.search(query, limit, count=count, order_by_field=step.field, offset=offset, order=order)
    )
