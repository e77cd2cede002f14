"""Values as whole numbers that order as they do: what engines sort by, because they compare nothing faster.

A number is its `rank`. Where many documents have the same one, the first bits of their ids stand behind it, in one key
(`packed`). A text is its first bytes, eight a number. Such keys are coarse: where two are equal, the values decide.
"""

import struct
from functools import lru_cache
from typing import Final

from stagedoor.search.schema import single

__all__ = ["packed", "rank", "text_keys"]

_NULL: Final = 0xFFFFFFFF
_BITS: Final = struct.Struct(">f"), struct.Struct(">I")


@lru_cache(4_096)
def rank(number: float) -> int:
    """Return the bits of a number in single precision, turned so that they order as numbers do: below 2^32 - 1."""
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
