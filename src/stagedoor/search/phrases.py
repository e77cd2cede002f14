"""Words side by side: how a text keeps the order of its words, where it is declared to, and what a phrase asks of it.

The words are folded, small ones too, and divided by blanks; a sign that is no word stands between the texts of a list.
An engine that knows where words are has only to look for some of them in a row.
"""

from collections.abc import Sequence
from typing import Any, Final

from stagedoor.search.places import part
from stagedoor.search.words import read, read_first

__all__ = ["has_phrase", "in_order", "ordered", "wanted"]

_BETWEEN: Final = "|"


def in_order(field: str) -> str:
    """Return the name of the part of a text that has its words in order."""
    return part(field, "order")


def ordered(value: str | Sequence[str] | None) -> str:
    """Return the words of a text, or of several, in order; raises `TypeError` for what is no text."""
    texts = [value] if isinstance(value, str) else value or []
    return f" {_BETWEEN} ".join(" ".join(word.folded for word in read(text).words) for text in texts)


def wanted(text: str) -> list[str]:
    """Return the words that a phrase has, the first 16 of them."""
    return [word.folded for word in read_first(text).words]


def has_phrase(value: Any, text: str) -> bool:  # noqa: ANN401 - documents hold JSON
    """Tell whether a text, or one of several, has the words of another side by side."""
    words = wanted(text)
    return bool(words) and f" {' '.join(words)} " in f" {ordered(value)} "
