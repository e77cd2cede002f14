"""The body of a streamed answer: arrives at the pace of whoever reads it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from stagedoor._transports.failures import Failure

__all__ = ["Body", "BodySource"]

_HIGH, _LOW = (
    256 * 1024,
    64 * 1024,
)  # bytes waiting to be read: reading stops above the first, goes on below the second


class BodySource(Protocol):
    """What a body comes from: a `Connection`."""

    def pause(self) -> None:
        """Stop sending."""

    def resume(self) -> None:
        """Send on."""

    def progress(self) -> None:
        """Note that the reader has taken something."""

    def close(self) -> None:
        """Give the rest up."""


class Body:
    """A `BodyStream`: a queue between a connection and one reader.

    Its failures are raised in the words of `errors` once `translate` is set, which is before any reader can see it.
    """

    __slots__ = ("_chunks", "_ended", "_failure", "_paused", "_size", "_source", "_waiter", "translate")

    def __init__(self, source: BodySource) -> None:
        self._source = source
        self._chunks: deque[bytes | memoryview] = deque()
        self._size = 0
        self._paused = False
        self._ended = False
        self._failure: Failure | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.translate: Callable[[Failure], Exception] | None = None

    def push(self, data: bytes | memoryview) -> None:
        """Add what has arrived."""
        if data:
            self._chunks.append(data)
            self._size += len(data)
            self._wake()
            if self._size > _HIGH:
                self._paused = True
                self._source.pause()

    def end(self, failure: Failure | None) -> None:
        """Add nothing more; a failure is raised behind what has arrived."""
        self._ended = True
        self._failure = failure
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes | memoryview:
        while not self._chunks:
            if self._ended:
                raise self._ending()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = self._chunks.popleft()
        self._size -= len(data)
        if not self._ended:
            self._source.progress()
            if self._paused and self._size < _LOW:
                self._paused = False
                self._source.resume()
        return data

    def take_whole(self) -> bytes | memoryview | None:
        """Return the body if it is all here in one piece of which nothing was taken; None: iterate."""
        if not self._ended or self._failure is not None or len(self._chunks) != 1:
            return None
        return self._chunks.popleft()

    def _ending(self) -> Exception:
        failure = self._failure
        if failure is None:
            return StopAsyncIteration()
        if self.translate is None:
            return failure
        error = self.translate(failure)
        error.__cause__ = failure
        return error

    async def aclose(self) -> None:
        """Give the connection up; if the body had arrived whole, its connection went back long ago."""
        self._chunks.clear()
        if not self._ended:
            self._source.close()
            self._failure = None
