"""The documents of one page in a total order, which Tantivy does not have: it sorts by one column, ties as it likes.

A sort key becomes one or more columns (steps), the last of which is unique. Hits are fetched by the first step, some
more at both ends than the page has. A group of equal hits that reaches over an end of the page, and is seen whole, is
ordered here, by the values of the remaining steps. One that goes on beyond what was fetched is asked for by itself, by
the remaining steps. So the members of a page cost one search, or a handful at worst, whatever the number of ties;
their order among themselves is then a sort of what they hold.

Relevance is no column: there what is fetched is widened until the groups of equal scores at both ends are whole. The
scores are weighted so that equal ones differ a little by what comes first (see `fields`), and these groups are small.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Any, Final

import tantivy
from tantivy import FieldType, Occur, Query, Searcher

from stagedoor.search.query import ID, Order
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.fields import EARLY, PRIOR
from stagedoor.search.tantivy.landmarks import Hit, Landmarks, Step, found, sorted_by
from stagedoor.search.tantivy.mapped import Address, Stored

__all__ = ["Pages", "steps_of"]

_BEYOND: Final = 256  # hits fetched beyond both ends of a page, in the hope that groups end there
_WIDER: Final = 16  # times as many, if they do not
_DEEPER: Final = (
    4  # of so many hits before a page by relevance one more: to score them again costs far more than these
)
_FEW: Final = 1_024  # members of a group that are ordered here rather than by a search


def steps_of(keys: Sequence[Order], index: Index) -> tuple[Step, ...]:
    """Return the columns for complete sort keys that fit the index."""
    first = keys[0]
    if len(keys) == 2 and index.is_number(first.field) and not keys[1].descending:
        packed = Step(first.field + ("-" if first.descending else "+"), FieldType.Unsigned)
        return packed, *_columns(keys[1], index)
    return tuple(step for key in keys for step in _columns(key, index))


def _columns(key: Order, index: Index) -> tuple[Step, ...]:
    if index.is_number(key.field) or index.is_whole(key.field):
        return (Step(key.field, FieldType.Unsigned, key.descending, large=True),)
    halves = tuple(Step(key.field + sign, FieldType.Unsigned, key.descending) for sign in ("#", "##"))
    return halves if key.field == ID else (*halves, Step(key.field + "@", FieldType.Text, key.descending))


_TIES: Final = (
    Step(PRIOR, FieldType.Unsigned),
    *(Step(ID + sign, FieldType.Unsigned) for sign in ("#", "##")),
)


class Pages:
    """Finds pages in one state of one index; an instance is made for each search."""

    __slots__ = ("_landmarks", "_query", "_schema", "_searcher", "_stored", "total")

    def __init__(
        self,
        searcher: Searcher,
        stored: Stored,
        schema: tantivy.Schema,
        query: Query,
        landmarks: Landmarks | None = None,
    ) -> None:
        """Find pages of what a query matches; `landmarks` if that is everything."""
        self._searcher = searcher
        self._stored = stored
        self._schema = schema
        self._query = query
        self._landmarks = landmarks
        self.total: int = 0  # matches in all, once a page was asked for

    def sorted(self, steps: Sequence[Step], offset: int, limit: int) -> list[Address]:
        """Return the documents that a page in this order has, in no order themselves."""
        return self._members(self._query, steps, offset, limit, first=True)

    def _members(
        self, query: Query, steps: Sequence[Step], offset: int, limit: int, *, first: bool = False
    ) -> list[Address]:
        step = steps[0]
        # Of a text the engine has to look up each one it passes: no more than is needed to see where groups end.
        beyond = 0 if len(steps) == 1 else 1 if step.kind == FieldType.Text else _BEYOND
        # Of the largest groups, reading all hits before a page costs less than a search that counts them.
        before = offset if step.large else min(offset, beyond)
        asked = before + limit + beyond
        seen = Seen(self._by(query, step, offset - before, asked, count=first), before, limit, offset, asked)
        if len(steps) == 1 or not seen.page:
            return [address for _, address in seen.page]
        left, right = seen.left(), seen.right()
        if left.start == right.start:
            return self._part(query, steps, left, offset, len(seen.page))
        members = [address for _, address in seen.hits[left.stop : right.start]]
        members += self._part(query, steps, left, offset, left.stop - before)
        members += self._part(
            query, steps, right, offset - before + right.start, before + len(seen.page) - right.start
        )
        return members

    def _part(
        self, query: Query, steps: Sequence[Step], group: "Group", offset: int, count: int
    ) -> list[Address]:
        """Return so many members of a group of equal hits, from a place on in the whole order."""
        step, others = steps[0], steps[1:]
        if others[0].kind == FieldType.Text and not (group.key or 0) & 0xFF:  # a text of less than 16 bytes
            others = others[1:]
        if group.whole:
            skipped = offset - group.offset
            if not skipped and count == len(group.addresses):
                return group.addresses
            return self._in_order(group.addresses, others)[skipped : skipped + count]
        skipped = offset - (group.offset if group.begins else self._preceding(query, step, group.key, offset))
        return self._members(self._only(query, step, group.key), others, skipped, count)

    def _in_order(self, addresses: list[Address], steps: Sequence[Step]) -> list[Address]:
        """Return a few documents in the order of these steps."""
        if len(addresses) < 2 or not steps:
            return addresses
        step, *others = steps
        held = list(zip(self._values(step, addresses), addresses, strict=True))
        present = sorted((one for one in held if one[0] is not None), key=_key, reverse=step.descending)
        absent = [one for one in held if one[0] is None]
        ordered: list[Address] = []
        for _, group in groupby([*present, *absent], key=_key):
            ordered += self._in_order([address for _, address in group], others)
        return ordered

    def _values(self, step: Step, addresses: list[Address]) -> Sequence[Any]:
        if step.kind == FieldType.Text:
            return [document[step.field[:-1]] for document in self._stored.at(addresses)]
        return self._searcher.fast_field_values(step.field, addresses)

    def _by(self, query: Query, step: Step, offset: int, limit: int, *, count: bool) -> list[Hit]:
        if count and self._landmarks is not None and (known := self._landmarks.page(step, offset, limit)):
            self.total, hits = known
            return hits
        seen = sorted_by(self._searcher, query, step, offset, limit, count=count)
        if count:
            self.total = seen.count
        return seen.hits

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
        return found(self._searcher.search(_both(query, ahead), 1)).count

    def _only(self, query: Query, step: Step, group: Any) -> Query:  # noqa: ANN401 - a column's value
        if group is None:
            absent = (Occur.MustNot, Query.exists_query(step.field))
            return Query.boolean_query([(Occur.Must, query), absent])
        if step.kind == FieldType.Text:
            return _both(query, Query.term_query(self._schema, step.field, group, "basic"))
        return _both(query, Query.range_query(self._schema, step.field, step.kind, group, group))

    def ranked(self, offset: int, limit: int) -> list[Address]:
        """Return the documents of a page by relevance, equal scores by their prior, then by id, in this order."""
        beyond = _BEYOND + offset // _DEEPER
        before = min(offset, beyond)
        while True:
            asked = before + limit + beyond
            result = found(
                self._searcher.search(self._query, asked, offset=offset - before, weight_by_field=EARLY)
            )
            self.total = result.count
            seen = Seen(result.hits, before, limit, offset, asked)
            if not seen.page:
                return []
            left, right = seen.left(), seen.right()
            if left.begins and right.ends:
                break
            before = before if left.begins else min(offset, before * _WIDER)
            beyond = beyond if right.ends else beyond * _WIDER
        ranked = [
            address
            for _, group in groupby(seen.hits[left.start : right.stop], key=_key)
            for address in self._in_order([address for _, address in group], _TIES)
        ]
        return ranked[before - left.start :][: len(seen.page)]


@dataclass(slots=True)
class Group:
    """Hits with one key, as far as they were fetched: where they are among these, and what is known of the rest."""

    key: Any
    start: int
    stop: int
    offset: int  # of the first, in the whole order
    begins: bool  # none of it comes before
    ends: bool  # none comes after
    addresses: list[Address]

    @property
    def whole(self) -> bool:
        """Tell whether all of it was fetched, and is little enough to be ordered here."""
        return self.begins and self.ends and len(self.addresses) <= _FEW


class Seen:
    """What was fetched round a page: `before` hits in front of it, which begins at `offset`; `asked` in all."""

    __slots__ = ("_first", "_full", "before", "hits", "page")

    def __init__(self, hits: list[Hit], before: int, limit: int, offset: int, asked: int) -> None:
        self.hits = hits
        self.before = before
        self.page = hits[before : before + limit]
        self._first = offset - before
        self._full = len(hits) == asked

    def left(self) -> Group:
        """Return the group that the page begins with."""
        return self._round(self.before)

    def right(self) -> Group:
        """Return the group that the page ends with."""
        return self._round(self.before + len(self.page) - 1)

    def _round(self, place: int) -> Group:
        hits, key = self.hits, self.hits[place][0]
        start = stop = place
        while start and hits[start - 1][0] == key:
            start -= 1
        while stop < len(hits) and hits[stop][0] == key:
            stop += 1
        begins = start > 0 or self._first == 0
        ends = stop < len(hits) or not self._full
        addresses = [address for _, address in hits[start:stop]]
        return Group(key, start, stop, self._first + start, begins, ends, addresses)


def _key(hit: Hit) -> Any:  # noqa: ANN401 - a column's value
    return hit[0]


def _both(query: Query, other: Query) -> Query:
    return Query.boolean_query([(Occur.Must, query), (Occur.Must, other)])
