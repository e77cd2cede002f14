"""One connection carries many calls: none of them may hold up the others."""

import asyncio

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
