"""How near two words are, counted in typing errors."""

from functools import lru_cache

__all__ = ["is_near"]


def is_near(word: str, other: str, allowed: int) -> bool:
    """Tell whether so many typing errors may have made one word of the other: of two, the first letter is right."""
    if abs(len(word) - len(other)) > allowed or (allowed > 1 and word[0] != other[0]):
        return False
    if len(_letters(word) ^ _letters(other)) > 2 * allowed:  # an edit changes two kinds of letters at most
        return False
    return distance(word, other) <= allowed


@lru_cache(100_000)
def _letters(word: str) -> frozenset[str]:
    return frozenset(word)


@lru_cache(100_000)
def distance(word: str, other: str) -> int:
    """Return the edits from one word to another, an exchange of neighbours being one (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, start=1):
        before, last, row = row, before, [i]
        for j, their in enumerate(other, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != their))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == their:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]
