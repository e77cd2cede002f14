"""Every fault: whose it is, what does it, and by which words its cause is known."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.deep.faults.afflictions import (
    Happens,
    certified,
    cut_off,
    database_is_locked,
    disk_is_full,
    disk_is_read_only,
    garbled,
    hung,
    killed,
    leads_elsewhere,
    moved,
    named,
    password_is_wanted,
    redis_is_crowded,
    redis_told,
    sql_told,
    weather,
)
from tests.servers import LOOPBACK

__all__ = ["FAULTS", "Fault"]

_DATABASE = (
    "user_service",
    "order_service",
    "product_service",
    "memes_service",
    "database",
    "memes-service",
    "product-service",
)


_TELLING = {"store_failed", "upstream_failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `told` is what the log's line must match, `health` what the detail must; `also` may be ill with it."""

    name: str
    happens: Happens
    label: str  # the backend, as metrics and health call it
    told: str
    reasons: Sequence[str]  # any of these is what metrics may call it
    health: str | None
    service: str = ""  # whom the log's line names, if that is another: what stands behind the backend
    component: str = ""  # which part of /health says it, if that is another
    also: Sequence[str] = ()
    needs_rights: bool = False
    seconds: float = 2.7  # how long it stays

    @property
    def concerned(self) -> set[str]:
        """Return whom log, metrics and health may name."""
        return {self.label, self.service or self.label, *self.also}

    def is_told_by(self, line: Mapping[str, Any]) -> bool:
        """Tell whether a line of a log names backend and cause."""
        said = f"{line.get('reason', '')}: {line.get('detail', '')}"
        names = line.get("event") in _TELLING and line.get("service") == (self.service or self.label)
        return names and bool(re.search(self.told, said))


_LABELS = {
    "users": "user_service",
    "orders": "order_service",
    "products": "product_service",
    "memes": "memes_service",
    "media": "media_service",
    "ghibli": "ghibli_api",
    "redis": "redis",
    "search": "search",
}
_REFUSED, _LATE, _GARBLED = (
    "refused the connection",
    "in time|timeout|not answering",
    "understood|not an answer",
)


def of(
    name: str, what: str, happens: Happens, told: str, reasons: str, health: str = "", **more: Any
) -> Fault:
    """Return a fault of a backend of ours."""
    also = tuple(more.pop("also", ()))
    if name == "memes":
        also += ("database",)  # of which health hears by memes
    if name == "media":
        also += ("memes_service", "media", "database")  # memes puts pictures there
    return Fault(
        name=f"{name} {what}",
        label=_LABELS[name],
        happens=happens,
        told=told,
        reasons=reasons.split(),
        health=health or told,
        also=also,
        **more,
    )


def database(what: str, happens: Happens, told: str, label: str = "user_service", **more: Any) -> Fault:
    """Return a fault of the database, which services tell of and the gateway hears of."""
    return Fault(
        name=f"database {what}", label=label, service="database", happens=happens, told=told,
        reasons=more.pop("reasons", ("unavailable", "timeout")),
        health=more.pop("health", told), also=_DATABASE, component="database", **more,
    )  # fmt: skip


def store(what: str, happens: Happens, told: str, label: str = "media_service", **more: Any) -> Fault:
    """Return a fault of where pictures lie."""
    also = ("memes_service", "media", "media_service", "database")
    return Fault(
        name=f"store {what}", label=label, service="media_store", happens=happens, told=told,
        reasons=more.pop("reasons", ("unavailable", "timeout", "garbled")), also=also,
        health=more.pop("health", told), **more,
    )  # fmt: skip


_TLS = {
    "expired": "its certificate has expired",
    "named": "its certificate is for another name",
    "unknown": "its certificate is of an authority that is not known",
    "plain": "it speaks no TLS",
}
_NO_NAME = "its name cannot be resolved"
_CROWD = ("ALTER ROLE cinema CONNECTION LIMIT 0", "ALTER ROLE cinema CONNECTION LIMIT -1")
_READ_ONLY = "default_transaction_read_only"
_ENDED = "\r\nCLIENT KILL TYPE normal SKIPME yes"


def tls(name: str, kind: str) -> Fault:
    return of(name, f"certificate {kind}", certified(name, kind), _TLS[kind], "unavailable")


def redis(what: str, words: str, after: str, told: str) -> Fault:
    return of("redis", what, redis_told(words, after), told, "unavailable")


