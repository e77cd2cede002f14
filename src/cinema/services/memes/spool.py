"""Hold a picture between the client and the media service: a little in memory, more in a file without a name.

A file that has no name any more is gone with its process, however that ends. Its octets are written and read in a
thread; at most a few pieces of each picture are in memory, however many come at once.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Final

__all__ = ["Spool"]

_HELD: Final = 64 * 1024
_PIECE: Final = 128 * 1024


class Spool:
    """One picture; `size` is its octets, `digest` that of their SHA-256."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._held = bytearray()
        self._file: IO[bytes] | None = None

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what was written, in hexadecimal."""
        return self._hash.hexdigest()

    async def write(self, octets: bytes) -> None:
        """Add some octets."""
        self.size += len(octets)
        self._hash.update(octets)
        self._held += octets
        if len(self._held) >= _HELD:
            piece, self._held = self._held, bytearray()
            await asyncio.to_thread(self._write, piece)

    def _write(self, piece: bytearray) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `close`
        rest = memoryview(piece)
        while rest:
            rest = rest[self._file.write(rest) :]

    async def empty(self) -> None:
        """Forget what was written."""
        await self.close()
        self.size = 0
        self._hash = hashlib.sha256()
        self._held = bytearray()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what was written, from the beginning."""
        if self._file is not None:
            place = 0
            while piece := await asyncio.to_thread(self._read, place):
                place += len(piece)
                yield piece
        if self._held:
            yield bytes(self._held)

    def _read(self, place: int) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(place)
        return self._file.read(_PIECE)

    async def close(self) -> None:
        """Give the file back."""
        held, self._file = self._file, None
        if held is not None:
            await asyncio.to_thread(held.close)
