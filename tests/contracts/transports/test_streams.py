"""Bodies that flow: at the pace of the reader, whole or visibly cut, and nothing left behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stagedoor._requests import BodyStream, HttpRequest, HttpResponse
from stagedoor._transports.asgi import AsgiTransport
from stagedoor._transports.http import HttpTransport
from stagedoor._transports.pool import PoolOptions
from stagedoor.errors import UpstreamGarbled, UpstreamTimeout
from tests.contracts.transports.asking import always
from tests.contracts.transports.house import LIMITS, House, call_of, transport_to
from tests.contracts.transports.server import RawServer, Reply, Seen, Wire

OK = b"HTTP/1.1 200 OK\r\n"


def stream_of(response: HttpResponse) -> BodyStream:
    assert response.stream is not None
    return response.stream


async def test_a_streamed_body_arrives_in_order_and_gives_its_connection_back(house: House) -> None:
    chunks = tuple(b"%d" % n * 50_000 for n in range(10))
    always(house, Reply(headers=((b"x-a", b"b"),), chunks=chunks))

    response = await house.call(streamed=True)
    body = b"".join([chunk async for chunk in stream_of(response)])

    assert (response.status, response.header(b"x-a"), response.body) == (200, b"b", b"")
    assert body == b"".join(chunks)
    assert house.in_use() == 0


async def test_a_streamed_body_is_not_bounded_by_the_limit(house: House) -> None:
    always(house, Reply(chunks=tuple(b"x" * 65536 for _ in range(40))))

    response = await house.call(streamed=True)
    size = sum([len(chunk) async for chunk in stream_of(response)])

    assert size == 40 * 65536 > LIMITS.body


async def test_an_empty_streamed_body_ends_at_once(house: House) -> None:
    response = await house.call(streamed=True)

    assert [chunk async for chunk in stream_of(response)] == []
    assert house.in_use() == 0


async def test_a_stream_to_head_or_of_204_is_empty(house: House) -> None:
    always(house, Reply(status=204))

    for method in ("HEAD", "GET"):
        response = await house.call(method=method, streamed=True)
        assert [chunk async for chunk in stream_of(response)] == []


async def test_the_head_of_a_stream_does_not_wait_for_its_body(wired: House) -> None:
    """G10: server-sent events pass unbuffered."""
    gate = asyncio.Event()

    async def script(seen: Seen, wire: Wire) -> None:
        await wire.say(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        await gate.wait()
        await wire.say(b"5\r\nevent\r\n")
        await wire.say(b"0\r\n\r\n")

    assert isinstance(wired.server, RawServer)
    wired.server.script = script

    response = await wired.call(streamed=True)
    gate.set()

    assert b"".join([chunk async for chunk in stream_of(response)]) == b"event"


async def test_d3_the_deadline_ends_with_the_head_of_a_stream(wired: House) -> None:
    async def script(seen: Seen, wire: Wire) -> None:
        await wire.say(OK + b"Content-Length: 4\r\n\r\nfi")
        await asyncio.sleep(0.6)
        await wire.say(b"sh")

    assert isinstance(wired.server, RawServer)
    wired.server.script = script

    response = await wired.call(streamed=True, within=0.5)

    assert b"".join([chunk async for chunk in stream_of(response)]) == b"fish"


async def test_t18_a_cut_stream_raises_and_stays_cut(house: House) -> None:
    always(house, Reply(chunks=(b"some", b"never"), cut=True))

    stream = stream_of(await house.call(streamed=True))
    chunks = aiter(stream)
    first = await anext(chunks)
    for _ in range(2):
        with pytest.raises(UpstreamGarbled):
            await anext(chunks)

    assert first == b"some"
    assert house.in_use() == 0


async def test_a_stream_that_breaks_its_framing_raises(wired: House) -> None:
    gate = asyncio.Event()

    async def script(seen: Seen, wire: Wire) -> bool:
        await wire.say(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await gate.wait()
        await wire.say(b"zz\r\n")
        return False

    assert isinstance(wired.server, RawServer)
    wired.server.script = script
    chunks = aiter(stream_of(await wired.call(streamed=True)))
    await anext(chunks)
    gate.set()

    with pytest.raises(UpstreamGarbled):
        await anext(chunks)

    assert wired.in_use() == 0


async def test_aclose_gives_an_unread_stream_up(house: House) -> None:
    always(house, Reply(chunks=tuple(b"x" * 65536 for _ in range(100))))

    response = await house.call(streamed=True)
    stream = stream_of(response)
    async for _ in stream:
        break
    await stream.aclose()
    await stream.aclose()

    await house.until_free()
    assert [chunk async for chunk in stream] == []


class Fountain:
    """A body of 128 MB, in every form an upstream can give it; counts what was taken."""

    def __init__(self) -> None:
        self.sent = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        for _ in range(2_000):
            self.sent += 65536
            yield b"x" * 65536

    async def script(self, seen: Seen, wire: Wire) -> None:
        await wire.say(OK + b"Content-Length: %d\r\n\r\n" % (2_000 * 65536))
        async for chunk in self.chunks():
            await wire.say(chunk)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for chunk in self.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


@pytest.mark.parametrize("kind", ["http", "http2", "asgi"])
async def test_a_reader_that_rests_makes_the_upstream_wait(kind: str) -> None:
    """Back-pressure: what is sent and not read stays bounded, whatever the size of the body."""
    fountain = Fountain()
    async with RawServer(fountain.script) as server:
        url = f"http://127.0.0.1:{server.port}"
        transport = AsgiTransport(fountain.app) if kind == "asgi" else transport_to(kind, url)
        house = House(kind, transport, server)

        response = await house.call(streamed=True)
        await asyncio.sleep(0.2)
        rested = fountain.sent
        async for _ in stream_of(response):
            break
        await stream_of(response).aclose()

        assert rested < 40 * 1024 * 1024
        assert house.in_use() == 0
        await transport.aclose()


async def test_a_slow_upstream_makes_the_request_body_wait() -> None:
    sent = 0
    over = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 65536
            yield b"x" * 65536

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    transport = HttpTransport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    payload = HttpRequest(method="POST", target=b"/", body=source())

    with pytest.raises(UpstreamTimeout):
        await transport.send(call_of(transport, payload, within=0.1))

    assert sent < 40 * 1024 * 1024
    assert transport.counts() == {"upstream_connections": 0}
    over.set()
    await transport.aclose()
    listener.close()
    await asyncio.sleep(0.01)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request with its chunks, as they come."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
            size = 1
            while size:
                size = int(await reader.readline(), 16)
                writer.write(b"%x\r\n" % size + await reader.readexactly(size + 2))
                await writer.drain()
    writer.close()


@asynccontextmanager
async def echoing() -> AsyncIterator[HttpTransport]:
    listener = await asyncio.start_server(echo, "127.0.0.1", 0)
    transport = HttpTransport(
        f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", connect_timeout=20.0
    )
    yield transport
    await transport.aclose()
    listener.close()
    await asyncio.sleep(0.01)


def upload(source: AsyncIterator[bytes]) -> HttpRequest:
    return HttpRequest(method="POST", target=b"/", body=source, streamed=True)


async def test_g10_an_upload_goes_on_behind_the_head_of_its_answer() -> None:
    """G10: a service that answers as it reads got no more of the body, and the answer ended 20 s later, cut."""
    got: list[int] = []

    async def source() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 65536
            await asyncio.sleep(0)

    async with echoing() as transport:
        for _ in range(2):
            response = await transport.send(call_of(transport, upload(source()), within=30.0))
            got.append(sum([len(chunk) async for chunk in stream_of(response)]))
        opened = transport.statistics().opened

    assert got == [6_553_600, 6_553_600]
    assert opened == 1


async def test_g10_an_upload_that_fails_behind_the_head_cuts_its_answer() -> None:
    """X1: and takes its connection along."""

    async def source() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(0.01)
        raise RuntimeError("the client went")

    async with echoing() as transport:
        response = await transport.send(call_of(transport, upload(source()), within=30.0))
        stream = aiter(stream_of(response))
        first = await anext(stream)

        assert first == b"x"
        with pytest.raises(UpstreamGarbled):
            await anext(stream)
        assert transport.counts() == {"upstream_connections": 0}


async def test_x1_an_upload_ends_with_the_answer_that_nobody_wants() -> None:
    """X1: no task is left that reads of a client."""
    ended = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    async with echoing() as transport:
        response = await transport.send(call_of(transport, upload(source()), within=30.0))
        await anext(aiter(stream_of(response)))
        await stream_of(response).aclose()
        await asyncio.wait_for(ended.wait(), 30)

        assert transport.counts() == {"upstream_connections": 0}


async def test_a_source_that_fails_ends_the_call_with_its_own_error(ours: House) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"x"
        raise RuntimeError("the client went")

    with pytest.raises(RuntimeError, match="the client went"):
        await ours.call(method="POST", body=source())

    assert ours.in_use() == 0


async def test_d3_a_stream_that_rests_too_long_is_late(ours: House) -> None:
    async def script(seen: Seen, wire: Wire) -> bool:
        await wire.say(OK + b"Content-Length: 100\r\n\r\nabc")
        await wire.hang()
        return False

    assert isinstance(ours.server, RawServer)
    ours.server.script = script
    url = f"http://127.0.0.1:{ours.server.port}"
    transport = HttpTransport(url, options=PoolOptions(rest=0.05, connect=2.0))
    response = await transport.send(call_of(transport, HttpRequest(target=b"/", streamed=True), within=5.0))

    with pytest.raises(UpstreamTimeout):
        async for _ in stream_of(response):
            pass

    assert transport.counts() == {"upstream_connections": 0}
    await transport.aclose()


async def test_x1_a_stream_whose_caller_was_cancelled_is_closed(ours: House) -> None:
    """The answer came in the tick of the cancellation: nobody will ever read it."""
    always(ours, Reply(chunks=(b"a" * 100, b"b" * 100), gate=None))
    for _ in range(50):
        call = asyncio.ensure_future(ours.call(streamed=True))
        await asyncio.sleep(0.0005)
        call.cancel()
        results = await asyncio.gather(call, return_exceptions=True)
        for result in results:
            if isinstance(result, HttpResponse):
                await stream_of(result).aclose()

    assert ours.in_use() == 0
