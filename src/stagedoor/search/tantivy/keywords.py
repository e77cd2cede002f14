"""Keywords as they are indexed: bytes, of which a UUID takes half as many as its text.

Almost every keyword is the UUID of something, and half a million different ones cost by their length wherever terms
are hashed, sorted and written. A UUID in lower case is kept as its 16 bytes behind two that no text in UTF-8 begins
with; every other keyword is its UTF-8. Terms are handed over in base64, in which these 18 bytes are 24 signs without
padding: a list of UUIDs is turned as a whole, and divided after.
"""

import re
from binascii import a2b_hex, b2a_base64
from collections.abc import Callable, Sequence
from typing import Final

from stagedoor.search.remembered import Remembered

__all__ = ["all_in_json", "base64", "in_json", "key", "uuid_in"]

_TAG: Final = "ffff"
_TAGGED: Final = a2b_hex(_TAG)
_DIGITS: Final = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
_SHAPE: Final = b"000000000000-0000-0000-0000-000000000000"  # of a tag and a UUID, when all digits are one
_FEW: Final = 4_096
_is_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_terms_in = re.compile(".{24}").findall


def key(keyword: str) -> bytes:
    """Return the term of a keyword; raises `TypeError` for what is no text."""
    return a2b_hex(_TAG + keyword.replace("-", "")) if _is_uuid(keyword) else keyword.encode()


def uuid_in(term: bytes) -> bytes | None:
    """Return the bytes of the UUID that a term stands for; None if it stands for another text."""
    return term[2:] if term.startswith(_TAGGED) else None


def base64(term: bytes) -> str:
    """Return bytes as they are handed over in JSON."""
    return b2a_base64(term, newline=False).decode()


def all_in_json(keywords: Sequence[str]) -> list[str]:
    """Return the terms of keywords as they are handed over; raises `TypeError` for what is no text."""
    raw = _of_uuids(_TAG + f" {_TAG}".join(keywords), len(keywords))
    return [_one(keyword) for keyword in keywords] if raw is None else _terms_in(base64(raw))


def _of_uuids(tagged: str, count: int) -> bytes | None:
    """Return the terms of UUIDs that a tag stands before, in one; None if not all of them are such."""
    raw = tagged.encode()
    if raw.translate(_DIGITS) != b" ".join([_SHAPE] * count):
        return None
    return a2b_hex(raw.translate(None, b"- "))


def _one(keyword: str) -> str:
    return base64(key(keyword))


def in_json() -> Callable[[Sequence[str]], list[str]]:
    """Return what turns the keywords of one field into terms as they are handed over.

    As long as they seem to be few different ones, what was made of each is remembered.
    """
    known = Remembered(_one)
    find = known.__getitem__

    def made(keywords: Sequence[str]) -> list[str]:
        return [*map(find, keywords)] if len(known) < _FEW else all_in_json(keywords)

    return made
