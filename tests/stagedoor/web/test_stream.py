"""Streamed answers: what happens to the stream when nobody wants it, or no longer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from stagedoor._asgi import GONE
from stagedoor._cache.memory import MemoryStore
from stagedoor._call import Env
from stagedoor._requests import Headers
from stagedoor._web.answer import WebAnswer
from stagedoor._web.compression import Compression
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.request import Request
from stagedoor._web.routes import Route
from stagedoor.errors import UpstreamGarbled
from stagedoor.testing import settle
from tests.stagedoor.door.conftest import serving
from tests.stagedoor.web.test_gateway import Remembering


class Causes(Remembering):
    """Remembers why, too."""

    def __init__(self) -> None:
        super().__init__()
        self.causes: list[str] = []

    def request_ended(self, *told: Any) -> None:
        super().request_ended(*told)
        self.causes.append(told[6])


METHODS = ["GET", "HEAD", "POST", "PUT"]


class Upstream:
    """A body of `ready` pieces of `size` octets, and then a wait without end."""

    def __init__(self, ready: int, size: int = 1) -> None:
        self.pulled = 0
        self.closed = asyncio.Event()
        self._ready = ready
        self._size = size

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.pulled += 1
        if self.pulled > self._ready:
            await asyncio.Event().wait()
        return bytes(self._size)

    async def aclose(self) -> None:
        self.closed.set()


class Ending:
    """A body in one piece."""

    def __init__(self, body: bytes) -> None:
        self.pieces = [body]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self.pieces:
            raise StopAsyncIteration
        return self.pieces.pop()


class Peer:
    """A server and its client, with the extension of the door or without it."""

    def __init__(self, method: str, *, told: bool) -> None:
        self.sent: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": "/s",
            "raw_path": b"/s",
            "query_string": b"",
            "headers": [],
        }
        if told:
            self.scope["extensions"] = {GONE: self.on_gone}
        self._callback: Callable[[], object] | None = None

    def on_gone(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        if self.gone.is_set():
            callback()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if not self.gone.is_set():
            self.sent.append(message)

    def leave(self) -> None:
        self.gone.set()
        if self._callback is not None:
            self._callback()


def streaming(env: Env, upstream: Upstream, *, traffic: Remembering | None = None) -> GatewayApp:
    async def handle(_: Request) -> WebAnswer:
        return WebAnswer(200, (), stream=upstream)

    routes = [Route(path="/s", handle=handle, method=method) for method in ("GET", "POST", "PUT")]
    return GatewayApp(routes, env=env, name="s", traffic=(traffic,) if traffic else ())


@pytest.mark.parametrize(("method", "told"), [("GET", True), ("POST", True), ("PUT", True), ("GET", False)])
async def test_x1_a_stream_ends_at_once_when_its_client_goes(env: Env, method: str, told: bool) -> None:
    """B3, X1, D6: also while the next piece is waited for; it is counted as the client's doing."""
    upstream, peer, traffic = Upstream(ready=2), Peer(method, told=told), Remembering()
    serving_ = asyncio.create_task(
        streaming(env, upstream, traffic=traffic)(peer.scope, peer.receive, peer.send)  # type: ignore[arg-type]
    )
    await settle()
    peer.leave()
    await asyncio.wait_for(serving_, 30)

    assert (upstream.pulled, upstream.closed.is_set()) == (3, True)
    assert traffic.ended == [(method, "/s", 499)]


async def _broken(error: Callable[[], Exception], *before: bytes) -> AsyncIterator[bytes]:
    for chunk in before:
        yield chunk
    raise error()


@pytest.mark.parametrize(
    ("error", "status"), [(partial(UpstreamGarbled, "files.GET", "cut"), 502), (ValueError, 500)]
)
async def test_h6_a_stream_that_breaks_before_its_first_octet_is_no_failure_of_ours(
    env: Env, error: Callable[[], Exception], status: int
) -> None:
    """H6: head and first octet leave together, so that a body which never began was answered 500."""

    async def handle(_: Request) -> WebAnswer:
        return WebAnswer(200, (), stream=_broken(error))

    seen = Remembering()
    app = GatewayApp((Route(path="/s", handle=handle),), env=env, name="test", traffic=(seen,))
    async with serving(app) as door:
        (answer,) = await door.ask(b"GET /s HTTP/1.1\r\nHost: a\r\n\r\n")

    assert (answer.status, seen.ended) == (status, [("GET", "/s", status)])


@pytest.mark.parametrize(
    ("error", "status", "cause", "level"),
    [
        (partial(UpstreamGarbled, "files.GET", "cut"), 502, "files: garbled", "WARNING"),
        (ValueError, 500, "internal", "ERROR"),
    ],
)
async def test_h6_a_stream_that_breaks_is_counted_and_told_as_whose_fault_it_is(
    env: Env,
    caplog: pytest.LogCaptureFixture,
    error: Callable[[], Exception],
    status: int,
    cause: str,
    level: str,
) -> None:
    """H6: a service that cut its answer was an error of ours in log and reports, and in the metrics its client's."""

    async def handle(_: Request) -> WebAnswer:
        return WebAnswer(200, (), stream=_broken(error, b"x"))

    seen = Causes()
    app = GatewayApp((Route(path="/s", handle=handle),), env=env, name="test", traffic=(seen,))
    async with serving(app) as door:
        raw = await door.raw(b"GET /s HTTP/1.1\r\nHost: a\r\n\r\n")

    assert b"0\r\n\r\n" not in raw
    assert (seen.ended, seen.causes) == ([("GET", "/s", status)], [cause])
    assert [record.levelname for record in caplog.records] == [level]


