"""Every fault: whose it is, what does it, and by which words its cause is known."""

import asyncio
import datetime as dt
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.chaos import CALM, Weather
from tests.deep.faults.ground import Ground, names
from tests.servers import LOOPBACK, ask

__all__ = ["FAULTS", "Fault"]

Happens = Callable[[Ground], AbstractAsyncContextManager[None]]
_DAY = dt.timedelta(days=1)
_DATABASE = (
    "user_service",
    "order_service",
    "product_service",
    "memes_service",
    "database",
    "memes-service",
    "product-service",
)


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

    @property
    def concerned(self) -> set[str]:
        """Return whom log, metrics and health may name."""
        return {self.label, self.service or self.label, *self.also}

    def is_told_by(self, line: Mapping[str, Any]) -> bool:
        """Tell whether a line of a log names backend and cause."""
        said = f"{line.get('reason', '')}: {line.get('detail', '')}"
        return line.get("service") == (self.service or self.label) and bool(re.search(self.told, said))


# --- what happens to processes -------------------------------------------------------------------------------------


def killed(name: str) -> Happens:
    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        one = ground.servers.get(name) or ground.platform[name]
        one.kill()
        await ground.proxies[name].down()
        yield
        one.begin()
        await asyncio.to_thread(one.until_up if name in ground.servers else one.until_ready)  # type: ignore[union-attr]
        await ground.proxies[name].up()

    return happens


def hung(name: str) -> Happens:
    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        if name in ground.servers:
            ground.servers[name].pause()
            yield
            ground.servers[name].resume()
        else:
            ground.platform[name].signal(signal.SIGSTOP)
            yield
            ground.platform[name].signal(signal.SIGCONT)

    return happens


# --- what happens on the way ---------------------------------------------------------------------------------------


def weather(name: str, **kinds: Any) -> Happens:
    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        proxy = ground.proxies[name]
        proxy.answers = Weather(**kinds)
        yield
        proxy.answers = CALM
        await proxy.reset()

    return happens


def leads_elsewhere(name: str, port: Callable[[Ground], int]) -> Happens:
    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        proxy = ground.proxies[name]
        target, proxy.target = proxy.target, port(ground)
        await proxy.reset()
        yield
        proxy.target = target
        await proxy.reset()

    return happens


garbled = partial(leads_elsewhere, port=lambda ground: ground.babble)


def certified(name: str, kind: str) -> Happens:
    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        proxy, context, now = ground.proxies[name], ground.contexts[name], dt.datetime.now(dt.UTC)
        match kind:
            case "expired":
                given = ground.authority.issue_cert(*names(), not_before=now - 9 * _DAY, not_after=now - _DAY)
            case "named":
                given = ground.authority.issue_cert("other.example")
            case _:
                given = ground.stranger.issue_cert(*names())
        given.configure_cert(context)
        if kind == "plain":
            await proxy.down()
            proxy.tls = None
            await proxy.up()
        await proxy.reset()
        yield
        ground.authority.issue_cert(*names()).configure_cert(context)
        if kind == "plain":
            await proxy.down()
            proxy.tls = context
            await proxy.up()
        await proxy.reset()

    return happens


def named(name: str, address: str | None) -> Happens:
    """Let its name stand for another address or none, where nobody is left at the one that was."""

    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        ground.name_stands_for(name, address)
        await ground.proxies[name].down()
        yield
        ground.name_stands_for(name, LOOPBACK)
        await ground.proxies[name].up()

    return happens


# --- what servers say ----------------------------------------------------------------------------------------------


def redis_told(*words: str, after: Sequence[str]) -> Happens:
    """Set something, and set it back: words as typed into its shell."""

    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        port = ground.servers["redis"].port
        for one in words:
            ask(port, one.encode() + b"\r\n")
        yield
        ask(port, "\r\n".join(after).encode() + b"\r\n")

    return happens


def sql_told(before: str, after: str) -> Happens:
    """Change what our user may, have his connections ended, and change it back."""
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'cinema'"

    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        for words in (before, end):
            await asyncio.to_thread(ground.sql, words)  # type: ignore[attr-defined]
        yield
        for words in (after, end):
            await asyncio.to_thread(ground.sql, words)  # type: ignore[attr-defined]

    return happens


