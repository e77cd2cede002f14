"""Bearer tokens (RFC 6750) that are signed (RFC 7515, RFC 7519): their form, their key, their signature, their claims.

field ─▶ token ─▶ head: algorithm pinned, key by its id ─▶ signature ─▶ claims judged ─▶ who it is

The library checks signatures; which key and which algorithm it may use is decided here, never by the token (RFC 8725
3.1). A head that brings a key, or says where one lies (`jwk`, `jku`, `x5c`, `x5u`), is not asked for it.
"""

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from jwt import PyJWK
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from stagedoor._deadline import DueTime
from stagedoor._guards.claims import TokenRules, judged
from stagedoor._guards.denials import Denied
from stagedoor._guards.keys import Keys
from stagedoor._guards.settings import ASYMMETRIC, SYMMETRIC
from stagedoor._guards.visitors import Known, only_line
from stagedoor._requests import Headers

__all__ = ["FixedKeys", "KeySource", "Tokens", "claims_of", "opened", "read_head", "token_of"]

_LONGEST = 16_384
_LONGEST_ID = 256
_REMEMBERED = 4_096  # tokens
# Claims within claims: what is read is written again, into keys and sessions, which has an end.
_DEEPEST = 100
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})  # RFC 8725 3.11
_JWS = PyJWS(algorithms=[*ASYMMETRIC, *SYMMETRIC])


