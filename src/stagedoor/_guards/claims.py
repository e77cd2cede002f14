"""What a token must say before anybody believes it (RFC 7519 4.1, RFC 8725 3): a pure decision."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagedoor._guards.denials import Denied
from stagedoor._guards.visitors import Known

__all__ = ["TokenRules", "judged"]

_LONGEST = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What is demanded of every token. `leeway` is seconds that clocks may differ; "" is any issuer."""

    algorithms: frozenset[str]
    audience: frozenset[str] = frozenset()
    issuer: str = ""
    leeway: float = 0.0


def judged(claims: Mapping[str, Any], rules: TokenRules, now: float) -> Known:
    """Return who the token speaks of; raises `Denied`. `now` is seconds since 1970."""
    _validate_time(claims, rules.leeway, now)
    _validate_audience(claims.get("aud"), rules.audience)
    issuer = claims.get("iss", "")
    if rules.issuer and issuer != rules.issuer:
        raise Denied("invalid", "the token is of another issuer")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST or not isinstance(issuer, str):
        raise Denied("invalid", "the token names no subject")
    return Known(subject, issuer, _scopes(claims), claims)


def _validate_time(claims: Mapping[str, Any], leeway: float, now: float) -> None:
    ends, begins = claims.get("exp"), claims.get("nbf")
    # RFC 9068 2.2: one that never ends could never be taken back.
    if not isinstance(ends, int | float) or not _is_moment(ends):
        raise Denied("invalid", "the token does not say when it expires")
    if now >= ends + leeway:  # RFC 7519 4.1.4: on or after
        raise Denied("invalid", "the token has expired")
    if begins is not None and not (_is_moment(begins) and begins - leeway <= now):
        raise Denied("invalid", "the token is not valid yet")


def _is_moment(said: object) -> bool:
    return isinstance(said, int | float) and not isinstance(said, bool) and math.isfinite(said)


def _validate_audience(said: object, ours: frozenset[str]) -> None:
    """Raise unless a token is meant for us; one for somebody may not be used by who names nobody (RFC 7519 4.1.3)."""
    if said is None and not ours:
        return
    named = [said] if isinstance(said, str) else said
    if not isinstance(named, list) or not any(isinstance(one, str) and one in ours for one in named):
        raise Denied("invalid", "the token is for another audience")


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return what a token permits: `scope` in one text (RFC 8693 4.2), or a list, as `scp` often is."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        said = claims.get(name)
        if isinstance(said, str):
            found.update(said.split(" "))
        elif isinstance(said, list):
            found.update(one for one in said if isinstance(one, str))
    return frozenset(found - {""})
