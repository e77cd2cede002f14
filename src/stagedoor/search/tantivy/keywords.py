"""Keywords as they are indexed: bytes, of which a UUID takes half as many as its text.

Almost every keyword is the UUID of something, and half a million different ones cost by their length wherever terms
are hashed, sorted and written. A UUID in lower case is kept as its 16 bytes behind two that no text in UTF-8 begins
with; every other keyword is its UTF-8.
"""

import re
from binascii import a2b_hex, b2a_base64
from typing import Final

__all__ = ["in_json", "key", "uuid_number"]

_TAG: Final = "ffff"
_is_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


def key(keyword: str) -> bytes:
    """Return the term of a keyword; raises `TypeError` for what is no text."""
    return a2b_hex(_TAG + keyword.replace("-", "")) if _is_uuid(keyword) else keyword.encode()


def in_json(keyword: str) -> str:
    """Return the term of a keyword as it is handed over, in base64; raises `TypeError` for what is no text."""
    return b2a_base64(key(keyword), newline=False).decode()


def uuid_number(keyword: str) -> int | None:
    """Return a UUID in lower case as a number, None for any other text."""
    return int(keyword.replace("-", ""), 16) if _is_uuid(keyword) else None
