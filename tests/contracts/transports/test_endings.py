"""Bodies that end with their connection: whole only if that end was a proper one."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme

from stagedoor._requests import BodyStream
from stagedoor.errors import UpstreamGarbled
from tests.contracts.transports.house import House, transport_to
from tests.contracts.transports.server import RawServer, Script, Seen, Wire

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\n"
BODY = b"id;name\n1;fir"
AUTHORITY = trustme.CA()

both = pytest.mark.parametrize("kind", ["http", "http2"])
# A bare end of TCP ends a body in the open, but not inside TLS, where anybody on the way could have sent it.
cuts = pytest.mark.parametrize(("scheme", "how"), [("https", "bare"), ("https", "reset"), ("http", "reset")])


def ending(how: str, body: bytes = BODY, *, head: bytes = HEAD) -> Script:
    """Answer with a body without a length, and end the connection in a way."""

    async def script(seen: Seen, wire: Wire) -> bool:
        await wire.say(head + body)
        await asyncio.sleep(0.02)  # a reset overtakes what is still on its way
        if how == "closed":
            return False
        with socket.socket(fileno=socket.dup(wire.writer.get_extra_info("socket").fileno())) as bare:
            if how == "reset":
                bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                bare.shutdown(socket.SHUT_WR)
        wire.reset()
        return False

    return script


@contextlib.asynccontextmanager
async def house_of(kind: str, scheme: str, script: Script) -> AsyncIterator[House]:
    """Give a transport to a server that does this, over TLS or not."""
    theirs, trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    AUTHORITY.issue_cert("localhost").configure_cert(theirs)
    AUTHORITY.configure_trust(trust)
    options: dict[str, Any] = {"ssl_context": trust}
    if kind == "http2":
        options = {"trust": AUTHORITY.cert_pem.bytes()}
    async with RawServer(script, tls=theirs if scheme == "https" else None) as server:
        transport = transport_to(kind, f"{scheme}://localhost:{server.port}", **options)
        yield House(kind, transport, server)
        await transport.aclose()
        await asyncio.sleep(0.02)


async def streamed(house: House) -> BodyStream:
    """Return the body of a streamed answer."""
    stream = (await house.call(streamed=True)).stream
    assert stream is not None
    return stream


@both
@pytest.mark.parametrize(("scheme", "how"), [("http", "closed"), ("http", "bare"), ("https", "closed")])
async def test_c1_a_proper_end_ends_a_body(kind: str, scheme: str, how: str) -> None:
    async with house_of(kind, scheme, ending(how)) as house:
        whole = (await house.call()).body
        pieces = [chunk async for chunk in await streamed(house)]

    assert (whole, b"".join(pieces)) == (BODY, BODY)


@both
@cuts
async def test_c1_any_other_end_cuts_a_body(kind: str, scheme: str, how: str) -> None:
    """U1, T18: RFC 9112 8 and 9.8; what was cut counts as garbled, and is never taken for whole."""
    async with house_of(kind, scheme, ending(how)) as house:
        with pytest.raises(UpstreamGarbled):
            await house.call()

        assert house.in_use() == 0


@both
@cuts
async def test_c1_any_other_end_cuts_a_stream(kind: str, scheme: str, how: str) -> None:
    """U1, T18: the client's connection is then cut too, not ended cleanly."""
    async with house_of(kind, scheme, ending(how)) as house:
        chunks = aiter(await streamed(house))
        first = await anext(chunks)
        with pytest.raises(UpstreamGarbled):
            await anext(chunks)

        assert (first, house.in_use()) == (BODY, 0)


@both
@pytest.mark.parametrize("how", ["bare", "reset"])
async def test_c1_a_body_that_ended_before_is_whole_however_the_connection_ends(kind: str, how: str) -> None:
    """U1: many servers never say close_notify; a length or a last chunk says enough."""
    counted = ending(how, head=HEAD[:-2] + b"Content-Length: 13\r\nConnection: close\r\n\r\n")
    async with house_of(kind, "https", counted) as house:
        whole = (await house.call()).body
        pieces = [chunk async for chunk in await streamed(house)]

    assert (whole, b"".join(pieces)) == (BODY, BODY)


async def test_c1_a_large_body_that_ends_properly_survives_a_slow_reader() -> None:
    """U1: the end of TLS may come while reading rests; what is still to be read comes first."""
    body = b"x" * 3_000_000
    async with house_of("http", "https", ending("closed", body)) as house:
        size = 0
        async for chunk in await streamed(house):
            size += len(chunk)
            await asyncio.sleep(0.005)

    assert size == len(body)
