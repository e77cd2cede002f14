"""Pictures drawn smaller, each made once and kept while there is room."""

import asyncio
from collections import OrderedDict
from tempfile import TemporaryFile
from typing import BinaryIO, Final, TypeAlias

from cinema.services.media.decoding import Decoding
from cinema.services.media.store import Objects

__all__ = ["WIDTHS", "Thumbnails"]

WIDTHS: Final = (160, 320, 640)
_ROOM: Final = 32 * 1024 * 1024  # octets in memory
_LARGEST: Final = 4 * 1024 * 1024  # of one that is kept
_PLACE: Final = 512  # what a place takes besides: of a picture that is no wider, its name is all that is kept
_Key: TypeAlias = tuple[str, int]


class Thumbnails:
    """Draw and keep; who asks for one that is being drawn waits for it."""

    def __init__(self, objects: Objects, decoding: Decoding, room: int = _ROOM) -> None:
        self._objects = objects
        self._decoding = decoding
        self._room = room
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._octets = 0
        self._flights: dict[_Key, asyncio.Task[bytes]] = {}

    def __repr__(self) -> str:
        return f"<Thumbnails {len(self._kept)} kept, {self._octets:,} of {self._room:,} octets>"

    async def get(self, name: str, width: int, length: int) -> bytes:
        """Return a picture of this name and length so wide; nothing if it is no wider itself."""
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
        octets = await self._objects.read(name, 0, length)
        if octets is None:
            raise FileNotFoundError(name)
        with TemporaryFile() as source, TemporaryFile() as target:
            async for piece in octets:
                await asyncio.to_thread(source.write, piece)
            await asyncio.to_thread(source.flush)
            drawn = await self._decoding.shrink(
                source.fileno(), target.fileno(), name.rpartition(".")[2], width
            )
            return await asyncio.to_thread(_whole, target) if drawn else b""


def _whole(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
