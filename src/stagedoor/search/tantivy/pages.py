"""The documents of one page in a total order, which Tantivy does not have: it sorts by one column, ties as it likes.

A sort key becomes one or more columns (steps), the last of which is unique. Hits are fetched by the first step, one
more at both ends than the page has. If the first or the last group of equal hits goes on beyond the page, the members
it has inside are found by asking for that group alone, by the remaining steps. So the members of a page cost a handful
of searches at worst, whatever the number of ties; their order among themselves is then a sort of what they hold.

Relevance is no column: there the hits are taken from the top, until the last group of equal scores is whole.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from operator import itemgetter
from typing import Any, Final, Protocol, TypeAlias, cast

import orjson
import tantivy
from tantivy import FieldType, Occur, Query, Searcher

from stagedoor.search.query import ID, Document, Order
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.fields import SOURCE

__all__ = ["Address", "Pages", "Step", "document_at", "steps_of"]

Address: TypeAlias = tantivy.DocAddress
Hit: TypeAlias = tuple[Any, Address]
_MARGIN: Final = 64  # hits beyond a page by relevance, in the hope that the last group ends there


@dataclass(frozen=True, slots=True)
class Step:
    """One column to sort by."""

    field: str
    kind: FieldType
    descending: bool = False


def steps_of(keys: Sequence[Order], index: Index) -> tuple[Step, ...]:
    """Return the columns for complete sort keys that fit the index."""
    first = keys[0]
    if len(keys) == 2 and index.is_number(first.field) and not keys[1].descending:
        packed = Step(first.field + ("-" if first.descending else "+"), FieldType.Unsigned)
        return packed, *_columns(keys[1], index)
    return tuple(step for key in keys for step in _columns(key, index))


def _columns(key: Order, index: Index) -> tuple[Step, ...]:
    if index.is_number(key.field):
        return (Step(key.field, FieldType.Float, key.descending),)
    first = Step(key.field + "#", FieldType.Unsigned, key.descending)
    if key.field == ID:
        return first, Step(ID + "##", FieldType.Unsigned, key.descending)
    return first, Step(key.field + "@", FieldType.Text, key.descending)


class Pages:
    """Finds pages in one state of one index; an instance is made for each search."""

    __slots__ = ("_query", "_schema", "_searcher", "total")

    def __init__(self, searcher: Searcher, schema: tantivy.Schema, query: Query) -> None:
        self._searcher = searcher
        self._schema = schema
        self._query = query
        self.total: int = 0  # matches in all, once a page was asked for

    def sorted(self, steps: Sequence[Step], offset: int, limit: int) -> list[Address]:
        """Return the documents that a page in this order has, in no order themselves."""
        return self._members(self._query, steps, offset, limit, first=True)

    def _members(
        self, query: Query, steps: Sequence[Step], offset: int, limit: int, *, first: bool = False
    ) -> list[Address]:
        step = steps[0]
        before = min(offset, 1)
        hits = self._by(query, step, offset - before, before + limit + 1, count=first)
        page = hits[before : before + limit]
        if len(steps) == 1 or not page:
            return [address for _, address in page]
        opened = before > 0 and hits[0][0] == page[0][0]
        unfinished = len(hits) > before + limit and hits[-1][0] == page[-1][0]
        inside = slice(_run(page) if opened else 0, len(page) - (_run(page[::-1]) if unfinished else 0))
        members = [address for _, address in page[inside]]
        if opened:
            group = page[0][0]
            skipped = offset - self._preceding(query, step, group, offset)
            members += self._members(self._only(query, step, group), steps[1:], skipped, inside.start)
        if unfinished and inside.stop >= inside.start:  # else the whole page is one group, and done
            group = page[-1][0]
            members += self._members(self._only(query, step, group), steps[1:], 0, len(page) - inside.stop)
        return members

    def _by(self, query: Query, step: Step, offset: int, limit: int, *, count: bool) -> list[Hit]:
        order = tantivy.Order.Desc if step.descending else tantivy.Order.Asc
        found = _found(
            self._searcher.search(
                query, limit, count=count, order_by_field=step.field, offset=offset, order=order
            )
        )
        if count:
            self.total = found.count
        return found.hits

    def _preceding(self, query: Query, step: Step, group: Any, most: int) -> int:  # noqa: ANN401 - a column's value
        """Count the documents before a group, at most `most`; those without a value come last in both directions."""
        if step.kind == FieldType.Text:  # which has no ranges
            hits = self._by(query, step, 0, most, count=False)
            return sum(1 for _ in takewhile(lambda hit: hit[0] != group, hits))
        if group is None:
            ahead = Query.exists_query(step.field)
        elif step.descending:
            ahead = Query.range_query(self._schema, step.field, step.kind, group, None, include_lower=False)
        else:
            ahead = Query.range_query(self._schema, step.field, step.kind, None, group, include_upper=False)
        return _found(self._searcher.search(_both(query, ahead), 1)).count

    def _only(self, query: Query, step: Step, group: Any) -> Query:  # noqa: ANN401 - a column's value
        if group is None:
            absent = (Occur.MustNot, Query.exists_query(step.field))
            return Query.boolean_query([(Occur.Must, query), absent])
        if step.kind == FieldType.Text:
            return _both(query, Query.term_query(self._schema, step.field, group, "basic"))
        return _both(query, Query.range_query(self._schema, step.field, step.kind, group, group))

    def ranked(self, offset: int, limit: int) -> list[Address]:
        """Return the documents of a page by relevance, equal scores by id, in this order."""
        wanted, size = offset + limit, offset + limit + _MARGIN
        while True:
            found = _found(self._searcher.search(self._query, size))
            self.total, hits = found.count, found.hits
            if len(hits) <= wanted or len(hits) == self.total or hits[-1][0] < hits[wanted - 1][0]:
                break
            size *= 4
        page = hits[offset:wanted]
        if not page:
            return []
        start = bisect_left(hits, -page[0][0], key=_falling)
        stop = bisect_right(hits, -page[-1][0], key=_falling)
        ranked = [
            address
            for _, group in groupby(hits[start:stop], key=itemgetter(0))
            for address in self._by_id(group)
        ]
        return ranked[offset - start : wanted - start]

    def _by_id(self, group: Iterable[Hit]) -> list[Address]:
        addresses = [address for _, address in group]
        if len(addresses) == 1:
            return addresses
        high, low = self._column(ID + "#", addresses), self._column(ID + "##", addresses)
        ids = [one << 64 | other for one, other in zip(high, low, strict=True)]
        return [addresses[place] for place in sorted(range(len(ids)), key=ids.__getitem__)]

    def _column(self, field: str, addresses: list[Address]) -> list[int]:
        return cast("list[int]", self._searcher.fast_field_values(field, addresses))


class _Found(Protocol):
    """What a search finds; Tantivy's stubs do not know of the count."""

    count: int
    hits: list[Hit]


def _found(result: tantivy.SearchResult) -> _Found:
    return cast("_Found", result)


def document_at(searcher: Searcher, address: Address) -> Document:
    """Return the document at an address of the same searcher."""
    document: Document = orjson.loads(searcher.doc(address)[SOURCE][0])
    return document


def _falling(hit: Hit) -> float:
    return -float(hit[0])


def _run(hits: Sequence[Hit]) -> int:
    """Return how many hits from the start have the key of the first."""
    key = hits[0][0]
    return sum(1 for _ in takewhile(lambda hit: hit[0] == key, hits))


def _both(query: Query, other: Query) -> Query:
    return Query.boolean_query([(Occur.Must, query), (Occur.Must, other)])
