"""What is made of one text again and again."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["Remembered"]

T = TypeVar("T")
_MOST: Final = 131_072  # texts, with what was made of them: some 30 MB


class Remembered(dict[str, T], Generic[T]):
    """What a function makes of each text.

    What is looked up thirty times a document is a dict: `lru_cache` takes twice as long, to keep an order that nobody
    needs.
    """

    def __init__(self, make: Callable[[str], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: str) -> T:
        made = self._make(text)
        if len(self) >= _MOST:
            self.clear()
        self[text] = made
        return made
