"""One writer at a time: locks that are taken back from a process that dies.

On one machine the kernel locks a file. Where several machines fill one cluster, PostgreSQL holds a lock as well.
"""

import fcntl
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from cinema.database.engine import PostgresDatabase
from cinema.database.locks import lock_of
from stagedoor._clock import Clock

__all__ = ["Tell", "sole_writer", "sole_writer_anywhere"]

Tell: TypeAlias = Callable[[str], None]  # hears once, of who waits, who is at it
_LOOK_SECONDS = 0.1
_ASK_SECONDS = 1.0
_KEY = int.from_bytes(b"cinema")  # of the lock among those of the database


@asynccontextmanager
async def sole_writer(path: Path, clock: Clock, tell: Tell) -> AsyncIterator[None]:
    """Hold the lock of this file inside the block; wait for it as long as another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        await _turn(partial(_take, descriptor), clock, _LOOK_SECONDS, tell)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _me().encode(), 0)
        yield
    finally:
        os.close(descriptor)  # which gives the lock back


@asynccontextmanager
async def sole_writer_anywhere(database: PostgresDatabase, clock: Clock, tell: Tell) -> AsyncIterator[None]:
    """Do the same for all machines that share this database; raises `DatabaseUnavailable` if the lock is lost."""
    async with lock_of(database, _KEY, f"cinema etl {_me()}") as lock:
        await _turn(lock.take, clock, _ASK_SECONDS, tell)
        async with lock.held():
            yield


async def _turn(take: Callable[[], Awaitable[str | None]], clock: Clock, pause: float, tell: Tell) -> None:
    """Wait until the lock is taken; `take` returns who has it, None once it is ours."""
    holder = await take()
    if holder is not None:
        tell(holder)
    while holder is not None:
        await clock.sleep(pause)
        holder = await take()


async def _take(descriptor: int) -> str | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 200, 0).decode(errors="replace") or "somebody"
    return None


def _me() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