class KeySource(Protocol):
    """Where keys come from."""

    async def keys(self, kid: str | None, algorithm: str, deadline: DueTime) -> list[PyJWK]:
        """Return the keys that a token may be signed with; raises `Denied`."""
        ...

    def held(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        """Return those that are here already."""
        ...

    async def other(self, kid: str | None, algorithm: str, deadline: DueTime) -> list[PyJWK]:
        """Look again, for a token without an id that no key fits; raises `Denied`."""
        ...

    def used(self) -> bool:
        """Hear that keys which are here are used; False if they are so old that `keys` has to be asked."""
        ...

    def start(self) -> None:
        """Begin to fetch them."""
        ...

    async def aclose(self) -> None:
        """Fetch no more."""
        ...


class FixedKeys:
    """Keys that stay as they are."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def keys(self, kid: str | None, algorithm: str, deadline: DueTime) -> list[PyJWK]:
        found = self.held(kid, algorithm)
        if not found:
            raise Denied("invalid", "the token is signed with an unknown key")
        return found

    def held(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        return self._keys.fitting(kid, algorithm) or []

    async def other(self, kid: str | None, algorithm: str, deadline: DueTime) -> list[PyJWK]:
        return []

    def used(self) -> bool:
        return True

    def start(self) -> None:
        """Wait for nothing."""

    async def aclose(self) -> None:
        """Hold nothing."""


@dataclass(frozen=True, slots=True)
class TokenHeader:
    """What the head of a token says, as far as anybody listens."""

    algorithm: str
    kid: str | None


class Tokens:
    """Tells who asks by a bearer token; `wall` is seconds since 1970."""

    def __init__(self, source: KeySource, rules: TokenRules, wall: Callable[[], float]) -> None:
        self._source = source
        self._rules = rules
        self._wall = wall
        self._seen: OrderedDict[bytes, tuple[PyJWK, bytes]] = OrderedDict()
        self._recognised: tuple[Headers, Known] | None = None  # of the request that a limit has just counted

    async def authenticate(self, fields: Headers, deadline: DueTime) -> Known:
        recognised, self._recognised = self._recognised, None
        if recognised is not None and recognised[0] is fields and self._source.used():
            return recognised[1]
        token = token_of(fields)
        head = read_head(token, self._rules.algorithms)
        keys = await self._source.keys(head.kid, head.algorithm, deadline)
        said = self._opened(token, head, keys)
        if said is None and head.kid is None:
            said = self._opened(token, head, await self._source.other(head.kid, head.algorithm, deadline))
        if said is None:
            raise Denied("invalid", "the signature is wrong")
        return judged(claims_of(said), self._rules, self._wall())

    def subject(self, fields: Headers) -> str:
        """Return who asks as far as that can be told at once; "" for anybody else. It fetches nothing."""
        try:
            token = token_of(fields)
            head = read_head(token, self._rules.algorithms)
            said = self._opened(token, head, self._source.held(head.kid, head.algorithm))
            if said is None:
                return ""
            known = judged(claims_of(said), self._rules, self._wall())
        except Denied:
            return ""
        self._recognised = (fields, known)
        if self._rules.issuer or not known.issuer:
            return known.subject
        # Where anybody may issue them, a subject is unique for its issuer only (RFC 7519 4.1.2).
        return f"{len(known.issuer)}:{known.issuer}{known.subject}"

    def permits(self, method: str, fields: Headers) -> bool:
        return True

    def _opened(self, token: str, head: TokenHeader, keys: list[PyJWK]) -> bytes | None:
        """Return the payload; a signature that was good is not checked again as long as its key is among these."""
        mark = hashlib.blake2b(token.encode(), digest_size=32).digest()
        key, payload = self._seen.get(mark, (None, None))
        if payload is not None and any(one is key for one in keys):
            return payload
        found = opened(token, head, keys)
        if found is None:
            return None
        self._seen[mark] = found
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return found[1]

    def start(self) -> None:
        self._source.start()

    async def aclose(self) -> None:
        await self._source.aclose()


def token_of(fields: Headers) -> str:
    """Return the token of the Authorization field (RFC 6750 2.1); raises `Denied`."""
    try:
        said = only_line(fields, b"authorization")
    except ValueError:
        raise Denied("invalid", "there is more than one Authorization field") from None
    scheme, _, token = (said or b"").partition(b" ")
    token = token.strip(b" ")
    if scheme.lower() != b"bearer":
        raise Denied("missing", "a bearer token is needed")
    if not token or len(token) > _LONGEST or not token.isascii():
        raise Denied("invalid", "the token is malformed")
    return token.decode("ascii")


def read_head(token: str, algorithms: frozenset[str], types: frozenset[str] = _TYPES) -> TokenHeader:
    """Return the head of a token; raises `Denied` for another algorithm than is pinned, and for what we do not know."""
    first, dots, _ = token.partition(".")
    if not dots or token.count(".") != 2 or "=" in token:  # RFC 7515 2: nothing is padded
        raise Denied("invalid", "the token is malformed")
    try:
        said: Any = orjson.loads(base64.b64decode(first + "=" * (-len(first) % 4), b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise Denied("invalid", "the token is malformed") from None
    if not isinstance(said, dict):
        raise Denied("invalid", "the token is malformed")
    algorithm, kid, kind = said.get("alg"), said.get("kid"), said.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise Denied("invalid", "the token is signed with an algorithm that is not accepted")
    if not isinstance(kind, str) or kind.lower() not in types:
        raise Denied("invalid", "the token is of another type")
    if "crit" in said or "b64" in said:  # RFC 7515 4.1.11: we understand no extension
        raise Denied("invalid", "the token demands what is not understood")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_ID):
        raise Denied("invalid", "the token is signed with an unknown key")
    return TokenHeader(algorithm, kid)


def opened(token: str, head: TokenHeader, keys: list[PyJWK]) -> tuple[PyJWK, bytes] | None:
    """Return the key that has signed a token, and the payload; None if none has."""
    for key in keys:
        try:
            payload: bytes = _JWS.decode_complete(token, key, algorithms=[head.algorithm])["payload"]
        except (PyJWTError, ValueError, TypeError):
            continue
        return key, payload
    return None


def claims_of(payload: bytes) -> dict[str, Any]:
    """Return the claims of a payload; raises `Denied` for what is none."""
    try:
        said: Any = orjson.loads(payload)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise Denied("invalid", "the token holds no claims")
    if payload.count(b"[") + payload.count(b"{") > _DEEPEST and not _is_within(said, _DEEPEST):
        raise Denied("invalid", "the token's claims are nested too deep")
    return said


def _is_within(said: object, levels: int) -> bool:
    """Tell whether a value has no more levels of lists and objects."""
    if isinstance(said, dict):
        said = list(said.values())
    if not isinstance(said, list):
        return True
    return levels > 0 and all(_is_within(one, levels - 1) for one in said)
