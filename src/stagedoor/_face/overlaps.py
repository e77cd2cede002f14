"""Which tags and keys can come to the same text, whatever their places are filled with."""

import re
from functools import lru_cache
from typing import Final

__all__ = ["may_equal"]

_FILLED: Final = re.compile(r"[A-Za-z0-9._~%-]")  # what an escaped value is made of
_PLACE: Final = "{}"
_TOKENS: Final = re.compile(r"\{\}|.", re.DOTALL)


def may_equal(one: str, other: str) -> bool:
    """Tell whether two shapes, as `Tag.shape` gives them, have a text in common."""
    ours, theirs = tuple(_TOKENS.findall(one)), tuple(_TOKENS.findall(other))

    @lru_cache(None)
    def meet(at: int, there: int) -> bool:
        if at == len(ours) or there == len(theirs):
            return {*ours[at:], *theirs[there:]} <= {_PLACE}
        here, yonder = ours[at], theirs[there]
        if here == _PLACE:
            return meet(at + 1, there) or (_fills(yonder) and meet(at, there + 1))
        if yonder == _PLACE:
            return meet(at, there + 1) or (_fills(here) and meet(at + 1, there))
        return here == yonder and meet(at + 1, there + 1)

    return meet(0, 0)


def _fills(one: str) -> bool:
    return one == _PLACE or _FILLED.fullmatch(one) is not None
