"""Who asks: the fields that tell one caller from another on routes that are not public (T4)."""

import hashlib

from stagedoor._requests import Headers

__all__ = ["ANONYMOUS", "credentials_of"]

ANONYMOUS = "anonymous"
_CREDENTIALS = frozenset({b"authorization", b"cookie", b"x-api-key"})


def credentials_of(headers: Headers) -> tuple[str, Headers]:
    """Return an identity that no two sets of credentials share, and the fields to forward.

    The identity is a digest: it stands in keys and logs, and reveals nothing.
    """
    found = tuple(pair for pair in headers if pair[0] in _CREDENTIALS)
    if not found:
        return ANONYMOUS, ()
    digest = hashlib.blake2b(digest_size=16)
    for name, value in found:
        digest.update(b"%d:%b%d:%b" % (len(name), name, len(value), value))
    return digest.hexdigest(), found
