"""What stops no start and should be known: names that cannot be resolved yet, and what workers do not share."""

import asyncio
import logging
import multiprocessing
import resource
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from stagedoor._face.settings import Settings
from stagedoor._transports.http import HttpTransport

if TYPE_CHECKING:
    from stagedoor._face.running import Running

__all__ = ["crowded", "tell_unresolved", "unshared", "warned"]

_LOGGER = logging.getLogger("stagedoor")


def unshared(settings: Settings, variable: str) -> str | None:
    """Return what several processes of these settings would not share; None if they share what they keep.

    `variable` is what names a Redis.
    """
    if settings.redis_url or settings.docs_only:
        return None
    limits = " and limits per client" if settings.rate_limit or settings.rate_limits else ""
    return f"purges{limits} hold for one process only, unless {variable} is set"


def crowded(settings: Settings, most: int) -> str | None:
    """Return what a limit of open files means for these settings; None if it lets in all that they do."""
    if most == resource.RLIM_INFINITY or most > settings.max_connections:
        return None
    return (
        f"at most {most} files may be open (ulimit -n), fewer than max_connections={settings.max_connections}"
    )


async def tell_unresolved(hosts: Mapping[str, str]) -> None:
    """Warn of each service whose host cannot be resolved now; calls fail until it can, and ask again each time."""
    loop = asyncio.get_running_loop()
    for name, host in hosts.items():
        try:
            await loop.getaddrinfo(host, None)
        except (OSError, UnicodeError) as error:
            _LOGGER.warning(
                "the host of %s cannot be resolved yet (%s): %s", name, type(error).__name__, host
            )


@asynccontextmanager
async def warned(running: "Running") -> AsyncIterator[None]:
    """Warn in a block of what is so at its start, beside what goes on in it."""
    note = unshared(running.settings, running.redis_variable)
    if note is not None and multiprocessing.parent_process() is not None:
        _LOGGER.warning("with several workers, %s", note)
    few = crowded(running.settings, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    if few is not None:
        _LOGGER.warning("%s: who comes when all are in use waits", few)
    transports = {} if running.settings.docs_only else {one.name: one.transport for one in running.remotes}
    hosts = {
        name: one.host for name, one in transports.items() if isinstance(one, HttpTransport) and one.host
    }
    looking = asyncio.create_task(tell_unresolved(hosts), name="unresolved hosts")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait([looking])
