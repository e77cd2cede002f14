"""What the value of a setting must be: each returns it as it is used, or raises `ValueError` saying what is right."""

import os
import re
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlencode, urlsplit

from cinema.libpq import is_certificates, one_host, wrong_address
from stagedoor._cache.redis_address import RedisAddress
from stagedoor._face.settings import is_host_or_address, is_redis_prefix
from stagedoor._web.cors import is_origin
from stagedoor.errors import ConfigError

__all__ = [
    "bucket",
    "database_url",
    "dsn",
    "host",
    "hosts",
    "http_url",
    "items",
    "networks",
    "one_line",
    "origins",
    "place",
    "rate",
    "rates",
    "redis_prefix",
    "redis_url",
    "replaceable",
    "token",
    "upper",
    "user",
    "with_authorities",
]


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises here, not at first use, if it is no port number
    except ValueError:
        return None
    return parts


# Surrogates are how Python tells octets of the environment that are no UTF-8.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def one_line(value: object) -> object:
    """Return whatever may be a value at all: what says nothing, or holds what nobody sees, was not meant."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise ValueError("must not be blank; leave it empty for its default")
    if _UNSEEN.search(value):
        raise ValueError("must be one line of text, without control characters")
    return value


_VISIBLE = re.compile(r"[!-~]+")


def http_url(value: str) -> str:
    """Return the address of a service, without a last slash."""
    parts = _split(value)
    if (
        parts is None
        or not _VISIBLE.fullmatch(value)
        or "?" in value
        or "#" in value
        or parts.scheme not in {"http", "https"}
        or not is_host_or_address(parts.hostname)
        or parts.port == 0
    ):
        raise ValueError("must be an address such as http://127.0.0.1:8001")
    if parts.username is not None:
        raise ValueError("must not carry a user name or password")
    return value.rstrip("/")


def redis_url(value: str) -> str:
    """Return the address of a Redis."""
    try:
        RedisAddress.of(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return value


def redis_prefix(value: str) -> str:
    """Return what keys begin with."""
    if not is_redis_prefix(value):
        raise ValueError(
            "must be 1 to 64 letters, digits, dots, hyphens or underscores, such as cinema or {cinema}"
        )
    return value


# The driver is always written out: SQLAlchemy 2.1 takes a bare postgresql:// for psycopg 3.
_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}


def database_url(value: str) -> str:
    """Return the address of a database with the driver that is used for it."""
    scheme, mark, rest = value.strip().partition("://")
    driver = _DRIVERS.get(scheme)
    if driver is None or not mark or not rest:
        raise ValueError(
            "must be sqlite+aiosqlite:///path or postgresql+asyncpg://user:password@host/database"
        )
    if driver.startswith("sqlite"):
        return f"{driver}://{_sqlite_path(rest)}"
    wrong = wrong_address(rest)
    if wrong is not None:
        raise ValueError(wrong)
    return f"{driver}://{one_host(rest)}"


def _sqlite_path(rest: str) -> str:
    if not rest.startswith("/") or rest == "/" or ":memory:" in rest:
        raise ValueError(
            "must name a file that several processes can open, such as sqlite+aiosqlite:///./data/cinema.db"
        )
    place(Path(rest.removeprefix("/")))
    if "?" in rest:
        raise ValueError("must have no parameters where it names a file")
    return rest


def items(value: str) -> tuple[str, ...]:
    """Return the parts of a list with commas."""
    return tuple(item.strip() for item in value.split(",") if item.strip())


def origins(value: str) -> str:
    """Return exact origins."""
    if not all(map(is_origin, items(value))):
        raise ValueError("must be exact origins, comma-separated, such as https://app.example.com")
    return value


def host(value: str) -> str:
    """Return an address to listen on."""
    if not is_host_or_address(value):
        raise ValueError("must be an address or a name of this machine, such as 127.0.0.1, 0.0.0.0 or ::")
    return value


_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]{2,45}\]")


def hosts(value: str) -> str:
    """Return names of hosts."""
    if not all(map(_HOST.fullmatch, items(value))):
        raise ValueError("must be names of hosts without ports, comma-separated, such as cinema.example.com")
    return value


def networks(value: str) -> str:
    """Return addresses and networks."""
    for item in items(value):
        try:
            ip_network(item)
        except ValueError:
            raise ValueError(
                "must be addresses or networks, comma-separated, such as 10.0.0.1,10.1.0.0/16"
            ) from None
    return value


_PATH = re.compile(r"/[\w/.{}:~-]*", re.ASCII)
_RATE = re.compile(r"0|[1-9][0-9]{0,8}/[1-9][0-9]{0,5}", re.ASCII)


def rate(value: str) -> str:
    """Return a limit, or 0."""
    if not _RATE.fullmatch(value):
        raise ValueError("must be requests/seconds such as 12000/60, or 0 for no limit")
    return value


def rates(value: str) -> str:
    """Return the limits of single routes."""
    limits = [item.rpartition("=") for item in items(value)]
    paths = [path.rstrip("/") for path, _, _ in limits]
    if not all(_PATH.fullmatch(path) and said != "0" and _RATE.fullmatch(said) for path, _, said in limits):
        raise ValueError(
            "must be routes with requests/seconds, such as /memes=60/60,/api/v1/films/search=600/60"
        )
    if len({*paths}) != len(paths):
        raise ValueError("must name each route once")
    return value


_DSN = re.compile(r"https?://[^@/\s]+@[^@/\s]+/(?:\S+/)?[0-9]+", re.ASCII)


def dsn(value: str) -> str:
    """Return the address of a Sentry project, if its package is there."""
    if not _DSN.fullmatch(value):
        raise ValueError("must be an address such as https://key@sentry.example.com/1")
    if find_spec("sentry_sdk") is None:
        raise ValueError("must have the package sentry-sdk beside it: pip install stagedoor[sentry]")
    return value


def place(value: Path) -> Path:
    """Return the path of a file or folder."""
    if value.parts and value.parts[0].startswith("~"):
        raise ValueError("must be a path as it is: what ~ means only a shell knows")
    return value


def replaceable(value: Path) -> Path:
    """Return the path of a file that may be replaced."""
    # By `os.path`, which takes what may not be looked at for absent: that is for whoever writes it to find out.
    if not value.name or (os.path.exists(value) and not os.path.isfile(value)):  # noqa: PTH110, PTH113
        raise ValueError("must name a file that may be replaced, such as ./data/etl-state.json")
    return place(value)


_TOKEN = re.compile(r"[!-~](?:[ -~]*[!-~])?")


_BUCKET = re.compile(r"[A-Za-z0-9][\w.-]{0,254}", re.ASCII)


def bucket(value: str) -> str:
    """Return the name of a bucket or a region: it is a part of addresses."""
    if not _BUCKET.fullmatch(value):
        raise ValueError(
            "must be letters, digits, dots, hyphens and underscores, such as memes or eu-central-1"
        )
    return value


def with_authorities(url: str, file: str) -> str:
    """Return the address of a Redis that is believed by whom a file names."""
    if not url.startswith(("rediss", "valkeys")):
        raise ValueError("REDIS_CA_FILE: must have rediss:// in REDIS_URL beside it, which is TLS")
    if "ssl_ca_certs=" in url:
        raise ValueError("REDIS_CA_FILE: must not be set beside ssl_ca_certs in REDIS_URL")
    if not is_certificates(Path(file)):
        raise ValueError("REDIS_CA_FILE: must be a file of certificates, such as /etc/ssl/ca.pem")
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'ssl_ca_certs': file})}"


_USER = re.compile(r"[^:]+")


def user(value: str) -> str:
    """Return a user's name, as it is sent before a colon (RFC 7617 2)."""
    if not _USER.fullmatch(value):
        raise ValueError("must have no colon")
    return value


def token(value: str) -> str:
    """Return a secret that is sent in a header field: what is no ASCII would be read as other characters there."""
    if not _TOKEN.fullmatch(value):
        raise ValueError("must be ASCII characters that can be seen, such as openssl rand -hex 24 writes")
    return value


def upper(value: object) -> object:
    """Return a word in capitals."""
    return value.upper() if isinstance(value, str) else value
