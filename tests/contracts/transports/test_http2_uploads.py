"""Bodies of requests over HTTP/2 end with their calls."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stagedoor.errors import UpstreamTimeout
from tests.contracts.transports.frames import FrameServer, Peer, data, head, speaking, stream_of


class Source:
    """A body without end that tells when nobody reads it any more."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 100
                await asyncio.sleep(0.001)
        finally:
            self.ended.set()


async def until_reset(peer: Peer) -> None:
    async with asyncio.timeout(30):
        while not peer.reset:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)


async def silence(peer: Peer, stream: int) -> None:
    """Take the request and say nothing."""


async def test_x1_an_upload_ends_with_a_call_that_came_too_late() -> None:
    """It was read on, and sent on, for as long as its source gave anything."""
    source = Source()
    async with FrameServer(silence, at_head=True) as server:
        house = speaking(server)

        with pytest.raises(UpstreamTimeout):
            await house.call(method="POST", body=source.chunks(), within=0.3)

        await asyncio.wait_for(source.ended.wait(), 30)
        await until_reset(server.peers[0])
        assert house.in_use() == 0
        await house.transport.aclose()


async def test_x1_an_upload_ends_with_a_caller_who_left() -> None:
    source = Source()
    async with FrameServer(silence, at_head=True) as server:
        house = speaking(server)
        call = asyncio.ensure_future(house.call(method="POST", body=source.chunks()))
        while not server.asked:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)

        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

        await asyncio.wait_for(source.ended.wait(), 30)
        await until_reset(server.peers[0])
        assert house.in_use() == 0
        await house.transport.aclose()


async def early(peer: Peer, stream: int) -> None:
    """Answer before the body of the request has ended."""
    await peer.say(head(stream, 200), data(stream, b"early"))


async def test_an_early_answer_ends_the_upload() -> None:
    source = Source()
    async with FrameServer(early, at_head=True) as server:
        house = speaking(server)

        response = await house.call(method="POST", body=source.chunks())

        await asyncio.wait_for(source.ended.wait(), 30)
        await until_reset(server.peers[0])
        assert response.body == b"early"
        await house.transport.aclose()


async def test_g10_an_upload_goes_on_behind_the_head_of_its_answer() -> None:
    async def script(peer: Peer, stream: int) -> None:
        await peer.say(head(stream, 200))
        while len(peer.bodies[stream]) < 10_000:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)
        await peer.say(data(stream, b"enough"))

    source = Source()
    async with FrameServer(script, at_head=True) as server:
        house = speaking(server)

        response = await house.call(method="POST", body=source.chunks(), streamed=True)
        body = b"".join([chunk async for chunk in stream_of(response)])

        await asyncio.wait_for(source.ended.wait(), 30)
        assert body == b"enough"
        await house.transport.aclose()


async def test_a_source_that_fails_ends_the_call_with_its_own_error() -> None:
    """It was the upstream that could not be reached: a failure for its breaker, and a 503 for the client's own 413."""

    async def source() -> AsyncIterator[bytes]:
        yield b"x"
        raise RuntimeError("the client went")

    async with FrameServer(silence) as server:
        house = speaking(server)

        with pytest.raises(RuntimeError, match="the client went"):
            await house.call(method="POST", body=source())

        await until_reset(server.peers[0])
        assert house.in_use() == 0
        await house.transport.aclose()
