"""Values as whole numbers that order as they do: what engines sort by, because they compare nothing faster.

A number is its `rank`. Where many documents have the same one, the first bits of their ids stand behind it, in one key
(`packed`). A text is its first bytes, eight a number. Such keys are coarse: where two are equal, the values decide.
Which of equally relevant documents comes first is a number too (`prior_of`).
"""

import struct
from collections.abc import Callable
from functools import lru_cache
from math import inf
from typing import Final

from stagedoor.search.leaves import Higher, More, Shorter
from stagedoor.search.query import Document
from stagedoor.search.schema import Index, single

__all__ = ["LEVELS", "packed", "prior_of", "rank", "text_keys"]

LEVELS: Final = 500  # of a prior, if it is told coarsely
_SHORT: Final = 99  # signs of a text, beyond which all are equally long to that
_STEPS: Final = LEVELS // (_SHORT + 1)

_NULL: Final = 0xFFFFFFFF
_BITS: Final = struct.Struct(">f"), struct.Struct(">I")


@lru_cache(4_096)
def rank(number: float) -> int:
    """Return the bits of a number in single precision, turned so that they order as numbers do: below 2^32 - 1.

    Raises `ValueError` for what is no number, or without end: JSON has no word for it, and answers would say null.
    """
    if not -inf < number < inf:
        raise ValueError(f"{number} is not finite")
    bits: int = _BITS[1].unpack(_BITS[0].pack(single(number) + 0.0))[0]  # + 0.0: minus zero is zero
    return bits ^ _NULL if bits >> 31 else bits | 0x80000000


def packed(place: int | None, behind: int) -> tuple[int, int]:
    """Return a rank with 32 bits behind it, as keys to read upwards: for ascending and descending order, null last."""
    if place is None:
        return _NULL << 32 | behind, _NULL << 32 | behind
    return place << 32 | behind, (place ^ _NULL) << 32 | behind


def text_keys(text: str, numbers: int) -> tuple[int, ...]:
    """Return the first bytes of a text as so many numbers of 64 bits: UTF-8 orders by code point."""
    raw = str.encode(text)[: 8 * numbers].ljust(8 * numbers, b"\0")
    return struct.unpack(f">{numbers}Q", raw)


def prior_of(index: Index) -> Callable[[Document], tuple[int, int]]:
    """Return what tells of a document which of equally relevant ones comes first: two numbers to be read upwards.

    The first has 64 bits: 16 for the length of a text, 32 for the rank of a number, 16 for how many values there are.
    The second is how late that is, of `LEVELS`: coarser, and never against the first.
    """
    shorter = next((tie for tie in index.ties if isinstance(tie, Shorter)), None)
    higher = next((tie for tie in index.ties if isinstance(tie, Higher)), None)
    more = next((tie for tie in index.ties if isinstance(tie, More)), None)

    def prior(document: Document) -> tuple[int, int]:
        length = 0 if shorter is None else min(len(document[shorter.field] or ""), 0xFFFF)
        number = None if higher is None else document[higher.field]
        low = 0 if higher is None else _NULL if number is None else rank(number) ^ _NULL
        count = 0 if more is None else sum([len(document[name] or ()) for name in more.fields])
        few = 0xFFFF - min(count, 0xFFFF)
        if higher is None:
            step = _STEPS - 1 - min(count, _STEPS - 1)
        else:
            step = _STEPS - 1 if number is None else _step(number / higher.most)
        return length << 48 | low << 16 | few, min(length, _SHORT) * _STEPS + step

    return prior


def _step(share: float) -> int:
    """Return how far a number is from the highest, in a few steps."""
    return _STEPS - 1 - max(0, min(_STEPS - 1, int(share * _STEPS)))
