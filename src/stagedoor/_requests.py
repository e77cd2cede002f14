"""What calls carry: frozen data that only the transport opens."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import field
from typing import Protocol, TypeAlias

from stagedoor._value import value

__all__ = ["BodyStream", "Headers", "HttpRequest", "HttpResponse"]

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]


class BodyStream(Protocol):
    """A body that arrives in chunks, at the pace of whoever reads it."""

    def __aiter__(self) -> AsyncIterator[bytes | memoryview]:
        """Iterate over the chunks; ends at the end of the body, raises `UpstreamError` if it is cut."""
        ...

    async def aclose(self) -> None:
        """Give the connection up (or back, if the body was read whole); may be called at any time, repeatedly."""


@value(kw_only=True)
class HttpRequest:
    """One HTTP request as it will be written.

    `target` is the path and query, byte for byte as they go out; header names are lower case.
    A body that is an async iterable is sent chunked and can be sent once only.
    `streamed` asks for the answer's body as a stream instead of whole.
    """

    method: str = "GET"
    target: bytes
    headers: Headers = ()
    body: bytes | AsyncIterable[bytes] = b""
    streamed: bool = False


@value(kw_only=True)
class HttpResponse:
    """One HTTP answer as it arrived: header names in lower case, body whole, or `stream` if that was asked for."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    stream: BodyStream | None = field(default=None, compare=False)

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a field, its name given in lower case."""
        for key, said in self.headers:
            if key == name:
                return said
        return None

    async def aclose(self) -> None:
        """Give up a body that comes as a stream: for an answer that nobody will read."""
        if self.stream is not None:
            await self.stream.aclose()
