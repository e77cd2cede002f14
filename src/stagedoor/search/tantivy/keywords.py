"""Keywords as they are indexed: numbers of 64 bits, drawn by a secret.

Half a million ids cost by their length wherever terms are hashed, sorted and written, and a dictionary grows with each
byte behind the first that tells two terms apart. So a UUID is kept as 64 bits of its product with an odd secret factor
(multiply-shift: Dietzfelbinger et al., "A Reliable Randomized Algorithm for the Closest-Pair Problem", 1997), and any
other text as its BLAKE2b under the same secret (RFC 7693, 2.5).

How exact that is: two keywords, whoever has made them up, are one number for at most one of 2^63 secrets, so that among
a million any two meet in one of twenty million versions of an index. Each version draws a secret of its own, which lies
beside it: who can read that can read the index, and nobody else can make ids that meet.
"""

import re
from binascii import a2b_hex
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final

__all__ = ["SECRET_BYTES", "Terms", "uuid_number"]

SECRET_BYTES: Final = 16
_WHOLE: Final = (1 << 128) - 1
_DIGITS: Final = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
_SHAPE: Final = b"00000000-0000-0000-0000-000000000000"  # of a UUID, when all digits are one
_ROOM: Final = b"0" * 32  # between two UUIDs, for the upper half of the product of one
_is_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


def uuid_number(keyword: str) -> int | None:
    """Return a UUID in lower case as a number of 128 bits; None for any other text."""
    return int(keyword.replace("-", ""), 16) if _is_uuid(keyword) else None


class Terms:
    """What the keywords of one version of an index are; all methods raise `TypeError` for what is no text."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._factor = int.from_bytes(secret) | 1

    def one(self, keyword: str) -> int:
        """Return the term of a keyword."""
        number = uuid_number(keyword)
        return self.of_text(keyword) if number is None else self.of_uuid(number)

    def many(self, keywords: Sequence[str]) -> Sequence[int]:
        """Return the terms of keywords: of UUIDs by one multiplication, each having room for its own product."""
        raw = " ".join(keywords).encode()
        if raw.translate(_DIGITS) != b" ".join([_SHAPE] * len(keywords)):
            return [self.one(keyword) for keyword in keywords]
        apart = a2b_hex(raw.translate(None, b"-").replace(b" ", _ROOM))
        products = int.from_bytes(apart) * self._factor
        return _terms_in(len(keywords)).unpack(products.to_bytes(32 * len(keywords)))

    def of_uuid(self, number: int) -> int:
        """Return the term of a UUID."""
        return (number * self._factor & _WHOLE) >> 64

    def of_text(self, keyword: str) -> int:
        """Return the term of a text that is no UUID."""
        return int.from_bytes(blake2b(keyword.encode(), digest_size=8, key=self._secret).digest())


@lru_cache(64)  # a list of thousands takes 100 KB
def _terms_in(count: int) -> Struct:
    """Return where the terms stand in so many products of 256 bits."""
    return Struct(">" + "16xQ8x" * count)
