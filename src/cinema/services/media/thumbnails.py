"""Pictures drawn smaller, each made once and kept while there is room.

A picture is copied from the store into a file only when its turn is near: who waits holds neither room nor descriptors,
however many pictures are asked for at once.
"""

import asyncio
from collections import OrderedDict
from tempfile import TemporaryFile
from typing import BinaryIO, Final, TypeAlias

from cinema.services.media.decoding import Decoding
from cinema.services.media.store import Objects
from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["WIDTHS", "Thumbnails"]

WIDTHS: Final = (160, 320, 640)
_ROOM: Final = 32 * 1024 * 1024  # octets in memory
_LARGEST: Final = 4 * 1024 * 1024  # of one that is kept
_PLACE: Final = 512  # what a place takes besides: of a picture that is no wider, its name is all that is kept
_AT_ONCE: Final = 3  # two are drawn, and one is fetched for the next place
_Key: TypeAlias = tuple[str, int]


class Thumbnails:
    """Draw and keep; who asks for one that is being drawn waits for it.

    Until it is fetched that takes `patience` seconds at most.
    """

    def __init__(self, objects: Objects, decoding: Decoding, patience: float, room: int = _ROOM) -> None:
        self._objects = objects
        self._decoding = decoding
        self._patience = patience
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._room = room
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._octets = 0
        self._flights: dict[_Key, asyncio.Task[bytes]] = {}

    def __repr__(self) -> str:
        return f"<Thumbnails {len(self._kept)} kept, {self._octets:,} of {self._room:,} octets>"

    async def get(self, name: str, width: int, length: int) -> bytes:
        """Return a picture of this name and length so wide; nothing if it is no wider itself.

        Raises:
            FileNotFoundError: it is gone.
            RequestRefused: 503 where too many wait.

        """
        key = name, width
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._make(name, width, length))
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    def drop(self, name: str) -> None:
        """Forget what was drawn of a picture, and keep nothing that is being drawn of it."""
        for width in WIDTHS:
            self._flights.pop((name, width), None)
            self._forget(self._kept.pop((name, width), None))

    def _landed(self, key: _Key, done: "asyncio.Task[bytes]") -> None:
        if self._flights.get(key) is not done:
            return  # dropped meanwhile
        del self._flights[key]
        if done.cancelled() or done.exception() is not None or len(done.result()) > _LARGEST:
            return
        self._kept[key] = done.result()
        self._octets += len(done.result()) + _PLACE
        while self._octets > self._room:
            self._forget(self._kept.popitem(last=False)[1])

    def _forget(self, drawn: bytes | None) -> None:
        if drawn is not None:
            self._octets -= len(drawn) + _PLACE

    async def _make(self, name: str, width: int, length: int) -> bytes:
        kind = name.rpartition(".")[2]
        try:
            async with asyncio.timeout(self._patience) as waiting, self._places:
                with TemporaryFile() as source, TemporaryFile() as target:
                    await self._fetch(name, length, source)
                    waiting.reschedule(None)  # how long drawing takes is bounded where that is done
                    drawn = await self._decoding.shrink(source.fileno(), target.fileno(), kind, width)
                    return await asyncio.to_thread(_whole, target) if drawn else b""
        except TimeoutError:
            raise RequestRefused(problems.overloaded(1.0)) from None

    async def _fetch(self, name: str, length: int, file: BinaryIO) -> None:
        octets = await self._objects.read(name, 0, length)
        if octets is None:
            raise FileNotFoundError(name)
        try:
            async for piece in octets:
                await asyncio.to_thread(file.write, piece)
        finally:
            await getattr(
                octets, "aclose", _nothing
            )()  # a directory's file is open until it is read to its end
        await asyncio.to_thread(file.flush)


async def _nothing() -> None:
    """Close nothing."""


def _whole(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
