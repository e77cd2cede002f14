"""What a service answers, as the client, its policies and its caches see it.

    Asking (request, and what its answer should be) ─▶ policies ─▶ transport ─▶ reply_of

An answer is read inside the policies, so that one that makes no sense counts for the breaker as a failure. The value
that was read goes to the first who takes it; whoever shares the answer reads it again and gets a value of its own.
"""

import logging
import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from stagedoor import _requests as requests
from stagedoor._cache.codec import HttpCodec
from stagedoor._call import Call
from stagedoor._face.fields import Headers
from stagedoor._face.shapes import Shape, shape_of
from stagedoor._requests import BodyStream, HttpRequest, HttpResponse
from stagedoor._value import value
from stagedoor.errors import UpstreamGarbled

__all__ = [
    "ABSENT_STATUSES",
    "UNREAD",
    "Asking",
    "ReplyCodec",
    "Response",
    "ServiceReply",
    "Stream",
    "handed_on",
    "reply_of",
]

ABSENT_STATUSES = frozenset({404, 410})
# RFC 9110 15.3.5, 15.3.7: a part may well look whole, as a shorter list does.
_NOT_WHOLE = {204: "there is no content", 206: "it is a part, and all was asked for"}
# In front of a host, up to the last sign, with a scheme or without; some read a backslash as a slash (WHATWG URL).
_USER = re.compile(rb"\A([A-Za-z][A-Za-z0-9+.-]*+:[/\\]*|[/\\]{2,})[^/\\]*@")
UNREAD: Any = object()
_LOGGER = logging.getLogger("stagedoor.face")

T = TypeVar("T")


@value()
class Asking(HttpRequest):
    """A request, and the shape of the answer: None where it is taken as it comes.

    Its fields are said again, so that they go by position: with names the making of one takes half as long again.
    """

    method: str = "GET"
    target: bytes = b"/"
    headers: requests.Headers = ()
    body: bytes | AsyncIterable[bytes] = b""
    streamed: bool = False
    shape: Shape[Any] | None = None
    raw: bool = False  # redirects and all else that is no error pass
    absent: bool = False  # 204 means that there is nothing
    tags: tuple[str, ...] = ()


class ServiceReply:
    """An answer, read or not: `value` is for the first who takes it, `UNREAD` after that.

    One that is taken as it comes and sets a cookie is its asker's `own`.
    """

    __slots__ = ("own", "response", "shape", "tags", "value")

    def __init__(
        self,
        response: HttpResponse,
        shape: Shape[Any] | None = None,
        value: object = UNREAD,
        tags: tuple[str, ...] = (),
        own: bool = False,
    ) -> None:
        self.response = response
        self.own = own
        self.shape = shape
        self.value = value
        self.tags = tags

    def read(self, operation: str, shape: Shape[T]) -> T:
        """Return a value that nobody else has; raises `UpstreamGarbled`."""
        return _read(operation, shape, self.response)

    async def aclose(self) -> None:
        """Give up a body that comes as a stream."""
        await self.response.aclose()


def _read(operation: str, shape: Shape[T], response: HttpResponse) -> T:
    """Return an answer as a value, outside the policies, where no observer would hear why it cannot be one."""
    try:
        return shape.read(operation, response)
    except UpstreamGarbled as error:
        _LOGGER.warning("%s", error)
        raise


class ReplyCodec:
    """Keeps the answer as it came; whoever takes it out of a cache reads it."""

    schema = "reply1"

    def __init__(self) -> None:
        self._http = HttpCodec()

    def encode(self, value: ServiceReply, /) -> bytes:
        """Return the bytes."""
        return self._http.encode(value.response)

    def decode(self, body: bytes, /) -> ServiceReply:
        """Return the answer."""
        return ServiceReply(self._http.decode(body))


def reply_of(call: Call[Asking], response: HttpResponse) -> ServiceReply:
    """Read what a transport brought; raises `UpstreamGarbled` for an answer that is not of the shape."""
    asking, status = call.payload, response.status
    shape = asking.shape
    if shape is not None and status < 300 and status not in _NOT_WHOLE:
        return ServiceReply(response, shape, shape.read(call.operation, response), asking.tags)
    if status >= 300 and not asking.raw:
        raise UpstreamGarbled(call.operation, _redirect(response), response=response)
    if shape is None or (status == 204 and asking.absent):
        own = asking.raw and response.header(b"set-cookie") is not None
        return ServiceReply(response, tags=asking.tags, own=own)
    raise UpstreamGarbled(call.operation, f"answered {status}: {_NOT_WHOLE[status]}", response=response)


def _redirect(response: HttpResponse) -> str:
    """Say what came in place of an answer; of a Location only scheme, host and path, for a query may hold secrets."""
    location = response.header(b"location")
    if location is None:
        return f"answered {response.status}"
    plain = _USER.sub(rb"\1", location.partition(b"?")[0].partition(b"#")[0])
    return f"answered {response.status} to {plain[:200].decode('latin-1')}"


class Response:
    """An answer as it came: status, header fields, body."""

    __slots__ = ("_operation", "_response", "body", "headers", "status")

    def __init__(self, operation: str, response: HttpResponse) -> None:
        self._operation = operation
        self._response = response
        self.status: int = response.status
        self.headers = Headers(response.headers)
        self.body: bytes = response.body

    def read(self, shape: type[T] | TypeAdapter[T]) -> T:
        """Check the body against a type, and take it as such a value; raises `UpstreamGarbled` if it does not fit."""
        known: Shape[T] = shape_of(shape)
        return _read(self._operation, known, self._response)

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


class Stream:
    """An answer whose body comes in chunks, at the pace of whoever reads it."""

    __slots__ = ("_body", "headers", "lines", "status")

    def __init__(self, response: HttpResponse) -> None:
        self.status: int = response.status
        self.headers = Headers(response.headers)
        self.lines: requests.Headers = response.headers
        self._body: BodyStream | bytes = response.body if response.stream is None else response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if isinstance(self._body, bytes):
            if self._body:
                yield self._body
            return
        async for chunk in self._body:
            yield bytes(chunk)

    async def aclose(self) -> None:
        """Give up what has not been read."""
        if not isinstance(self._body, bytes):
            await self._body.aclose()


def handed_on(stream: Stream) -> AsyncIterator[bytes | memoryview]:
    """Return a body for somebody who looks at none of it; closing that is closing the stream."""
    body = stream._body  # noqa: SLF001 - who reads a stream gets bytes, which costs a copy
    # A generator that never begins would never give its connection back.
    return cast(AsyncIterator[bytes], stream if isinstance(body, bytes) else body)
