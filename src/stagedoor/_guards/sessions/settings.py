"""What an operator says of sessions, as arguments or from the environment; what cannot work ends the start, by name."""

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from stagedoor._cache.redis_address import RedisAddress
from stagedoor._guards.settings import ASYMMETRIC, Rows, listed_words
from stagedoor._plain_file import read_plain
from stagedoor.errors import ConfigError

__all__ = ["SESSIONS", "SessionSettings", "is_secure_address", "key_of", "session_settings"]

SESSIONS: Final[Rows] = (
    ("ISSUER", "", "the OpenID provider, by its issuer identifier"),
    ("CLIENT_ID", "", "what the provider calls this gateway"),
    ("CLIENT_SECRET", "", "the secret that it shares with the provider"),
    ("CLIENT_SECRET_FILE", "", "or the file with that secret"),
    ("BASE_URL", "", "where browsers see this gateway, as in https://shop.example.com"),
    ("KEY", "", "what tokens are encrypted with: 32 bytes as base64url; older ones after a comma"),
    ("KEY_FILE", "", "or the file with such keys, one a line"),
    ("STORE", "", "memory, redis (this gateway's), or redis://...; redis where the gateway has one"),
    ("SCOPES", "openid", "what is asked for at the login, separated by commas"),
    ("ALGORITHMS", "", "those that ID tokens may be signed with; RS256,PS256,ES256,EdDSA"),
    ("LEEWAY", "0", "seconds that clocks may differ"),
    ("IDLE", "1800", "seconds that a session may lie unused"),
    ("LIFETIME", "43200", "seconds that a session lasts, however much it is used"),
)
NEEDED: Final = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "BASE_URL")
_USUAL: Final = ("RS256", "PS256", "ES256", "EdDSA")
_LONGEST: Final = 366 * 86_400.0
_LEEWAY: Final = 600.0
_LARGEST: Final = 65_536  # octets of a secret's file
_ARGUMENT = re.compile(r"SessionSettings\((\w+)=\.\.\.\)")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 3.3
_VISIBLE = re.compile(r"[\x20-\x7e]+")  # RFC 6749, appendix A.1 and A.2


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """The provider, this gateway as its client, and how long sessions last; `idle`, `lifetime`, `leeway` are seconds.

    `base_url` is where browsers see the gateway, with the path below which it is mounted. `keys` encrypt what is kept,
    each 32 bytes as base64url, the first of them what is new; one is made up where none is given and sessions are in
    memory. `store` is "memory", "redis" for that of the gateway, or an address; "" is redis where the gateway has one.
    Raises `ConfigError` for what cannot work, with the name of the argument.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    base_url: str
    keys: Sequence[str] = field(default=(), repr=False)
    store: str = field(default="", repr=False)  # it may hold a password
    scopes: Sequence[str] = ("openid",)
    algorithms: Sequence[str] = _USUAL
    leeway: float = 0.0
    idle: float = 1_800.0
    lifetime: float = 43_200.0

    def __post_init__(self) -> None:
        for name, good, wanted in _CHECKS:
            if not good(self):
                raise ConfigError(f"{_name_of(name)}: must be {wanted}")

    @property
    def origin(self) -> str:
        """Return the origin of the gateway's own pages, as browsers write it (RFC 6454 6.2)."""
        parts = urlsplit(self.base_url)
        usual = {"https": 443, "http": 80}[parts.scheme]
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in {None, usual} else "")


def session_settings(env: Mapping[str, str], prefix: str) -> SessionSettings | None:
    """Return the settings that stand under a prefix such as `SHOP_WEB_`; None if there are none.

    Raises `ConfigError` with the name of the setting that is wrong or missing.
    """
    said = {name: env.get(prefix + name, "") for name, _, _ in SESSIONS}
    if not any(said.values()):
        return None
    for name in ("CLIENT_SECRET", "KEY"):
        said[name] = _secret(said[name], said[f"{name}_FILE"], prefix + name)
    missing = [prefix + name for name in NEEDED if not said[name]]
    if missing:
        raise ConfigError(f"a session needs more to be set: {', '.join(missing)}")
    try:
        return SessionSettings(
            issuer=said["ISSUER"],
            client_id=said["CLIENT_ID"],
            client_secret=said["CLIENT_SECRET"],
            base_url=said["BASE_URL"].rstrip("/"),
            keys=tuple(re.split(r"[,\s]+", said["KEY"])) if said["KEY"] else (),
            store=said["STORE"],
            scopes=tuple(re.split(r"[,\s]+", said["SCOPES"])) if said["SCOPES"] else ("openid",),
            algorithms=listed_words(said["ALGORITHMS"]) or _USUAL,
            **{name.lower(): _seconds(said[name], prefix + name) for name in _TIMES if said[name]},
        )
    except ConfigError as error:
        raise ConfigError(
            _ARGUMENT.sub(lambda one: prefix + ("KEY" if one[1] == "keys" else one[1].upper()), str(error))
        ) from None


