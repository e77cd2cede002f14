"""Write down where a walk through the list has come to, so that only we can have written it (T9).

A cursor is the moment and the id of the last meme that was shown, with a keyed digest: 8 + 16 + 12 octets in base64.
It means "what comes behind", whether that meme still exists or not, so that a walk neither loses nor repeats.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Final
from uuid import UUID

__all__ = ["CursorPlace", "Cursors"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SIZE: Final = 36
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class CursorPlace:
    """Where a meme stands in the list, newest first, ties by id descending."""

    created_at: datetime
    id: str


class Cursors:
    """Write and read cursors; `secret` is what nobody outside knows."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.blake2b(secret.encode("utf-8", "replace"), person=b"meme-cursors").digest()

    def write(self, place: CursorPlace) -> str:
        """Return the cursor of a place."""
        moment = (place.created_at - _EPOCH) // _MICROSECOND
        plain = moment.to_bytes(8, "big", signed=True) + UUID(place.id).bytes
        return base64.urlsafe_b64encode(plain + self._signature(plain)).decode()

    def read(self, text: str) -> CursorPlace | None:
        """Return the place of a cursor; None for one that we have not written."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii"))
        except ValueError:
            return None
        plain, signature = raw[:24], raw[24:]
        if len(raw) != _SIZE or not compare_digest(signature, self._signature(plain)):
            return None
        if base64.urlsafe_b64encode(raw).decode() != text:  # the decoder passes over what is no letter of it
            return None
        try:
            moment = _EPOCH + int.from_bytes(plain[:8], "big", signed=True) * _MICROSECOND
        except OverflowError:  # signed, but no moment of ours: the secret of default settings is none
            return None
        return CursorPlace(moment, str(UUID(bytes=plain[8:])))

    def _signature(self, plain: bytes) -> bytes:
        return hashlib.blake2b(plain, key=self._key, digest_size=12).digest()
