"""Many connections at once, each with a request under way now and then."""

import asyncio
import resource
from collections import Counter
from typing import TypeAlias

__all__ = ["held"]

_Line: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_ASK = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def held(host: str, port: int, number: int) -> dict[str, int]:
    """Open so many connections, ask on each while all are open, and count how that went."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return asyncio.run(_held(host, port, number))


async def _held(host: str, port: int, number: int) -> dict[str, int]:
    places = asyncio.Semaphore(200)
    lines = [
        line for line in await asyncio.gather(*(_open(host, port, places) for _ in range(number))) if line
    ]
    went = Counter(await asyncio.gather(*(_ask(line, places) for line in lines)))
    for _, writer in lines:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in lines), return_exceptions=True)
    return dict(went)


async def _open(host: str, port: int, places: asyncio.Semaphore) -> _Line | None:
    """Open a connection and ask at once: who says nothing for ten seconds is sent away."""
    async with places:
        try:
            line = await asyncio.wait_for(asyncio.open_connection(host, port, limit=4096), 30)
        except (OSError, TimeoutError):
            return None
        await _exchange(line)  # how it goes is seen when it is asked again
        return line


async def _ask(line: _Line, places: asyncio.Semaphore) -> str:
    async with places:
        return await _exchange(line)


async def _exchange(line: _Line) -> str:
    reader, writer = line
    try:
        writer.write(_ASK)
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 30)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return "lost"
    return "answered" if b" 200 " in answer.partition(b"\r\n")[0] else "refused"
