"""What may happen to a backend: each comes, and goes again."""

import asyncio
import datetime as dt
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from functools import partial
from typing import Any

from tests.chaos import CALM, Weather
from tests.deep.faults.ground import Ground, names
from tests.servers import LOOPBACK, ask

__all__ = [
    "Happens",
    "certified",
    "cut_off",
    "database_is_locked",
    "disk_is_full",
    "disk_is_read_only",
    "garbled",
    "hung",
    "killed",
    "leads_elsewhere",
    "moved",
    "named",
    "password_is_wanted",
    "redis_is_crowded",
    "redis_told",
    "sql_told",
    "weather",
]

Happens = Callable[[Ground], AbstractAsyncContextManager[None]]
_DAY = dt.timedelta(days=1)


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


def cut_off(name: str) -> Happens:
    """Let nobody reach what takes long to start again."""

    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        await ground.proxies[name].down()
        yield
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


def redis_told(words: str, after: str) -> Happens:
    """Set something, and set it back: words as typed into its shell."""

    @asynccontextmanager
    async def happens(ground: Ground) -> AsyncIterator[None]:
        port = ground.servers["redis"].port
        await asyncio.to_thread(ask, port, words.encode() + b"\r\n")
        yield
        await asyncio.to_thread(ask, port, after.encode() + b"\r\n")

    return happens


@asynccontextmanager
async def redis_is_crowded(ground: Ground) -> AsyncIterator[None]:
    """Let one connection in, which is this one."""
    reader, writer = await asyncio.open_connection(LOOPBACK, ground.servers["redis"].port)
    try:
        for words in ("CONFIG SET maxclients 1", "CLIENT KILL TYPE normal SKIPME yes"):
            writer.write(words.encode() + b"\r\n")
            await reader.readline()
        yield
        writer.write(b"CONFIG SET maxclients 10000\r\n")
        await reader.readline()
    finally:
        writer.close()


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
async def database_is_locked(ground: Ground) -> AsyncIterator[None]:
    """Hold it as somebody does who writes for long."""
    with closing(sqlite3.connect(ground.folder / "disk" / "cinema.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
