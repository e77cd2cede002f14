"""Settings of a gateway: as arguments, or from the environment under the gateway's name.

    SHOP_PORT=8000   SHOP_REDIS_URL=redis://...   SHOP_RATE_LIMIT=100/60   SHOP_ACCOUNTS_URL=http://...

Each has a default that production can live with. A value that cannot work is a `ConfigError` with the setting's name.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from stagedoor._cache.redis_address import RedisAddress
from stagedoor._face.service_links import is_service_link
from stagedoor._observers.logs import Format, Level
from stagedoor._web.cors import is_origin
from stagedoor._web.throttle import Quota
from stagedoor.errors import ConfigError

__all__ = ["RESERVED", "Setting", "Settings", "listed", "prefix_of", "settings_from", "url_from"]

_RATE = re.compile(r"([0-9]{1,9})/([0-9]{1,6})")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]{2,45}\]")
_PREFIX = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9._-]*(?:\{[A-Za-z0-9._-]+\}[A-Za-z0-9._-]*)?")
_VISIBLE = re.compile(r"[!-~]+")
_PATH = re.compile(r"/[\w/.{}:~-]*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where to listen, stores, limits, origins, proxies, logs: as arguments, or from the environment.

    `rate_limit` is `requests/seconds` per client, "" for none; `rate_limits` are further ones of single routes, as in
    `/search=60/60`, counted apart. `redis_url` "" keeps answers in memory only.
    `redis_prefix` is what keys begin with, the gateway's name unless given; `redis_timeout` is seconds.
    `trusted_proxies` are addresses and networks whose word on the client counts. `trusted_hosts` are the names under
    which it is served, any if empty: a request for another is 421, but for health and metrics. `max_connections` and
    `connections_per_client` bound the door. `cache_bytes` is what answers may take in memory; with `near_cache` the
    door gives kept answers again by itself, with `compression` text and JSON leave compressed where they may.
    `docs_only` serves documents, health and what asks no service; all else is 503, and nothing is opened. `sentry_dsn`
    is told of errors of ours, and of a share of all requests (`sentry_traces_rate`, 0 to 1). Raises `ConfigError`.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    redis_url: str = field(default="", repr=False)  # it may hold a password
    redis_prefix: str = ""
    redis_timeout: float = 0.05
    rate_limit: str = ""
    rate_limits: Sequence[str] = ()
    cors_origins: Sequence[str] = ()
    trusted_proxies: Sequence[str] = ()
    trusted_hosts: Sequence[str] = ()
    log_level: str = "info"
    log_format: str = "json"
    log_sample: float = 1.0
    metrics: bool = True
    max_connections: int = 10_000
    connections_per_client: int = 0
    cache_bytes: int = 64 * 2**20
    near_cache: bool = True
    compression: bool = True
    docs_only: bool = False
    sentry_dsn: str = field(default="", repr=False)  # it may hold a key
    sentry_environment: str = ""
    sentry_traces_rate: float = 0.0

    def __post_init__(self) -> None:
        for one in _SETTINGS:
            _checked(one, getattr(self, one.name), f"Settings({one.name}=...)")

    @property
    def level(self) -> Level:
        """Return the least level that is logged."""
        level: Level = self.log_level.upper()  # type: ignore[assignment]
        return level

    @property
    def form(self) -> Format:
        """Return how lines are written."""
        form: Format = self.log_format  # type: ignore[assignment]
        return form

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the proxies that are believed."""
        return networks_of(self.trusted_proxies)

    @property
    def quota(self) -> Quota | None:
        """Return the limit per client; None if there is none."""
        found = _RATE.fullmatch(self.rate_limit)
        return None if found is None else Quota(requests=int(found[1]), seconds=int(found[2]))

    @property
    def quotas(self) -> tuple[Quota, ...]:
        """Return the further limits, each named by the path of its route."""
        said = [one.rpartition("=") for one in self.rate_limits]
        rates = [(path, rate.partition("/")) for path, _, rate in said]
        return tuple(
            Quota(requests=int(requests), seconds=int(seconds), name=path.rstrip("/") or "/")
            for path, (requests, _, seconds) in rates
        )


@dataclass(frozen=True)
class Setting:
    """One setting: how it is read, what it must be, what it is for."""

    name: str
    read: Callable[[str], Any]
    is_instance: Callable[[Any], bool]
    wanted: str
    meaning: str


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else -1


