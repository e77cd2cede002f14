"""One connection carries many calls: none of them may hold up the others."""

import asyncio

import pytest

from stagedoor.errors import Overloaded, UpstreamTimeout
from tests.contracts.transports.frames import FrameServer, Peer, speaking


async def test_bodies_that_nobody_reads_hold_up_no_other_call() -> None:
    """T18: three of them took the whole connection's window, and every other call ended by its deadline."""

    async def script(peer: Peer, stream: int) -> None:
        if peer.bodies[stream] == b"short":
            await peer.answer(stream, b"x" * 1_000)
            return
        await peer.fill(stream)

    async with FrameServer(script) as server:
        house = speaking(server)
        unread = [await house.call(streamed=True) for _ in range(20)]
        await asyncio.sleep(0.2)

        answers = [(await house.call(method="POST", body=b"short", within=2.0)).body for _ in range(3)]

        assert answers == [b"x" * 1_000] * 3
        for response in unread:
            assert response.stream is not None
            await response.stream.aclose()
        await house.transport.aclose()


async def test_a_connection_that_fell_silent_is_given_up() -> None:
    """Every call went to it and ended by its deadline, for as long as the kernel believed in it."""

    async def script(peer: Peer, stream: int) -> None:
        await peer.answer(stream, b"%d" % peer.number)

    async with FrameServer(script) as server:
        house = speaking(server, rest=0.8)
        first = await house.call()
        server.peers[0].silent = True

        results = await asyncio.gather(*(house.call(within=30.0) for _ in range(5)), return_exceptions=True)
        after = await house.call()

        assert (first.body, after.body) == (b"0", b"1")
        assert {type(result) for result in results} == {UpstreamTimeout}
        await house.transport.aclose()


async def test_a_call_that_takes_long_keeps_a_connection_that_answers_pings() -> None:
    async def script(peer: Peer, stream: int) -> None:
        await asyncio.sleep(1.5)
        await peer.answer(stream, b"slow")

    async with FrameServer(script) as server:
        house = speaking(server, rest=0.8)

        assert (await house.call()).body == b"slow"
        await house.transport.aclose()


async def test_c9_who_finds_no_place_in_time_is_shed() -> None:
    """It was a time-out of the upstream, which had not been asked: a failure for its breaker."""

    async def script(peer: Peer, stream: int) -> None:
        await asyncio.sleep(0.5)
        await peer.answer(stream, peer.bodies[stream])

    async with FrameServer(script) as server:
        house = speaking(server, pool_size=2)
        first = [asyncio.ensure_future(house.call(method="POST", body=b"%d" % n)) for n in range(3)]
        await asyncio.sleep(0.05)

        with pytest.raises(Overloaded):
            await house.call(within=0.1)

        assert (house.in_use(), server.asked) == (2, 2)
        assert [answer.body for answer in await asyncio.gather(*first)] == [b"0", b"1", b"2"]
        assert house.in_use() == 0
        await house.transport.aclose()
