"""What an operator says of a guard, as arguments or from the environment; what cannot work ends the start, by name."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from stagedoor.errors import ConfigError

__all__ = [
    "API_KEYS",
    "ASYMMETRIC",
    "JWT",
    "SYMMETRIC",
    "ApiKeySettings",
    "JwtSettings",
    "Rows",
    "api_key_settings",
    "jwt_settings",
    "listed_words",
]

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SYMMETRIC = ("HS256", "HS384", "HS512")
_USUAL = ("RS256", "PS256", "ES256", "EdDSA")
_LONGEST_LEEWAY = 600.0
_ARGUMENT = re.compile(r"JwtSettings\((\w+)=\.\.\.\)")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
Rows = Sequence[tuple[str, str, str]]

JWT: Rows = (
    ("JWKS_URL", "", "where the keys of tokens are published"),
    ("SECRET", "", "the secret that tokens are signed with, instead of published keys"),
    ("AUDIENCE", "", "whom tokens must be for, separated by commas"),
    ("ISSUER", "", "who must have issued them; anybody if empty"),
    ("ALGORITHMS", "", "those that are accepted; " + ",".join(_USUAL) + ", or HS256 with a secret"),
    ("LEEWAY", "0", "seconds that clocks may differ"),
)
API_KEYS: Rows = (("KEYS_FILE", "", "a line a key: its SHA-256 in hexadecimal, and a name"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtSettings:
    """Where keys come from, and what tokens must say; `leeway` is seconds. One of `jwks_url` and `secret` is needed.

    Raises `ConfigError` for what cannot work, with the name of the argument.
    """

    jwks_url: str = ""
    secret: str = field(default="", repr=False)
    audience: Sequence[str] = ()
    issuer: str = ""
    algorithms: Sequence[str] = ()
    leeway: float = 0.0

    def __post_init__(self) -> None:
        _validate_jwt(self)

    @property
    def pinned(self) -> frozenset[str]:
        """Return the algorithms that are accepted, as said or as usual."""
        return frozenset(self.algorithms or (("HS256",) if self.secret else _USUAL))


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeySettings:
    """Where keys are: a file, or the lines that it would have."""

    keys_file: str = ""
    lines: Sequence[str] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        _validate_list(self.lines, "ApiKeySettings(lines=...)")

    @classmethod
    def of(cls, **keys: str) -> Self:
        """Take keys in plain, by the name of who has each; only their hashes are kept. Raises `ConfigError`."""
        for name, key in keys.items():
            given: object = key
            if not isinstance(given, str):
                raise ConfigError(f"ApiKeySettings.of({name}=...): a text, not {type(given).__name__}")
        hashes = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in keys.items()}
        return cls(lines=tuple(f"{one} {name}" for name, one in hashes.items()))


def jwt_settings(env: Mapping[str, str], prefix: str) -> JwtSettings:
    """Return the settings that stand under a prefix such as `SHOP_MEMBERS_`; raises `ConfigError`."""
    said = {name: env.get(prefix + name, "") for name, _, _ in JWT}
    leeway = said["LEEWAY"] or "0"
    if _DECIMAL.fullmatch(leeway) is None:
        raise ConfigError(f"{prefix}LEEWAY: {leeway!r} must be seconds, 0 to {_LONGEST_LEEWAY:g}")
    try:
        return JwtSettings(
            jwks_url=said["JWKS_URL"],
            secret=said["SECRET"],
            audience=listed_words(said["AUDIENCE"]),
            issuer=said["ISSUER"],
            algorithms=listed_words(said["ALGORITHMS"]),
            leeway=float(leeway),
        )
    except ConfigError as error:
        raise ConfigError(_ARGUMENT.sub(lambda one: prefix + one[1].upper(), str(error))) from None


def api_key_settings(env: Mapping[str, str], prefix: str) -> ApiKeySettings:
    """Return the settings that stand under a prefix."""
    return ApiKeySettings(keys_file=env.get(prefix + "KEYS_FILE", ""))


def listed_words(text: str) -> tuple[str, ...]:
    """Return the words of a list with commas."""
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _name_of(argument: str) -> str:
    return f"JwtSettings({argument}=...)"


def _validate_list(given: object, where: str, remedy: str = "") -> None:
    """Raise `ConfigError` for a text, which would be a list of its letters; it is not repeated, but for a remedy."""
    if isinstance(given, str | bytes):
        raise ConfigError(f"{where}: a list of texts, and not one text{remedy}")


def _validate_jwt(said: JwtSettings) -> None:
    """Raise `ConfigError` for settings that cannot work; secrets are not repeated."""
    for name, given in (("audience", said.audience), ("algorithms", said.algorithms)):
        _validate_list(given, _name_of(name), f", as in [{given!r}]")
    if said.jwks_url and said.secret:
        raise ConfigError(
            f"{_name_of('secret')}: keys are published ({_name_of('jwks_url')}) or shared, not both"
        )
    if said.jwks_url:
        _validate_url(said.jwks_url, _name_of("jwks_url"))
    known = SYMMETRIC if said.secret else ASYMMETRIC
    strangers = [one for one in said.algorithms if one not in known]
    if strangers and (said.secret or said.jwks_url):
        kind = "a secret" if said.secret else "published keys"
        raise ConfigError(
            f"{_name_of('algorithms')}: {strangers[0]!r} is no algorithm of {kind}: {', '.join(known)}"
        )
    least = max(int(one.removeprefix("HS")) // 8 for one in said.pinned) if said.secret else 0
    if len(said.secret.encode()) < least:  # RFC 7518 3.2
        raise ConfigError(
            f"{_name_of('secret')}: a secret has {least} bytes or more: a shorter one can be guessed"
        )
    if not (math.isfinite(said.leeway) and 0 <= said.leeway <= _LONGEST_LEEWAY):
        raise ConfigError(f"{_name_of('leeway')}: {said.leeway!r} must be seconds, 0 to {_LONGEST_LEEWAY:g}")


def _validate_url(url: str, name: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.fragment
        good = good and not parts.username and url.isascii() and not re.search(r"[\x00-\x20\x7f]", url)
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"{name}: {url.rpartition('@')[2]!r} is no address; one is https://host/path")