# In an order in which no cause of a backend comes again within its minute.
_ON_SERVERS = [
    of("users", "killed", killed("users"), _REFUSED, "unavailable"),
    of("orders", "hung", hung("orders"), _LATE, "timeout"),
    of("products", "slow", weather("products", latency=1.2), _LATE, "timeout"),
    tls("ghibli", "expired"),
    of("redis", "killed", killed("redis"), "refused|lost", "unavailable", "not answering"),
    of("memes", "hung", hung("memes"), _LATE, "timeout"),
    of("orders", "garbled", garbled("orders"), _GARBLED, "garbled"),
    of(
        "users",
        "cut",
        weather("users", cut_after=200, reset=True),
        "reset|before the end",
        "unavailable garbled",
    ),
    of("redis", "hung", hung("redis"), _LATE, "timeout"),
    tls("ghibli", "named"),
    of("media", "killed", killed("media"), _REFUSED, "unavailable"),
    of("redis", "garbled", garbled("redis"), "understood", "garbled"),
    of("memes", "killed", killed("memes"), _REFUSED, "unavailable"),
    tls("ghibli", "unknown"),
    redis("full", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "out of memory"),
    of("media", "hung", hung("media"), _LATE, "timeout", seconds=6.5),  # a picture may take five
    tls("ghibli", "plain"),
    redis("read only", f"REPLICAOF {LOOPBACK} 1", "REPLICAOF NO ONE", "can only be read"),
    of("media", "cut", weather("media", cut_after=200, reset=True), "closed|reset", "garbled unavailable"),
    redis(
        "wants a password",
        f"CONFIG SET requirepass x{_ENDED}",
        "AUTH x\r\nCONFIG SET requirepass ''",
        "password",
    ),
    of("ghibli", "hung", hung("ghibli"), _LATE, "timeout"),
    tls("redis", "expired"),
    of("ghibli", "garbled", garbled("ghibli"), _GARBLED, "garbled"),
    tls("redis", "unknown"),
    of("users", "not resolved", named("users", None), _NO_NAME, "unavailable", needs_rights=True),
    of("redis", "not resolved", named("redis", None), _NO_NAME, "unavailable", needs_rights=True),
    of("redis", "slow", weather("redis", latency=0.6), _LATE, "timeout"),
    of("redis", "crowded", redis_is_crowded, "clients", "unavailable"),
    of("users", "resolved wrongly", named("users", "127.0.0.77"), _REFUSED, "unavailable", needs_rights=True),
    database("killed", killed("postgres"), _REFUSED),
    store("killed", killed("s3"), _REFUSED),
    database("hung", hung("postgres"), _LATE, health=_LATE),
    store("hung", hung("s3"), _LATE, health=_LATE, seconds=6.5),
    database("crowded", sql_told(*_CROWD), "too many connections"),
    store("garbled", garbled("s3"), _GARBLED),
    database("wants a password", password_is_wanted, "password"),
    database("garbled", garbled("postgres"), "understood|no PostgreSQL|closed"),
    store("full", leads_elsewhere("s3", lambda ground: ground.full_store), "disk is full"),
    database("not resolved", named("postgres", None), _NO_NAME, needs_rights=True),
    database(
        "read only",
        sql_told(f"ALTER ROLE cinema SET {_READ_ONLY} = on", f"ALTER ROLE cinema RESET {_READ_ONLY}"),
        "can only be read",
        label="memes_service",
        health=None,
    ),
]
_EMBEDDED = [
    store("full", disk_is_full, "disk is full", needs_rights=True, reasons=()),
    store("read only", disk_is_read_only, "only be read", needs_rights=True, reasons=()),
    store("away", moved("media"), "folder is not there"),
    database("locked", database_is_locked, "timeout|locked", label="memes_service", health=None, reasons=()),
]
_NODE = [
    of("search", "cut off", cut_off("search"), _REFUSED, "unavailable"),
    of("search", "hung", hung("search"), _LATE, "timeout"),
    of("search", "garbled", garbled("search"), _GARBLED, "garbled"),
    of("search", "slow", weather("search", latency=1.2), _LATE, "timeout"),
    # What cannot be understood is of one kind, whatever it is.
    of(
        "search",
        "cut",
        weather("search", cut_after=300, reset=True),
        "before the end|garbled",
        "garbled",
        "before the end",
    ),
]
FAULTS: Mapping[str, Sequence[Fault]] = {"servers": _ON_SERVERS, "embedded": _EMBEDDED, "node": _NODE}
