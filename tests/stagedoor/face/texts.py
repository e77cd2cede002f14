"""A service of texts, a gateway that hands them on, and who reads them, as far as they came."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from pydantic import BaseModel

from stagedoor import Cache, Cookie, Gateway, Header, Operation, Stream
from stagedoor._call import Call
from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor.errors import UpstreamUnavailable
from stagedoor.testing import settle
from tests.stagedoor.near.doors import Behind, Connection, behind
from tests.stagedoor.web.codings import Coded, coded_so_far

ACCEPTED = {"": "", "gzip": "gzip, deflate", "br": "gzip, br", "zstd": "gzip, br, zstd"}
LONG = b"".join(b'{"line": %d, "said": %d}\n' % (one, one * one) for one in range(4_000))
TEXT: Headers = ((b"content-type", b"text/plain"),)
LINES: Headers = ((b"content-type", b"application/x-ndjson"),)
TAGGED: Headers = (
    *TEXT,
    (b"content-length", b"%d" % len(LONG)),
    (b"etag", b'"v1"'),
    (b"accept-ranges", b"bytes"),
)


class Body:
    """A body in pieces; each but the first waits until it is let out, if it is held, and the last may break."""

    def __init__(self, *pieces: bytes, held: bool = False, broken: bool = False) -> None:
        self.pieces = pieces
        self.gate = asyncio.Semaphore(1 if held else len(pieces) + 1)
        self.broken = broken
        self.taken = 0
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await self.gate.acquire()
        self.taken += 1
        if self.taken <= len(self.pieces):
            return self.pieces[self.taken - 1]
        if self.broken:
            raise UpstreamUnavailable("texts.GET", "cut")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1


class Texts:
    """A service of texts, which answers anew each time, and judges conditions by its own tag as services do."""

    def __init__(
        self, fields: Headers = TEXT, *pieces: bytes, status: int = 200, whole: bool = False, **options: Any
    ) -> None:
        self.fields = fields
        self.pieces = pieces or (LONG,)
        self.status = status
        self.whole = whole
        self.options = options
        self.asked: list[HttpRequest] = []
        self.bodies: list[Body] = []

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        self.asked.append(call.payload)
        said, own = dict(call.payload.headers), dict(self.fields).get(b"etag")
        if own is not None and own in said.get(b"if-none-match", b""):
            fields = self.fields if self.status == 304 else ((b"etag", own),)
            return HttpResponse(status=304, headers=fields, stream=Body())
        if self.whole:
            return HttpResponse(status=self.status, headers=self.fields, body=b"".join(self.pieces))
        body = Body(*([] if call.payload.method == "HEAD" else self.pieces), **self.options)
        self.bodies.append(body)
        return HttpResponse(status=self.status, headers=self.fields, stream=body)

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        """Hold nothing."""


class Words(BaseModel):
    words: list[str]


def library() -> Gateway:
    app = Gateway("shop", deadline=1.0)
    texts = app.service("texts", forward={"x-tongue", Cookie("sid")}, coalesce=False)
    methods: Any = {"GET", "PUT"}
    app.proxy("/texts/{name}", texts, methods=methods)
    app.proxy("/asks/{name}", texts, methods={"GET", "POST"}, compress=True)
    app.proxy("/refuses/{name}", texts, methods=methods, compress=False)

    @app.get("/handed/{name}", vary={"x-tongue", Cookie("sid")})
    async def handed(name: str) -> Stream:
        return await texts.open("/{}", name)

    @app.get("/plain/{name}", compress=False, vary={"x-tongue", Cookie("sid")})
    async def plain(name: str) -> Stream:
        return await texts.open("/{}", name)

    @app.put("/texts/{name}/words")
    async def rewrite(
        name: str, if_match: Annotated[str, Header()] = "", if_none_match: Annotated[str, Header()] = ""
    ) -> None:
        conditions = {"if-match": if_match, "if-none-match": if_none_match}
        said = {field: tag for field, tag in conditions.items() if tag}
        await texts.request("PUT", "/texts/{}/words", name, headers=said)

    app.proxy("/words", texts, operation=Operation(summary="Show words", answers=Words))
    _declare_kept(app)
    return app


def _declare_kept(app: Gateway) -> None:
    others = app.service("others", coalesce=False)

    @app.get("/kept/{name}", cache=Cache(max_age=10, tags=["text:{name}"]))
    async def kept(name: str) -> Stream:
        return await others.open("/{}", name)

    @app.get("/long", compress=True, etag=True)
    async def long() -> list[str]:
        return ["x" * 1_100_000]


def reading(texts: Texts, **environment: str) -> AbstractAsyncContextManager[Behind]:
    return behind(library, environment=environment, transports={"texts": texts, "others": texts})


class Read:
    """One answer, as far as it came."""

    def __init__(self, raw: bytes) -> None:
        head, _, rest = raw.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        self.status = int(status.split()[1]) if status else 0
        self.fields = dict(line.split(b": ", 1) for line in lines)
        self.chunked = self.fields.get(b"transfer-encoding") == b"chunked"
        self.last_chunk = self.chunked and rest.endswith(b"0\r\n\r\n")
        self.octets = b"".join(chunks_of(rest)) if self.chunked else rest

    @property
    def coded(self) -> Coded:
        """Return what can be read of it."""
        coding = self.fields.get(b"content-encoding", b"").decode()
        return coded_so_far(coding, self.octets) if self.octets else Coded(b"", ended=not coding)

    def __getitem__(self, name: str) -> bytes | None:
        return self.fields.get(name.encode())


def chunks_of(rest: bytes) -> list[bytes]:
    """Return the whole chunks of what came."""
    found: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return found


def request(target: str, accepted: str = "", *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    fields = ["Host: shop", *([f"Accept-Encoding: {accepted}"] if accepted else []), *lines]
    return "\r\n".join([f"{method} {target} HTTP/{version}", *fields, "", ""]).encode()


async def until(connection: Connection, done: Callable[[bytes], bool]) -> Read:
    """Wait until what was written will do: a thread has a time of its own."""
    while not done(bytes(connection.wire.written)):  # noqa: ASYNC110 - a thread tells nobody
        await asyncio.sleep(0.001)
    await settle()
    return Read(bytes(connection.wire.written))


async def whole(door: Behind, asked: bytes) -> Read:
    """Ask over a connection of its own, and return the whole answer."""
    connection = door.connect()
    connection.protocol.data_received(asked)
    try:
        return await until(connection, lambda raw: connection.wire.closed or is_whole(raw, asked))
    finally:
        connection.lose()


def has_come(plain: bytes, raw: bytes) -> bool:
    return Read(raw).coded.plain == plain


def is_whole(raw: bytes, asked: bytes) -> bool:
    head, found, rest = raw.partition(b"\r\n\r\n")
    if asked.startswith(b"HEAD") or head[9:12] in {b"204", b"304"}:
        return bool(found)
    if b"transfer-encoding: chunked" in head:
        return rest.endswith(b"0\r\n\r\n")
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return bool(length) and len(rest) >= int(length)


async def ask(door: Behind, target: str, coding: str = "gzip", *lines: str, method: str = "GET") -> Read:
    return await whole(door, request(target, ACCEPTED.get(coding, coding), *lines, method=method))