_TIMES: Final = ("LEEWAY", "IDLE", "LIFETIME")


def _secret(said: str, file: str, name: str) -> str:
    """Return a secret that is said, or stands in a file; raises `ConfigError`, and repeats nothing of it."""
    if said and file:
        raise ConfigError(f"{name}_FILE: {name} is set too: only one of them can be meant")
    if not file:
        return said
    try:
        found = read_plain(Path(file), _LARGEST).decode().strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}_FILE: the file cannot be read ({type(error).__name__})") from error
    if not found:
        raise ConfigError(f"{name}_FILE: the file is empty")
    return found


def _seconds(said: str, name: str) -> float:
    if _DECIMAL.fullmatch(said) is None:
        raise ConfigError(f"{name}: {said!r} is no number of seconds")
    return float(said)


def _name_of(argument: str) -> str:
    return f"SessionSettings({argument}=...)"


def key_of(text: str) -> bytes:
    """Return the bytes of a key; raises `ValueError` unless it is 32 of them as base64url."""
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("no base64url") from None
    if len(key) != 32:
        raise ValueError("not 32 bytes")
    return key


def is_secure_address(url: str) -> bool:
    """Tell whether an address is one of https, or of this machine (RFC 8252 7.3), without user information."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url) or "@" in parts.netloc or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_base(url: str, *, path: bool) -> bool:
    if not is_secure_address(url):
        return False
    parts = urlsplit(url)
    return not (parts.query or parts.fragment or (parts.path and not path)) and "?" not in url + "#"


def _is_store(text: str) -> bool:
    try:
        return text in {"", "memory", "redis"} or RedisAddress.of(text) is not None
    except ConfigError:
        return False


def _are_keys(keys: Sequence[str]) -> bool:
    try:
        return not isinstance(keys, str) and all(key_of(one) for one in keys)
    except ValueError:
        return False


def _is_between(said: float, least: float, most: float) -> bool:
    return math.isfinite(said) and least <= said <= most


_ADDRESS = "an address of https, or of http on this machine, as in https://"
_CHECKS: Final = (
    ("issuer", lambda one: _is_base(one.issuer, path=True), f"{_ADDRESS}login.example.com, without a query"),
    ("client_id", lambda one: _VISIBLE.fullmatch(one.client_id), "a text of visible characters"),
    ("client_secret", lambda one: _VISIBLE.fullmatch(one.client_secret), "a text of visible characters"),
    (
        "base_url",
        lambda one: _is_base(one.base_url, path=True) and not one.base_url.endswith("/"),
        f"{_ADDRESS}shop.example.com, without a query, and no slash at the end",
    ),
    ("keys", lambda one: _are_keys(one.keys), "32 random bytes as base64url each"),
    ("store", lambda one: _is_store(one.store), "memory, redis, or an address such as redis://host:port/0"),
    (
        "scopes",
        lambda one: (
            not isinstance(one.scopes, str)
            and "openid" in one.scopes
            and all(_SCOPE.fullmatch(word) for word in one.scopes)
        ),
        "a list of words, openid among them",
    ),
    (
        "algorithms",
        lambda one: bool(one.algorithms) and all(word in ASYMMETRIC for word in one.algorithms),
        f"some of {', '.join(ASYMMETRIC)}",
    ),
    ("leeway", lambda one: _is_between(one.leeway, 0, _LEEWAY), f"seconds, 0 to {_LEEWAY:g}"),
    ("idle", lambda one: _is_between(one.idle, 1, _LONGEST), f"seconds, 1 to {_LONGEST:g}"),
    (
        "lifetime",
        lambda one: _is_between(one.lifetime, one.idle, _LONGEST),
        f"seconds, as many as idle has or more, to {_LONGEST:g}",
    ),
)
