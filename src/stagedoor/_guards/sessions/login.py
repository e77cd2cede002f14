"""A login on its way: what the browser brings back has to fit what it took along (RFC 6749 4.1, RFC 7636, RFC 9207).

Until it comes back a login lies in a cookie of the browser that began it, sealed: a million logins that nobody finishes
cost no memory, and a login that was begun elsewhere cannot be finished here. The last few lie side by side, for who
logs in from several tabs. All here is pure; what makes a login one-time is the store's (`spend`).
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode

import orjson

from stagedoor._guards.denials import Denied
from stagedoor._guards.sessions.discovery import ProviderMetadata
from stagedoor._guards.sessions.sealing import Seal

__all__ = [
    "LASTS",
    "Login",
    "Returned",
    "authorization_url",
    "begun",
    "finished",
    "login_of",
    "logins_of",
    "sealed",
    "with_query",
]

LASTS: Final = 600.0  # seconds from the beginning of a login to its end
_MOST: Final = 4
_ROOM: Final = 3_500  # bytes of a cookie, of the 4,096 that browsers take (RFC 6265bis 5.6)
_BOUND: Final = b"login:"
_WORDS: Final = 20  # parameters of a callback that are read at all
_LONGEST: Final = 4_096


@dataclass(frozen=True, slots=True)
class Login:
    """One login: `begun` is seconds since 1970."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    back: str
    begun: float


def begun(back: str, now: float) -> Login:
    """Begin a login that leads back to a path of this site."""
    # RFC 7636 4.1: 43 characters of 256 random bits; so for the others.
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Login(state, nonce, verifier, back, now)


def authorization_url(
    metadata: ProviderMetadata, login: Login, *, client_id: str, redirect_uri: str, scopes: Sequence[str]
) -> str:
    """Return where the browser is sent to log in."""
    digest = hashlib.sha256(login.verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": login.state,
        "nonce": login.nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    return with_query(metadata.authorization, asked)


def with_query(address: str, asked: Mapping[str, str]) -> str:
    """Return an address with further parameters; it may have a query already (RFC 6749 3.1)."""
    return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"


def sealed(logins: Sequence[Login], seal: Seal, name: str) -> str:
    """Return the value of the cookie: the newest logins come first, and as many as it has room for."""
    kept = list(logins[:_MOST])
    while kept:
        text = orjson.dumps([asdict(one) for one in kept])
        value = base64.urlsafe_b64encode(seal.seal(text, _BOUND + name.encode())).rstrip(b"=").decode()
        if len(value) <= _ROOM:
            return value
        kept.pop()
    return ""


def logins_of(value: bytes | None, seal: Seal, name: str, now: float) -> list[Login]:
    """Return the logins of a cookie that are not over; none for a value that is not ours."""
    if not value or len(value) > _ROOM:
        return []
    try:
        raw = base64.b64decode(value + b"=" * (-len(value) % 4), b"-_", validate=True)
        text = seal.open(raw, _BOUND + name.encode())
        found = [] if text is None else [Login(**one) for one in orjson.loads(text)]
    except (ValueError, TypeError):
        return []
    return [one for one in found if 0 <= now - one.begun < LASTS]


@dataclass(frozen=True, slots=True)
class Returned:
    """What a browser brings back: a code, or the provider's reason why there is none."""

    state: str
    code: str = field(default="", repr=False)
    issuer: str = ""
    refused: bool = False


def finished(query: bytes) -> Returned:
    """Read what the provider gave along; raises `Denied` for what is said twice or not at all (RFC 6749 3.1)."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, max_num_fields=_WORDS, errors="strict"
        )
    except ValueError:
        raise Denied("invalid", "the answer of the provider cannot be read") from None
    said = dict(pairs)
    if len(said) < len(pairs) or any(len(text) > _LONGEST for text in said.values()):
        raise Denied("invalid", "the answer of the provider cannot be read")
    refused = "error" in said
    if not said.get("state") or bool(said.get("code")) == refused:
        raise Denied("invalid", "the answer of the provider is not whole")
    return Returned(said["state"], said.get("code", ""), said.get("iss", ""), refused)


def login_of(returned: Returned, logins: Sequence[Login], metadata: ProviderMetadata) -> Login:
    """Return the login that an answer belongs to; raises `Denied` for one of another browser or another provider."""
    # Against mix-up (RFC 9207 2.4): who answers must be who was asked, and say so where it can.
    if returned.issuer and returned.issuer != metadata.issuer:
        raise Denied("invalid", "the answer is another provider's")
    if metadata.says_issuer and not returned.issuer:
        raise Denied("invalid", "the answer does not say whose it is")
    for one in logins:
        if hmac.compare_digest(one.state.encode(), returned.state.encode("utf-8", "surrogatepass")):
            return one
    raise Denied("invalid", "this login was not begun in this browser, or is over: begin again")
