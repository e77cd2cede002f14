"""One writer at a time: a lock that the kernel takes back from a process that dies."""

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stagedoor.clock import Clock

__all__ = ["sole_writer"]

_LOOK_SECONDS = 0.1


@asynccontextmanager
async def sole_writer(path: Path, clock: Clock) -> AsyncIterator[None]:
    """Hold the lock of this file inside the block; wait for it as long as another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        while not _taken(descriptor):
            await clock.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)  # which gives the lock back


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