@asynccontextmanager
async def password_is_wanted(ground: Ground) -> AsyncIterator[None]:
    """Have the database ask for a password that our user does not have."""
    server = ground.servers["postgres"]
    file = server.folder / "pg" / "pg_hba.conf"
    trusting = file.read_text()
    rows = f"host all postgres {LOOPBACK}/32 trust\nhost all all {LOOPBACK}/32 scram-sha-256\n"
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'cinema'"
    for said in (rows, trusting):
        file.write_text(said)
        server.processes()[0].send_signal(signal.SIGHUP)
        await asyncio.sleep(0.05)
        await asyncio.to_thread(ground.sql, end)  # type: ignore[attr-defined]
        if said is rows:
            yield


async def ran(*words: str, check: bool = True) -> None:
    await asyncio.to_thread(subprocess.run, words, capture_output=True, check=check)


# --- what happens to disks -----------------------------------------------------------------------------------------


@asynccontextmanager
async def disk_is_full(ground: Ground) -> AsyncIterator[None]:
    """Leave no octet on the disk that holds pictures, database and index."""
    fillers = [ground.folder / "disk" / f"filler{size}" for size in ("64k", "512")]
    for filler in fillers:
        size = filler.name.removeprefix("filler")
        await ran("dd", "if=/dev/zero", f"of={filler}", f"bs={size}", check=False)
    yield
    for filler in fillers:
        filler.unlink()


@asynccontextmanager
async def disk_is_read_only(ground: Ground) -> AsyncIterator[None]:
    folder = str(ground.folder / "disk" / "media")
    await ran("mount", "--bind", folder, folder)
    await ran("mount", "-o", "bind,remount,ro", folder)
    yield
    await ran("umount", "-l", folder)


def moved(name: str) -> Happens:
    """Put a file or folder of the disk out of the way."""

    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        there = ground.folder / "disk" / name
        there.rename(there.with_name("away"))
        yield
        if there.exists():
            there.rename(there.with_name(f"left-{name}"))
        there.with_name("away").rename(there)

    return happens


@asynccontextmanager
async def database_is_damaged(ground: Ground) -> AsyncIterator[None]:
    file = ground.folder / "disk" / "cinema.db"
    whole = file.read_bytes()
    with file.open("r+b") as out:
        out.write(b"no database any more" * 400)
    yield
    with file.open("r+b") as out:
        out.write(whole)


# --- the list ------------------------------------------------------------------------------------------------------

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
        reasons=("unavailable", "timeout"),
        health=more.pop("health", told), also=_DATABASE, component="database", **more,
    )  # fmt: skip


def store(what: str, happens: Happens, told: str, label: str = "media_service", **more: Any) -> Fault:
    """Return a fault of where pictures lie."""
    also = ("memes_service", "media", "media_service", "database")
    return Fault(
        name=f"store {what}", label=label, service="media_store", happens=happens, told=told,
        reasons=("unavailable", "timeout", "garbled"), health=more.pop("health", told), also=also, **more,
    )  # fmt: skip


