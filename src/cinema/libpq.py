"""Addresses of PostgreSQL as providers hand them out: libpq's parameters, in the words of the driver.

postgresql://user:password@host/db?sslmode=require&application_name=cinema
postgresql://user:password@one:5432,two:5432/db?target_session_attrs=read-write

The driver does neither channel binding nor GSSAPI: what only allows them is let pass, what demands them is refused.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from stagedoor._plain_file import read_plain

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["KNOWN", "arguments_of", "is_certificates", "one_host", "wrong_address", "wrong_parameter"]

_LARGEST: Final = 2**24  # octets: those of the system hold a quarter of a megabyte
_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SESSIONS: Final = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
_OWN_SETTINGS: Final = frozenset(
    {"application_name", "options", "search_path", "statement_timeout", "timezone"}
)
# The driver's own words pass as they are; SQLAlchemy takes the hosts out by itself.
_DRIVERS: Final = frozenset(
    {
        "ssl",
        "timeout",
        "command_timeout",
        "target_session_attrs",
        "prepared_statement_cache_size",
        "host",
        "port",
    }
)
_WORDS: Final = {
    "ssl": _MODES,
    "sslmode": _MODES,
    "target_session_attrs": _SESSIONS,
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
}
_WHOLE: Final = {
    "command_timeout": "seconds",
    "connect_timeout": "seconds",
    "timeout": "seconds",
    "prepared_statement_cache_size": "statements",
}
# What changes nothing that can be seen here: the driver keeps connections alive, and names servers, by itself.
_WITHOUT_EFFECT: Final = frozenset(
    {
        "channel_binding",
        "fallback_application_name",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    }
)
_TLS: Final = frozenset({"sslmode", "sslrootcert"})
KNOWN: Final = tuple(sorted({"connect_timeout", *_TLS, *_OWN_SETTINGS, *_DRIVERS, *_WITHOUT_EFFECT}))
_HOSTS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.%-]*)(?::([0-9]{1,5}))?", re.ASCII)


def wrong_address(rest: str) -> str | None:
    """Return what is wrong with an address behind its scheme; None if it can be understood."""
    try:
        parts = urlsplit(f"postgresql://{rest}")
    except ValueError:  # brackets that are no IPv6
        return "must have an address in its brackets, such as [::1]"
    if parts.fragment or "@" in parts.path:
        return "must have # / ? and @ of its password percent-encoded, such as %23"
    hosts = parts.netloc.rpartition("@")[2].split(",")
    found = [_HOSTS.fullmatch(host) for host in hosts]
    if not all(one and int(one[1] or 1) in range(1, 65_536) for one in found):
        return "must have hosts with ports from 1 to 65535, such as db.example.com:5432"
    return wrong_parameter(parts.query)


def wrong_parameter(query: str) -> str | None:
    """Return what is wrong with the parameters of an address; None if all can be understood."""
    for name, said in parse_qsl(query, keep_blank_values=True):
        if name not in KNOWN:
            return f"must not have the parameter {name!r}; known are {', '.join(KNOWN)}"
        if name in _WORDS and said not in _WORDS[name]:
            return f"must have as {name} one of {', '.join(_WORDS[name])}"
        if name in _WHOLE and not re.fullmatch(r"[0-9]{1,9}", said):
            return f"must have a {name} of whole {_WHOLE[name]}"
        if name == "sslrootcert" and said != "system" and not is_certificates(Path(said)):
            return f"must have as sslrootcert the word system, or a file of certificates, not {said!r}"
    return None


def is_certificates(path: Path) -> bool:
    """Tell whether a file holds certificates."""
    try:
        return b"-----BEGIN CERTIFICATE-----" in read_plain(path, _LARGEST)
    except (OSError, ValueError):
        return False


def one_host(rest: str) -> str:
    """Return an address behind its scheme in the form that SQLAlchemy reads: several hosts are parameters to it."""
    parts = urlsplit(f"postgresql://{rest}")
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return rest
    each = [f"host={quote(host if ':' in host else f'{host}:5432', safe=':[]')}" for host in hosts.split(",")]
    return f"{user}{at}{parts.path}?{'&'.join([*each, *filter(None, [parts.query])])}"


def arguments_of(
    query: Mapping[str, str | tuple[str, ...]],
) -> tuple[dict[str, str | tuple[str, ...]], Mapping[str, Any]]:
    """Return the parameters of an address that the driver knows itself, and what it is given for the others."""
    said = {name: value if isinstance(value, str) else value[-1] for name, value in query.items()}
    arguments: dict[str, Any] = {}
    if _TLS & set(said):
        arguments["ssl"] = _tls(said.get("sslmode", "prefer"), said.get("sslrootcert", ""))
    if int(said.get("connect_timeout", "0")):
        arguments["timeout"] = float(said["connect_timeout"])
    own = {name: said[name] for name in sorted(_OWN_SETTINGS & set(said))}
    if own:
        arguments["server_settings"] = own
    return {name: value for name, value in query.items() if name in _DRIVERS}, arguments


def _tls(mode: str, roots: str) -> "SSLContext | str":
    """Return what the driver is told of TLS; libpq verifies wherever it is given roots, and so do we."""
    if mode == "disable" or not (roots or mode.startswith("verify")):
        return mode
    import ssl  # noqa: PLC0415 - only where it is wanted

    own = Path.home() / ".postgresql" / "root.crt"
    file = roots or (str(own) if own.exists() else "system")
    context = ssl.create_default_context(cafile=None if file == "system" else file)
    context.check_hostname = (
        mode == "verify-full" or roots == "system"
    )  # libpq: system roots are weak without it
    return context
