"""Where Redis is and what it wants to hear first, from one URL; never shown, for it may hold a password.

    redis://[user][:password]@host:6379/0            rediss://...?ssl_ca_certs=/etc/ca.pem      unix:///run/redis.sock?db=0
    redis+sentinel://one:26379,two:26379/name/0      redis+cluster://one:6379,two:6379

`rediss` is TLS, believed by the system's authorities unless `ssl_ca_certs` names others; the parameters are redis-py's.
A user without a password is an ACL user with `nopass`. Sentinels may have a user and a password of their own.
"""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from stagedoor.errors import ConfigError

__all__ = ["Credentials", "RedisAddress", "tagged"]

_EXAMPLE: Final = "redis://[user][:password]@host:6379/0"
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.%-]*)(?::([0-9]{1,5}))?", re.ASCII)
_KINDS: Final[dict[str, Literal["single", "sentinel", "cluster"]]] = {
    "redis": "single",
    "rediss": "single",
    "unix": "single",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
}
_SAME: Final = {"valkey": "redis", "valkeys": "rediss"}  # as providers of Valkey write them
_OF_TLS: Final = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"})
_OF_SENTINELS: Final = frozenset({"sentinel_username", "sentinel_password"})
_KNOWN: Final = tuple(sorted({"db", *_OF_TLS, *_OF_SENTINELS}))
_PORT, _SENTINEL_PORT = 6379, 26_379


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to a server; nobody in particular if both are empty."""

    user: str = ""
    password: str = field(default="", repr=False)

    def words(self) -> list[tuple[str, ...]]:
        """Return the commands that say so."""
        if self.user:
            return [("AUTH", self.user, self.password)]
        return [("AUTH", self.password)] if self.password else []


@dataclass(frozen=True, slots=True, repr=False)
class RedisAddress:
    """What a URL says; `hosts` are the server, sentinels, or nodes of a cluster, `service` is for sentinels."""

    kind: Literal["single", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...]
    path: str | None
    database: int
    service: str
    us: Credentials
    us_to_sentinels: Credentials
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str) -> "RedisAddress":
        """Read a URL; raises `ConfigError`, without a secret, for what is no such address."""
        parts = _split(url)
        kind, query = _KINDS[parts.scheme], dict(parse_qsl(parts.query, keep_blank_values=True))
        _validate(query, tls=parts.scheme.startswith("rediss"), sentinels=kind == "sentinel")
        path = unquote(parts.path) if parts.scheme == "unix" else None
        service, database = _path_of(parts.path, query, kind, own=path is not None)
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        return cls(
            kind,
            () if path is not None else tuple(_hosts(parts, _SENTINEL_PORT if kind == "sentinel" else _PORT)),
            path,
            database,
            service,
            Credentials(unquote(user), unquote(password)),
            Credentials(query.get("sentinel_username", ""), query.get("sentinel_password", "")),
            _tls(query) if parts.scheme.startswith("rediss") else None,
        )

    def greeting(self) -> list[tuple[str | int, ...]]:
        """Return the commands to send first to the server itself."""
        return [*self.us.words(), *([("SELECT", self.database)] if self.database else [])]


def tagged(prefix: str, kind: str) -> str:
    """Return what keys begin with: in a cluster they must lie in one slot, which a part in braces names."""
    return prefix if kind != "cluster" or "{" in prefix else f"{{{prefix}}}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigError("must have an address in its brackets, such as [::1]") from None
    parts = parts._replace(scheme=_SAME.get(parts.scheme, parts.scheme))
    if parts.scheme not in _KINDS:
        raise ConfigError(f"must be {_EXAMPLE}, rediss://, unix://, redis+sentinel:// or redis+cluster://")
    if parts.fragment or "@" in parts.path:
        raise ConfigError("must have # / ? and @ of its password percent-encoded, such as %23")
    return parts


def _validate(query: Mapping[str, str], *, tls: bool, sentinels: bool) -> None:
    for name in query:
        if name not in _KNOWN:
            raise ConfigError(f"must not have the parameter {name!r}; known are {', '.join(_KNOWN)}")
        if name in _OF_TLS and not tls:
            raise ConfigError(f"must begin with rediss:// where {name} is said")
        if name in _OF_SENTINELS and not sentinels:
            raise ConfigError(f"must begin with redis+sentinel:// where {name} is said")


def _hosts(parts: SplitResult, port: int) -> list[tuple[str, int]]:
    found = [_HOST.fullmatch(one) for one in parts.netloc.rpartition("@")[2].split(",")]
    hosts = [(one[1].strip("[]") or "localhost", int(one[2] or port)) for one in found if one is not None]
    several = parts.scheme.endswith(("+sentinel", "+cluster"))
    if len(hosts) < len(found) or any(not 0 < number < 65_536 for _, number in hosts):
        raise ConfigError("must have hosts with ports from 1 to 65535, such as redis.example.com:6379")
    if len(hosts) > 1 and not several:
        raise ConfigError("must have one host, or begin with redis+sentinel:// or redis+cluster://")
    return hosts


def _path_of(path: str, query: Mapping[str, str], kind: str, *, own: bool) -> tuple[str, int]:
    """Return the name by which sentinels know the server, and the number of its database."""
    first, _, rest = ("" if own else path.strip("/")).partition("/")
    service, said = (
        (unquote(first), rest) if kind == "sentinel" else ("", f"{first}/{rest}" if rest else first)
    )
    database = query.get("db") or said or "0"
    if kind == "sentinel" and not service:
        raise ConfigError("must name the server as its sentinels do: redis+sentinel://host:26379/name/0")
    if not re.fullmatch(r"[0-9]{1,4}", database):
        raise ConfigError("must end in the number of its database, as in /0")
    if kind == "cluster" and int(database):
        raise ConfigError("must have no database but 0: a cluster has no others")
    return service, int(database)


def _tls(query: Mapping[str, str]) -> ssl.SSLContext:
    roots, own, key = (query.get(name) for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"))
    checks = query.get("ssl_check_hostname", "true").lower()
    if checks not in {"true", "false"}:
        raise ConfigError("must have true or false as ssl_check_hostname")
    if key and not own:
        raise ConfigError("must have ssl_certfile where ssl_keyfile is said")
    try:
        _must_be_files(roots)
        context = ssl.create_default_context(cafile=roots)
    except OSError:  # `ssl.SSLError` is one
        raise ConfigError(f"must have as ssl_ca_certs a file of certificates, not {roots!r}") from None
    try:
        if own:
            _must_be_files(own, key)
            # Without a word, a key that has one asks whoever sits at the terminal for it.
            context.load_cert_chain(own, key, password=b"")
    except OSError:
        raise ConfigError(
            f"must have as ssl_certfile and ssl_keyfile a certificate and its key, not {own!r}"
        ) from None
    context.check_hostname = checks == "true"
    return context


def _must_be_files(*paths: str | None) -> None:
    """Raise `OSError` for what is no file: a pipe would be waited at for ever."""
    for path in filter(None, paths):
        if not os.path.isfile(path):  # noqa: PTH113 - no error of its own
            raise FileNotFoundError(path)