_ON_SERVERS = [
    of("users", "killed", killed("users"), _REFUSED, "unavailable"),
    of("orders", "hung", hung("orders"), _LATE, "timeout"),
    of("products", "slow", weather("products", latency=1.2), _LATE, "timeout"),
    of(
        "ghibli",
        "certificate expired",
        certified("ghibli", "expired"),
        "certificate has expired",
        "unavailable",
    ),
    of("redis", "killed", killed("redis"), "refused|lost", "unavailable", "not answering"),
    of("memes", "hung", hung("memes"), _LATE, "timeout"),
    of("orders", "garbled", garbled("orders"), _GARBLED, "garbled"),
    of(
        "users",
        "cut mid-body",
        weather("users", cut_after=200, reset=True),
        "reset|closed before the end",
        "unavailable garbled",
    ),
    of("redis", "hung", hung("redis"), _LATE, "timeout"),
    of(
        "ghibli",
        "certificate of another",
        certified("ghibli", "named"),
        "certificate is for another name",
        "unavailable",
    ),
    of("media", "killed", killed("media"), _REFUSED, "unavailable"),
    of("redis", "garbled", garbled("redis"), "nonsense|understood|lost", "garbled unavailable"),
    of("memes", "killed", killed("memes"), _REFUSED, "unavailable"),
    of(
        "ghibli",
        "certificate unknown",
        certified("ghibli", "unknown"),
        "authority that is not known",
        "unavailable",
    ),
    of(
        "redis",
        "full",
        redis_told("CONFIG SET maxmemory 1", after=["CONFIG SET maxmemory 0"]),
        "memory|OOM",
        "unavailable",
    ),
    of("media", "hung", hung("media"), _LATE, "timeout"),
    of("ghibli", "speaks no TLS", certified("ghibli", "plain"), "speaks no TLS", "unavailable"),
    of(
        "redis",
        "read only",
        redis_told(
            "CONFIG SET replica-serve-stale-data yes", f"REPLICAOF {LOOPBACK} 1", after=["REPLICAOF NO ONE"]
        ),
        "read.only|READONLY",
        "unavailable",
    ),
    of(
        "media",
        "cut mid-body",
        weather("media", cut_after=300, reset=True),
        "closed|reset",
        "garbled unavailable",
    ),
    of(
        "redis",
        "wants a password",
        redis_told(
            "CONFIG SET requirepass other",
            "CLIENT KILL TYPE normal",
            after=["AUTH other", "CONFIG SET requirepass ''"],
        ),
        "password|NOAUTH",
        "unavailable",
    ),
    of("ghibli", "hung", hung("ghibli"), _LATE, "timeout"),
    of(
        "redis",
        "certificate expired",
        certified("redis", "expired"),
        "certificate has expired",
        "unavailable",
    ),
    of("ghibli", "garbled", garbled("ghibli"), _GARBLED, "garbled"),
    of(
        "redis",
        "certificate unknown",
        certified("redis", "unknown"),
        "authority that is not known",
        "unavailable",
    ),
    of(
        "users",
        "not resolved",
        named("users", None),
        "name cannot be resolved",
        "unavailable",
        needs_rights=True,
    ),
    of(
        "redis",
        "not resolved",
        named("redis", None),
        "name cannot be resolved",
        "unavailable",
        needs_rights=True,
    ),
    of("redis", "slow", weather("redis", latency=0.6), _LATE, "timeout"),
    of(
        "redis",
        "too many clients",
        redis_told(
            "CONFIG SET maxclients 1", "CLIENT KILL TYPE normal", after=["CONFIG SET maxclients 10000"]
        ),
        "clients|lost",
        "unavailable",
    ),
    of("users", "resolved wrongly", named("users", "127.0.0.77"), _REFUSED, "unavailable", needs_rights=True),
    database("killed", killed("postgres"), _REFUSED),
    store("killed", killed("s3"), _REFUSED),
    database("hung", hung("postgres"), _LATE, health=_LATE),
    store("hung", hung("s3"), _LATE, health=_LATE),
    database(
        "full of clients",
        sql_told("ALTER ROLE cinema CONNECTION LIMIT 0", "ALTER ROLE cinema CONNECTION LIMIT -1"),
        "too many connections",
    ),
    store("garbled", garbled("s3"), _GARBLED),
    database("wants a password", password_is_wanted, "password"),
    database("garbled", garbled("postgres"), "understood"),
    store("full", leads_elsewhere("s3", lambda ground: ground.full_store), "full|space"),
    database("not resolved", named("postgres", None), "name cannot be resolved", needs_rights=True),
    database(
        "read only",
        sql_told(
            "ALTER ROLE cinema SET default_transaction_read_only = on",
            "ALTER ROLE cinema RESET default_transaction_read_only",
        ),
        "read.only",
        label="memes_service",
        health=None,
    ),
]
_EMBEDDED = [
    store("full", disk_is_full, "disk is full|no space", label="media_service", needs_rights=True),
    store("read only", disk_is_read_only, "read.only", label="media_service", needs_rights=True),
    store("away", moved("media"), "not there", label="media_service"),
    database("away", moved("cinema.db"), "not there|cannot be opened", label="user_service"),
    database("damaged", database_is_damaged, "damaged|no database", label="user_service"),
    of("search", "index away", moved("index"), "not there|no index", "unavailable"),
]
_NODE = [
    of("search", "killed", killed("search"), _REFUSED, "unavailable"),
    of("search", "hung", hung("search"), _LATE, "timeout"),
    of("search", "garbled", garbled("search"), _GARBLED, "garbled"),
    of("search", "slow", weather("search", latency=1.2), _LATE, "timeout"),
    of(
        "search",
        "cut mid-body",
        weather("search", cut_after=300, reset=True),
        "closed|reset",
        "garbled unavailable",
    ),
]
FAULTS: Mapping[str, Sequence[Fault]] = {"servers": _ON_SERVERS, "embedded": _EMBEDDED, "node": _NODE}
