"""Answers over HTTP/2 that break its rules or our limits are garbled, and bodies are whole or visibly cut."""

import pytest

from stagedoor.errors import UpstreamGarbled
from tests.contracts.transports.frames import (
    HEADERS,
    WHOLE,
    FrameServer,
    Peer,
    data,
    field,
    frame,
    head,
    reset,
    speaking,
    stream_of,
)
from tests.contracts.transports.house import House

OK = field(b":status", b"200")
MALFORMED = {
    "no status": field(b"x", b"y"),
    "two statuses": OK + OK,
    "a status behind a field": field(b"x", b"y") + OK,
    "a field of the connection": OK + field(b"connection", b"close"),
    "a transfer coding": OK + field(b"transfer-encoding", b"chunked"),
    "a length that is no number": OK + field(b"content-length", b"+3"),
    "two lengths": OK + field(b"content-length", b"3") + field(b"content-length", b"4"),
    "capitals in a name": OK + field(b"X-A", b"1"),
    "NUL in a value": OK + field(b"x", b"a\0b"),
    "a line end in a value": OK + field(b"x", b"a\r\ny: b"),
    "a name nobody wrote": b"\xff\xff\xff\xff\xff\xff",
    "a head beyond the limit": OK + b"".join(field(b"x%d" % n, b"a" * 400) for n in range(170)),
}


def parts(stream: int, block: bytes) -> bytes:
    """Return a head in as many frames as it needs."""
    pieces = [block[at : at + 16_384] for at in range(0, len(block), 16_384)]
    last = len(pieces) - 1
    return b"".join(
        frame(HEADERS if not n else 9, WHOLE if n == last else 0, stream, piece)
        for n, piece in enumerate(pieces)
    )


async def read(house: House, streamed: bool) -> bytes:
    response = await house.call(streamed=streamed)
    return b"".join([chunk async for chunk in stream_of(response)]) if streamed else response.body


@pytest.mark.parametrize("name", MALFORMED)
async def test_h6_a_head_that_breaks_the_rules_is_garbled(name: str) -> None:
    """It was told as an upstream that cannot be reached: 503 for an answer that came."""

    async def script(peer: Peer, stream: int) -> None:
        await peer.say(parts(stream, MALFORMED[name]), data(stream, b"abc"))

    async with FrameServer(script) as server:
        house = speaking(server)

        with pytest.raises(UpstreamGarbled):
            await house.call()

        assert (house.in_use(), server.asked) == (0, 1)
        await house.transport.aclose()


async def test_h6_a_server_of_http_1_is_garbled_to_who_knows_it_speaks_http_2() -> None:
    async def script(peer: Peer, stream: int) -> None:
        await peer.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with FrameServer(script) as server:
        house = speaking(server)

        with pytest.raises(UpstreamGarbled):
            await house.call()

        await house.transport.aclose()


async def test_a_head_within_the_limits_is_read() -> None:
    """`Limits.head` is 64 KiB; from 16 KiB on it was "could not be reached"."""
    block = OK + b"".join(field(b"x%d" % n, b"a" * 300) for n in range(150))

    async def script(peer: Peer, stream: int) -> None:
        await peer.say(parts(stream, block), data(stream, b"abc"))

    async with FrameServer(script) as server:
        house = speaking(server)

        assert (await house.call()).body == b"abc"
        await house.transport.aclose()


@pytest.mark.parametrize("streamed", [False, True])
async def test_t18_a_body_shorter_than_its_length_is_cut(streamed: bool) -> None:
    """A reset with NO_ERROR ends a body for the client underneath, however little of it has come."""

    async def script(peer: Peer, stream: int) -> None:
        await peer.say(
            head(stream, 200, (b"content-length", b"10")), data(stream, b"abc", end=False), reset(stream, 0)
        )

    async with FrameServer(script) as server:
        house = speaking(server)

        with pytest.raises(UpstreamGarbled):
            await read(house, streamed)

        assert house.in_use() == 0
        await house.transport.aclose()


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("streamed", [False, True])
async def test_h7_what_cannot_have_a_body_has_none(status: int, streamed: bool) -> None:
    """RFC 9110 15.3.5: and the next call is answered for itself."""

    async def script(peer: Peer, stream: int) -> None:
        if peer.bodies[stream]:
            await peer.answer(stream, b"next")
        else:
            await peer.say(head(stream, status), data(stream, b"abc"))

    async with FrameServer(script) as server:
        house = speaking(server)

        assert await read(house, streamed) == b""
        assert (await house.call(method="POST", body=b"x")).body == b"next"
        assert house.in_use() == 0
        await house.transport.aclose()
