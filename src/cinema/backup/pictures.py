"""Pictures between the store and a folder, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Final

from cinema.services.media.store import Objects

__all__ = ["fetched", "put_all"]

_AT_ONCE: Final = 8


async def fetched(store: Objects, names: Collection[str], folder: Path) -> set[str]:
    """Copy pictures into a folder unless they are there; return which of them the store does not have.

    Raises `Outage` if the store does not answer.
    """
    gone: set[str] = set()

    async def fetch(name: str) -> None:
        if not await _fetch(store, name, folder / name):
            gone.add(name)

    await _each(fetch, [name for name in names if not (folder / name).exists()])
    return gone


async def put_all(store: Objects, names: Collection[str], folder: Path) -> None:
    """Copy pictures from a folder into the store; raises `Outage`."""

    async def put(name: str) -> None:
        body = await asyncio.to_thread((folder / name).read_bytes)
        await store.put(name, memoryview(body))

    await _each(put, names)


async def _fetch(store: Objects, name: str, file: Path) -> bool:
    size = await store.size(name)
    stream = None if size is None else await store.read(name, 0, size)
    if stream is None:
        return False
    body = b"".join([piece async for piece in stream])
    whole = file.with_name(f".{file.name}")
    await asyncio.to_thread(whole.write_bytes, body)
    whole.replace(file)
    return True


async def _each(work: Callable[[str], Awaitable[None]], names: Collection[str]) -> None:
    places = asyncio.Semaphore(_AT_ONCE)

    async def placed(name: str) -> None:
        async with places:
            await work(name)

    try:
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(placed(name))
    except ExceptionGroup as many:
        raise many.exceptions[0] from None  # the first speaks for all: the store is away
