"""ID tokens: who has logged in, by the word of the provider (OpenID Connect Core 3.1.3.7, 12.2).

The keys, signatures and claims are judged by what judges bearer tokens; here stands what an ID token needs beyond.
"""

import base64
import hashlib
import hmac
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from stagedoor._deadline import DueTime
from stagedoor._guards.claims import TokenRules, judged
from stagedoor._guards.denials import Denied
from stagedoor._guards.sessions.settings import SessionSettings
from stagedoor._guards.tokens import KeySource, claims_of, opened, read_head
from stagedoor._guards.visitors import Known

__all__ = ["IdTokens", "validate_id_claims"]

_TYPES: Final = frozenset({"jwt", "application/jwt"})  # no access token (RFC 9068 2.1) passes for one
_SOON: Final = 60.0  # seconds that an ID token may seem to be from the future, beyond the leeway


class IdTokens:
    """Reads ID tokens of one provider; `wall` is seconds since 1970."""

    def __init__(self, said: SessionSettings, source: KeySource, wall: Callable[[], float]) -> None:
        self._client = said.client_id
        self._rules = TokenRules(
            algorithms=frozenset(said.algorithms),
            audience=frozenset({said.client_id}),
            issuer=said.issuer,
            leeway=said.leeway,
        )
        self._source = source
        self._wall = wall

    async def read(self, token: str, *, nonce: str | None, access: str, deadline: DueTime) -> Known:
        """Return who an ID token speaks of; raises `Denied`. A `nonce` of None is that of a refresh, which has none."""
        head = read_head(token, self._rules.algorithms, _TYPES)
        keys = await self._source.keys(head.kid, head.algorithm, deadline)
        found = opened(token, head, keys)
        if found is None and head.kid is None:
            found = opened(token, head, await self._source.other(head.kid, head.algorithm, deadline))
        if found is None:
            raise Denied("invalid", "the signature is wrong")
        claims, now = claims_of(found[1]), self._wall()
        known = judged(claims, self._rules, now)
        validate_id_claims(claims, self._client, nonce, now + self._rules.leeway)
        _validate_access(claims.get("at_hash"), head.algorithm, access)
        return known


def validate_id_claims(claims: Mapping[str, Any], client: str, nonce: str | None, now: float) -> None:
    """Raise `Denied` for claims of a token that was given to, or asked for by, somebody else."""
    audience, party, said = claims.get("aud"), claims.get("azp"), claims.get("nonce")
    if party is not None and party != client:
        raise Denied("invalid", "the token was given to another client")
    if isinstance(audience, list) and len(audience) > 1 and party is None:
        raise Denied("invalid", "the token does not say which of several clients it was given to")
    if nonce is not None and not (
        isinstance(said, str) and hmac.compare_digest(said.encode(), nonce.encode())
    ):
        raise Denied("invalid", "the token is of another login")
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float) or not math.isfinite(issued):
        raise Denied("invalid", "the token does not say when it was issued")
    if issued > now + _SOON:
        raise Denied("invalid", "the token is not issued yet")


def _validate_access(said: object, algorithm: str, access: str) -> None:
    """Raise `Denied` where the ID token names another access token (Core 3.1.3.6); naming none is allowed."""
    if said is None or algorithm == "EdDSA":  # whose hash nobody has settled
        return
    size = int(algorithm[2:])
    digest = hashlib.new(f"sha{size}", access.encode()).digest()[: size // 16]
    wanted = base64.urlsafe_b64encode(digest).rstrip(b"=")
    if not (isinstance(said, str) and hmac.compare_digest(said.encode(), wanted)):
        raise Denied("invalid", "the token belongs to another access token")