def _decimal(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else -1


def _each(good: Callable[[str], bool]) -> Callable[[Any], bool]:
    """Return what tells whether something is a list of texts that are each good."""
    return lambda texts: (
        isinstance(texts, list | tuple | frozenset | set)
        and all(isinstance(text, str) and good(text) for text in texts)
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _switch(text: str) -> bool | None:
    return {
        "true": True,
        "1": True,
        "on": True,
        "yes": True,
        "false": False,
        "0": False,
        "off": False,
        "no": False,
    }.get(text.lower())


def _is_rate(text: Any) -> bool:  # noqa: ANN401 - whatever was given
    found = _RATE.fullmatch(text) if isinstance(text, str) else None
    return text == "" or (found is not None and int(found[1]) > 0 and int(found[2]) > 0)


def _are_rates(texts: Any) -> bool:  # noqa: ANN401 - whatever was given
    if not _each(bool)(texts):
        return False
    said = [text.rpartition("=") for text in texts]
    paths = [path.rstrip("/") for path, _, _ in said]
    each = all(_PATH.fullmatch(path) and rate and _is_rate(rate) for path, _, rate in said)
    return each and len({*paths}) == len(paths)


def _are_networks(texts: Any) -> bool:  # noqa: ANN401 - whatever was given
    try:
        return _each(lambda text: ip_network(text) is not None)(texts)
    except ValueError:
        return False


def networks_of(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return addresses and networks; raises `ValueError` for what is none."""
    return tuple(ip_network(text) for text in texts)


def is_host(text: str) -> bool:
    """Tell whether a text is a host as `Host` names it, without a port: a name, an IPv4 address, or [IPv6]."""
    return _HOST.fullmatch(text) is not None


def is_host_or_address(text: Any) -> bool:  # noqa: ANN401 - whatever was given
    """Tell whether a text is an IP address without brackets, or can be the name of a host."""
    if not isinstance(text, str):
        return False
    try:
        ip_address(text)
    except ValueError:
        # Digits and dots alone that are no address are none, and no name either (RFC 1123 2.1): 999.1.1.1.
        return (
            _HOST.fullmatch(text) is not None and re.search(r"[A-Za-z_]", text) is not None and text[0] != "["
        )
    return True


def is_redis_prefix(text: Any) -> bool:  # noqa: ANN401 - whatever was given
    """Tell whether keys may begin with a text; one part of it may stand in braces, which a cluster keeps together."""
    return isinstance(text, str) and _PREFIX.fullmatch(text) is not None


def _is_redis(text: Any) -> bool:  # noqa: ANN401 - whatever was given
    """Tell whether a text is the address of a Redis, or empty; raises `ConfigError` for one that is nearly one."""
    return text == "" or (isinstance(text, str) and RedisAddress.of(text) is not None)


def _is_between(least: float, most: float) -> Callable[[Any], bool]:
    return lambda one: isinstance(one, int | float) and not isinstance(one, bool) and least <= one <= most


def _is_whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda number: isinstance(number, int) and not isinstance(number, bool) and least <= number <= most


def _among(names: Iterable[str]) -> Callable[[Any], bool]:
    known = frozenset(names)
    return lambda text: isinstance(text, str) and text.lower() in known


def _switched(name: str, meaning: str) -> Setting:
    return Setting(name, _switch, lambda one: isinstance(one, bool), "true or false", meaning)


_LEVELS: Final = tuple(level.lower() for level in get_args(Level))
_SETTINGS: Final = (
    Setting(
        "host",
        str,
        is_host_or_address,
        "an address or a name of this machine, such as 127.0.0.1, 0.0.0.0 or ::",
        "the address to listen on",
    ),
    Setting("port", _number, _is_whole(0, 65_535), "a port from 0 to 65535", "the port to listen on"),
    Setting(
        "redis_url",
        str,
        _is_redis,
        "redis://host:port/0, or empty",
        "where processes share answers and limits",
    ),
    Setting(
        "redis_prefix",
        str,
        lambda text: text == "" or is_redis_prefix(text),
        "at most 64 letters, digits, dots, hyphens or underscores, such as shop or {shop}",
        "what keys in Redis begin with; the gateway's name if empty",
    ),
    Setting(
        "redis_timeout",
        _decimal,
        _is_between(0.001, 600.0),
        "seconds, 0.001 or more",
        "how long Redis may take",
    ),
    Setting("rate_limit", str, _is_rate, "requests/seconds such as 100/60, or empty", "the limit per client"),
    Setting(
        "rate_limits",
        _list,
        _are_rates,
        "a list such as /search=60/60,/orders/{id}=10/60, each path once",
        "further limits of single routes, counted apart",
    ),
    Setting(
        "cors_origins",
        _list,
        _each(is_origin),
        "exact origins such as https://app.example.com, separated by commas",
        "whose pages may read answers",
    ),
    Setting(
        "trusted_proxies",
        _list,
        _are_networks,
        "addresses or networks such as 10.0.0.0/8, separated by commas",
        "who is believed about the client's address",
    ),
    Setting(
        "trusted_hosts",
        _list,
        _each(is_host),
        "names of hosts such as shop.example.com, without ports, separated by commas",
        "the names under which it is served; a request for another is 421",
    ),
    Setting(
        "log_level", str.lower, _among(_LEVELS), f"one of {', '.join(_LEVELS)}", "the least that is logged"
    ),
    Setting("log_format", str.lower, _among(get_args(Format)), "json or text", "how lines are written"),
    Setting(
        "log_sample", _decimal, _is_between(0.0, 1.0), "a share from 0 to 1", "of ordinary requests, logged"
    ),
    _switched("metrics", "whether /metrics is served"),
    Setting("max_connections", _number, _is_whole(1, 10**6), "1 or more", "connections of all clients"),
    Setting(
        "connections_per_client", _number, _is_whole(0, 10**6), "0 (no bound) or more", "connections of one"
    ),
    Setting(
        "cache_bytes", _number, _is_whole(2**16, 2**53), "bytes, 65536 or more", "what kept answers may take"
    ),
    _switched("near_cache", "whether the door gives kept answers again by itself"),
    _switched("compression", "whether text and JSON leave compressed where they may"),
    _switched("docs_only", "serve documents, and no data"),
    Setting(
        "sentry_dsn",
        str,
        lambda text: isinstance(text, str),
        "an address, or empty",
        "who is told of our errors",
    ),
    Setting(
        "sentry_environment", str, lambda text: isinstance(text, str), "a name", "which installation this is"
    ),
    Setting(
        "sentry_traces_rate", _decimal, _is_between(0.0, 1.0), "0 to 1", "the share of requests that is told"
    ),
)
_SECRET: Final = frozenset({"redis_url", "sentry_dsn"})  # they may hold a password
RESERVED: Final = frozenset(
    {*(one.name for one in _SETTINGS), *(one.name.removesuffix("_url") for one in _SETTINGS)}
)


def _checked(one: Setting, said: Any, name: str) -> Any:  # noqa: ANN401 - of the setting's type
    try:
        good = one.is_instance(said)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    if not good:
        shown = "the value" if one.name in _SECRET else repr(said)
        raise ConfigError(f"{name}: {shown} must be {one.wanted}")
    return said


def prefix_of(name: str) -> str:
    """Return what the names of a gateway's settings begin with."""
    return name.upper().replace("-", "_") + "_"


def settings_from(env: Mapping[str, str], name: str, given: Settings | None) -> Settings:
    """Return the settings of a gateway; those given replace the environment. Raises `ConfigError`."""
    if given is not None:
        return given
    prefix, found = prefix_of(name), dict[str, Any]()
    for one in _SETTINGS:
        variable = prefix + one.name.upper()
        said = env.get(variable)
        if not said or is_service_link(variable, said):  # empty means unset
            continue
        read = one.read(said)
        found[one.name] = _checked(one, said if read in {-1, None} else read, variable)
    return replace(Settings(), **found)


def url_from(env: Mapping[str, str], gateway: str, service: str, default: str) -> str:
    """Return a service's address; "" if nothing says one. Raises `ConfigError` for what is no URL."""
    variable = f"{prefix_of(gateway)}{service.upper()}_URL"
    said = env.get(variable, "")
    where, url = (variable, said) if said else (f"service {service!r}", default)
    if url:
        validate_url(url, where)
    return url


def validate_url(url: str, where: str) -> None:
    """Raise `ConfigError` unless a text is the address of a service, without its secrets in the message."""
    if url.startswith("unix:/"):
        return
    try:
        parts = urlsplit(url)
        good = (
            _VISIBLE.fullmatch(url) is not None
            and parts.scheme in {"http", "https"}
            and is_host_or_address(parts.hostname)
            and parts.port != 0
            and not parts.query
            and not parts.fragment
        )
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"{where}: {url.rpartition('@')[2]!r} is no address; one is http://host:port")


def listed(name: str, services: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Return name, default and meaning of every setting of a gateway."""
    prefix, defaults = prefix_of(name), Settings()
    shown = {one.name: getattr(defaults, one.name) for one in fields(Settings)}
    rows = [(f"{prefix}{one.name.upper()}", _spelled(shown[one.name]), one.meaning) for one in _SETTINGS]
    return [
        *((f"{prefix}{service.upper()}_URL", url, f"the address of {service}") for service, url in services),
        *rows,
    ]


def _spelled(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)