@pytest.mark.parametrize("method", METHODS)
async def test_x1_a_stream_nobody_waits_for_is_not_even_begun(env: Env, method: str) -> None:
    """B3, X1: the client went while the handler was at work."""
    upstream, peer = Upstream(ready=1_000), Peer(method, told=True)

    async def handle(_: Request) -> WebAnswer:
        peer.gone.set()  # and nobody is told before the answer is there
        return WebAnswer(200, (), stream=upstream)

    routes = [Route(path="/s", handle=handle, method=method) for method in ("GET", "POST", "PUT")]
    await GatewayApp(routes, env=env, name="s")(peer.scope, peer.receive, peer.send)  # type: ignore[arg-type]

    assert (upstream.pulled, upstream.closed.is_set(), peer.sent) == (0, True, [])


async def test_x3_a_stream_that_is_cancelled_by_another_stays_cancelled(env: Env) -> None:
    """X3: a stop of the process is no client that went, and closes the stream as well."""
    upstream, peer = Upstream(ready=1), Peer("GET", told=True)
    serving_ = asyncio.create_task(streaming(env, upstream)(peer.scope, peer.receive, peer.send))  # type: ignore[arg-type]
    await settle()
    serving_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving_

    assert upstream.closed.is_set()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("ready", "size"), [(1, 10), (10_000, 60_000)], ids=["upstream slow", "client slow"])
async def test_x1_a_stream_ends_when_the_door_loses_its_client(
    env: Env, method: str, ready: int, size: int
) -> None:
    """B3, X1, over real sockets: the upstream is let go, not read to its end for nobody."""
    upstream = Upstream(ready, size)
    async with serving(streaming(env, upstream)) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(f"{method} /s HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        await asyncio.wait_for(upstream.closed.wait(), 30)

    assert upstream.pulled < 1_000


class Arrived(Upstream):
    """A body that is all here, as far as it was not taken."""

    def __init__(self, whole: bytes | None) -> None:
        super().__init__(0)
        self._whole = whole

    async def __anext__(self) -> bytes:
        self.pulled += 1
        raise StopAsyncIteration

    def take_whole(self) -> memoryview | None:
        whole, self._whole = self._whole, None
        return None if whole is None else memoryview(whole)


@pytest.mark.parametrize(("whole", "pulled"), [(b"all", 0), (b"", 0), (None, 1)])
async def test_what_has_come_whole_leaves_in_one_message(env: Env, whole: bytes | None, pulled: int) -> None:
    """Issue 13: no turn for each of its pieces, and nobody waits for it."""
    peer, upstream = Peer("GET", told=True), Arrived(whole)
    gateway = streaming(env, upstream)

    await gateway(peer.scope, peer.receive, peer.send)  # type: ignore[arg-type]

    _, body = peer.sent
    assert (bytes(body["body"]), body.get("more_body", False)) == (whole or b"", False)
    assert upstream.pulled == pulled


async def test_another_server_gets_a_body_as_it_comes(env: Env) -> None:
    """It may take nothing but bytes, and tells otherwise that its client has gone."""
    peer, upstream = Peer("GET", told=False), Arrived(b"all")

    await streaming(env, upstream)(peer.scope, peer.receive, peer.send)  # type: ignore[arg-type]

    assert upstream.pulled == 1
    assert upstream.closed.is_set()


async def test_a_body_that_nobody_asks_for_is_not_taken(env: Env) -> None:
    """RFC 9110 9.3.2: HEAD has none."""
    peer, upstream = Peer("HEAD", told=True), Arrived(b"all")

    await streaming(env, upstream)(peer.scope, peer.receive, peer.send)  # type: ignore[arg-type]

    assert [message.get("body") for message in peer.sent] == [None, b""]
    assert bytes(upstream.take_whole() or b"") == b"all"


@pytest.mark.parametrize(("tag", "coding"), [(None, b"gzip"), (b'"v1"', None), (b'"v1~gzip"', None)])
async def test_a_stream_with_a_tag_that_nobody_knows_again_leaves_as_it_is(
    env: Env, tag: bytes | None, coding: bytes | None
) -> None:
    """Only a route of a service's asks by the service's own tag (`Route.foreign`)."""
    fields: Headers = ((b"content-type", b"text/plain"), *([(b"etag", tag)] if tag else []))

    async def handle(_: Request) -> WebAnswer:
        return WebAnswer(200, fields, stream=Ending(b"x" * 3_000))

    app = GatewayApp([Route(path="/s", handle=handle)], env=env, name="s")
    app.compression = Compression(MemoryStore(env=env))
    peer = Peer("GET", told=True)
    peer.scope["headers"] = [(b"accept-encoding", b"gzip")]
    await app(peer.scope, peer.receive, peer.send)  # type: ignore[arg-type]

    said = dict(peer.sent[0]["headers"])
    assert (said.get(b"content-encoding"), said.get(b"etag")) == (coding, tag)
    assert (said.get(b"vary") is None) == (coding is None)
