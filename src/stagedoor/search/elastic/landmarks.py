"""Deep pages of everything, by landmarks: known keys with their ranks, between which a page lies.

For the page at 9,000 a node keeps a heap of 9,050 documents, which costs ten times what the page itself does. It need
not if the page is known to lie between two keys: then only those documents are looked at that lie there too.

A landmark is a key and its rank: how many documents are before it. Ranks are learnt from the pages that are answered,
one in each stretch of 500, and they are no more than a guess, for an index changes: every question that relies on one
also counts the documents before it, which a node does without looking at them. A guess that was wrong is put right,
and the page asked for again; pages that no two landmarks enclose closely are asked for as they are.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from stagedoor._value import value
from stagedoor.search.query import WINDOW

__all__ = ["STRETCH", "Landmark", "Landmarks", "Road", "Window"]

STRETCH: Final = 500  # so that the 10,000th begins one
_WIDEST: Final = 4  # stretches
_ENDS: Final = ((1 << 63) - 1, -1 << 63)  # what a node says for a missing key

Body = dict[str, Any]


@value()
class Road:
    """One order of all documents of an index: the number that it begins with, and its direction."""

    index: str
    field: str
    descending: bool

    def between(self, low: int | None, high: int | None) -> Body:
        """Ask for the documents from one key on, up to and with another."""
        since, until = ("lte", "gte") if self.descending else ("gte", "lte")
        bounds = {since: low, until: high}
        return {"range": {self.field: {name: key for name, key in bounds.items() if key is not None}}}

    def before(self, key: int) -> Body:
        """Ask for the documents before a key."""
        return {"range": {self.field: {"gt" if self.descending else "lt": key}}}


@value()
class Landmark:
    """A key, and how many documents are before it, as far as is known."""

    key: int
    rank: int


@value()
class Window:
    """A stretch of a road, from its begin or a landmark on up to another, or to its end."""

    road: Road
    low: Landmark | None
    high: Landmark | None

    @property
    def start(self) -> int:
        """Return how many documents are before it."""
        return self.low.rank if self.low else 0

    def narrowed(self, body: Body) -> Body:
        """Return a question for a page of everything as one for the same page of this stretch."""
        inside = self.road.between(_key(self.low), _key(self.high))
        return {**body, "query": {"bool": {"filter": [inside]}}, "from": body["from"] - self.start}

    @property
    def before(self) -> Body | None:
        """Ask how many documents are before it; None where it is the begin."""
        if self.low is None:
            return None
        return {
            "query": {"bool": {"filter": [self.road.before(self.low.key)]}},
            "size": 0,
            "track_total_hits": True,
        }


class Landmarks:
    """What is known of each road: at most one landmark in each stretch of so many documents."""

    def __init__(self, stretch: int = STRETCH) -> None:
        self._stretch = stretch
        self._known: dict[Road, dict[int, Landmark]] = {}

    def window(self, road: Road, first: int, behind: int) -> Window | None:
        """Return a narrow stretch that holds the documents from one rank to before another, if one is known."""
        marks = self._known.get(road, {}).values()
        low = max((mark for mark in marks if mark.rank <= first), key=lambda mark: mark.rank, default=None)
        high = min(
            (mark for mark in marks if mark.rank >= behind - 1), key=lambda mark: mark.rank, default=None
        )
        if high is None and (low is None or behind <= WINDOW):  # no rank behind the last page is ever learnt
            return None
        end = high.rank if high else behind
        if end - (low.rank if low else 0) > _WIDEST * self._stretch:
            return None
        return Window(road, low, high)

    def learn(self, road: Road, start: int, keys: Sequence[Sequence[Any]]) -> None:
        """Note the outermost keys in a run of neighbours, the first at this rank, whose own ranks they show."""
        firsts = [key[0] for key in keys if key]
        shown = [
            Landmark(key, rank)
            for rank, (before, key) in enumerate(pairwise(firsts), start + 1)
            if key != before and key not in _ENDS
        ]
        for mark in (*shown[:1], *shown[-1:]):
            self._known.setdefault(road, {})[mark.rank // self._stretch] = mark

    def correct(self, window: Window, before: int) -> bool:
        """Put the rank of a window's begin right; tell whether it was."""
        if window.low is None or window.low.rank == before:
            return True
        self._forget(window.road, window.low)
        self._known[window.road][before // self._stretch] = Landmark(window.low.key, before)
        return False

    def mistrust(self, window: Window) -> None:
        """Forget the end of a window that had too few documents."""
        if window.high is not None:
            self._forget(window.road, window.high)

    def _forget(self, road: Road, mark: Landmark) -> None:
        known = self._known.get(road, {})
        if known.get(mark.rank // self._stretch) == mark:
            del known[mark.rank // self._stretch]


def _key(mark: Landmark | None) -> int | None:
    return None if mark is None else mark.key
