"""Encryption of what is kept: AES-256-GCM, under a key that is derived for each session.

The derived key depends on a key of the operator's and on the session's id, which only the browser has: neither who
reads the store, nor who has the operator's key as well, can open anything, and what is sealed for one session opens
for no other. Each derived key seals few texts, so that random nonces never meet (NIST SP 800-38D 8.3).
"""

import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Seal"]

_NONCE = 12
_PERSON = b"stagedoor-seal"


class Seal:
    """Seals with the first key, opens with any of them: so keys are changed without logging anybody out."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def seal(self, text: bytes, bound: bytes) -> bytes:
        """Return a text that only opens with the same `bound`: what it is for, and whose."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(_derived(self._keys[0], bound)).encrypt(nonce, text, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes | None:
        """Return the text; None if it was not sealed so, or has been changed."""
        for key in self._keys:
            try:
                return AESGCM(_derived(key, bound)).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
            except (InvalidTag, ValueError):  # the second: too short to be anything
                continue
        return None

    def __repr__(self) -> str:
        return f"<Seal of {len(self._keys)} keys>"


def _derived(key: bytes, bound: bytes) -> bytes:
    return hashlib.blake2b(bound, key=key, digest_size=32, person=_PERSON).digest()
