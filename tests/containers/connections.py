"""Many connections at once, each with a request under way now and then."""

import asyncio
from collections import Counter

__all__ = ["held"]

_ASK = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def held(host: str, port: int, number: int) -> dict[str, int]:
    """Open so many connections, ask on each while all are open, and count how that went."""
    return asyncio.run(_held(host, port, number))


async def _held(host: str, port: int, number: int) -> dict[str, int]:
    opening, asking = asyncio.Semaphore(200), asyncio.Semaphore(100)
    lines = await asyncio.gather(*(_open(host, port, opening) for _ in range(number)))
    went = Counter(await asyncio.gather(*(_ask(line, asking) for line in lines)))
    for line in lines:
        if line is not None:
            line[1].close()
    return dict(went)


async def _open(
    host: str, port: int, places: asyncio.Semaphore
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    async with places:
        try:
            return await asyncio.wait_for(asyncio.open_connection(host, port, limit=4096), 30)
        except (OSError, TimeoutError):
            return None


async def _ask(
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None, places: asyncio.Semaphore
) -> str:
    if line is None:
        return "refused"
    async with places:
        try:
            line[1].write(_ASK)
            status = await asyncio.wait_for(line[0].readline(), 30)
        except (OSError, TimeoutError):
            return "lost"
        return "answered" if b" 200 " in status else status.decode(errors="replace").strip()
