"""How far two names are apart: letters that are too many, missing, others, or exchanged with their neighbour."""

__all__ = ["is_within"]


def is_within(edits: int, one: str, other: str) -> bool:
    """Tell whether so many edits turn one name into the other."""
    if one == other:
        return True
    if edits == 0 or abs(len(one) - len(other)) > edits:
        return False
    while one[:1] == other[:1]:
        one, other = one[1:], other[1:]
    pairs = [(one[1:], other[1:]), (one[1:], other), (one, other[1:])]
    if one[1::-1] == other[:2]:
        pairs.append((one[2:], other[2:]))
    return any(is_within(edits - 1, *pair) for pair in pairs)
