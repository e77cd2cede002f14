"""Keywords as they are indexed: bytes, of which a UUID takes half as many as its text.

Almost every keyword is the UUID of something, and half a million different ones cost by their length wherever terms
are hashed, sorted and written. A UUID in lower case is kept as its 16 bytes behind two that no text in UTF-8 begins
with; every other keyword is its UTF-8. Terms are handed over in base64, in which these 18 bytes are 24 signs without
padding: a list of UUIDs is turned as a whole, and divided after.
"""

import re
from binascii import a2b_hex, b2a_base64
from collections.abc import Sequence
from typing import Final

__all__ = ["all_in_json", "base64", "key", "uuid_in"]

_TAG: Final = "ffff"
_TAGGED: Final = a2b_hex(_TAG)
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_LETTERS: Final = 37  # of a UUID and the space behind it
_SIGNS: Final = 24
_is_uuid = re.compile(_UUID).fullmatch
_are_uuids = re.compile(f"(?:{_UUID} )*").fullmatch


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
    joined = " ".join([*keywords, ""])
    if len(joined) != _LETTERS * len(keywords) or not _are_uuids(joined):
        return [base64(key(keyword)) for keyword in keywords]
    digits = (_TAG + joined.replace(" ", _TAG).replace("-", ""))[: -len(_TAG)]
    signs = base64(a2b_hex(digits))
    return [signs[start : start + _SIGNS] for start in range(0, len(signs), _SIGNS)]
