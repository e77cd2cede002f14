"""A body in a coding, sent as it comes: no more of it is held than a slice, and what codes it.

    source ─▶ slices of 32 KiB, or less where a piece ends ─▶ coder, on a thread if it takes long ─▶ client

Each slice leaves when it is coded, and ends where a piece does: a reader has each piece when it was sent. Only of what
is `fixed`, which has a length and a strong entity tag before it is sent, slices are the same whatever the network made
of it: such a tag names octets (RFC 9110 8.8.1). A source that fails, or is not as long as it said, ends without the
coding's own end: half a content never looks whole.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from stagedoor._web.coders import Piecewise

__all__ = ["CodedStream"]

_SLICE: Final = 32_768  # octets: some milliseconds of a thread
_AT_ONCE: Final = 2_048  # octets that are coded sooner than a thread is asked


class CodedStream:
    """An `AsyncIterator` of coded octets; closing it closes its source.

    `length` is that of the source, None if it is not known; `closed` is told of the end. Iterating raises what the
    source raises, and `RuntimeError` where the length is not kept.
    """

    def __init__(
        self,
        source: AsyncIterator[bytes | memoryview],
        make: Callable[[], Piecewise],
        length: int | None,
        closed: Callable[["CodedStream"], object],
        *,
        fixed: bool = False,
    ) -> None:
        self._source = source
        self._closed = closed
        self._pieces: AsyncIterator[bytes | memoryview] | None = None
        self._make = make
        self._coder: Piecewise | None = None
        self._length = length
        self._fixed = fixed
        self._came = 0
        self._rest = memoryview(b"")  # of the piece that came last
        self._ended = False

    def __aiter__(self) -> "CodedStream":
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            octets = await self._slice()
            # The first one also makes the coder, and may import it.
            thread = self._coder is None or len(octets) > _AT_ONCE
            end = self._ended
            coded = await asyncio.to_thread(self._coded, octets, end) if thread else self._coded(octets, end)
            if coded:
                return coded
        raise StopAsyncIteration

    async def _slice(self) -> bytes:
        """Return what is coded next: at most a slice, and no more than one piece of what is not fixed."""
        parts: list[memoryview] = []
        room = _SLICE
        while room and not (parts and not self._fixed and not self._rest):
            if not self._rest and not await self._take():
                break
            part, self._rest = self._rest[:room], self._rest[room:]
            if part:
                parts.append(part)
                room -= len(part)
        return b"".join(parts)

    async def _take(self) -> bool:
        """Take the next piece of the source; False if there is none."""
        if self._pieces is None:
            self._pieces = aiter(self._source)
        try:
            self._rest = memoryview(await anext(self._pieces))
        except StopAsyncIteration:
            self._ended = True
        self._came += len(self._rest)
        if self._length is not None and (
            self._came > self._length or (self._ended and self._came < self._length)
        ):
            raise RuntimeError("the body's length is not its Content-Length")
        return not self._ended

    def _coded(self, octets: bytes, end: bool) -> bytes:
        coder = self._coder
        if coder is None:
            coder = self._coder = self._make()
        return coder.add(octets) + (coder.end() if end else coder.flush())

    async def aclose(self) -> None:
        """Give up what has not been read."""
        self._ended = True
        self._coder = None
        self._rest = memoryview(b"")
        self._closed(self)
        aclose = getattr(self._source, "aclose", None)
        if aclose is not None:
            await aclose()
