"""What people type into a search field: words, some of them mistyped."""

import random
from collections.abc import Sequence

from tests.contracts.search.films import FIRST, LAST, WORDS

__all__ = ["mistyped", "text", "typed"]


def text(rng: random.Random) -> str:
    """Return what people type: words, some of them mistyped."""
    return " ".join(mistyped(rng, word) if rng.random() < 0.3 else word for word in typed(rng))


def typed(rng: random.Random, counts: Sequence[int] = (1, 1, 2, 3, 20)) -> list[str]:
    """Return words as they are in the library."""
    return [rng.choice([*WORDS, *FIRST, *LAST]) for _ in range(rng.choice(counts))]


def mistyped(rng: random.Random, word: str) -> str:
    """Return a word with a letter too few, too many, or exchanged with its neighbour."""
    place = rng.randrange(len(word))
    return rng.choice(
        [
            word[:place] + word[place + 1 :],
            word[:place] + rng.choice("aeostz") + word[place:],
            word[:place] + word[place + 1 : place + 2] + word[place : place + 1] + word[place + 2 :],
        ]
    )
