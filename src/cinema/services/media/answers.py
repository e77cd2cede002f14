"""Hand out a picture: whole, in part, or not again."""

from collections.abc import AsyncIterator, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cinema.services.media.names import TYPES
from stagedoor import _problems as problems
from stagedoor._web.middleware import TO_HEAD
from stagedoor._web.ranges import Selected, content_range, selected
from stagedoor._web.request import Request as Exchange
from stagedoor._web.routes import RequestRefused
from stagedoor._web.stream import send_stream

__all__ = ["Streamed", "etag_of", "fields_of", "selection"]

_ALWAYS = {
    "accept-ranges": "bytes",
    "cache-control": "public, max-age=31536000, immutable",
    # A picture that is opened by itself is a document, and may do nothing.
    "content-security-policy": "default-src 'none'; sandbox",
}


def etag_of(name: str, width: int | None) -> str:
    """Return the strong entity tag: under one name there are never other octets."""
    stem = name.partition(".")[0]
    return f'"{stem}"' if width is None else f'"{stem}-{width}"'


def selection(request: Request, etag: str, length: int) -> Selected:
    """Decide what a request is answered with.

    Raises:
        RequestRefused: 412 and 416.

    """
    fields = _fields(request)
    part = selected(fields, etag.encode(), length, method="HEAD" if TO_HEAD in request.scope else "GET")
    if part.status == 412:
        raise RequestRefused(problems.precondition_failed())
    if part.status == 416:
        raise RequestRefused(problems.range_not_satisfiable(length))
    return part


def _fields(request: Request) -> Mapping[bytes, bytes]:
    """Return the header fields by name, several lines of one as one list (RFC 9110 5.3)."""
    fields: dict[bytes, bytes] = {}
    for name, said in request.scope["headers"]:
        fields[name] = (
            f"{fields[name].decode('latin-1')}, ".encode("latin-1") + said if name in fields else said
        )
    return fields


def fields_of(name: str, etag: str, part: Selected, length: int) -> dict[str, str]:
    """Return the header fields of an answer."""
    fields = {**_ALWAYS, "etag": etag}
    if part.status == 304:
        return fields
    fields |= {"content-type": TYPES[name.rpartition(".")[2]], "content-length": str(part.size)}
    if part.status == 206:
        fields["content-range"] = content_range(part, length).decode()
    return fields


class Streamed(Response):
    """An answer whose octets are sent as they are taken, and left where they are once nobody wants them."""

    def __init__(
        self, octets: AsyncIterator[bytes | memoryview], status: int, fields: Mapping[str, str]
    ) -> None:
        super().__init__(status_code=status)
        self._octets = octets
        self.raw_headers = [(name.encode(), said.encode()) for name, said in fields.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send_stream(Exchange(scope, receive, {}, {}, ""), send, start, self._octets)
