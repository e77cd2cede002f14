"""Keywords as they are indexed: numbers of 64 bits.

Almost every keyword is the UUID of something, and half a million different ones cost by their length: Tantivy's
dictionary makes a node of each byte in which a term differs from the one before, which for terms of 16 random bytes was
half of the time that writing out an index takes. So a keyword is a large number, its 16 bytes or its UTF-8, of which
the remainder by a prime is kept. UUIDs that share their first half are never taken for each other; among a million
random ones, two are in one of thirty million indices. The prime is the first one below the first 64 bits of pi: what
has no pattern itself makes no pattern in ids meet.
"""

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["key", "keys_of", "uuid_in"]

_PRIME: Final = 0xC90FDAA22168C201
_TEXT: Final = b"\1"  # before UTF-8, so that leading zeros count
_is_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_DIGITS: Final = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
_SHAPE: Final = b"00000000-0000-0000-0000-000000000000"  # of a UUID, when all its digits are one


def uuid_in(keyword: str) -> int | None:
    """Return the number that a UUID in lower case is; None of another text. Raises `TypeError` for what is no text."""
    return int(keyword.replace("-", ""), 16) if _is_uuid(keyword) else None


def key(keyword: str) -> int:
    """Return the term of a keyword; raises `TypeError` for what is no text."""
    number = uuid_in(keyword)
    return (int.from_bytes(_TEXT + keyword.encode()) if number is None else number) % _PRIME


def keys_of(keywords: Sequence[str]) -> list[int]:
    """Return the terms of keywords, quicker where all are UUIDs; raises `TypeError` for what is no text."""
    joined = " ".join(keywords).encode()
    if joined.translate(_DIGITS) != b" ".join([_SHAPE] * len(keywords)):
        return [key(keyword) for keyword in keywords]
    return [int(number, 16) % _PRIME for number in joined.replace(b"-", b"").split()]
