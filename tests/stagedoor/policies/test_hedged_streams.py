"""Races between copies whose answers are streams: who loses gives its connection up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from stagedoor._call import Call, Env
from stagedoor._clock import SystemClock
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports.http import HttpTransport
from stagedoor.policies._hedge import Hedge
from stagedoor.testing import ManualClock, call_of, settle

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"


@asynccontextmanager
async def answering_two_at_once() -> AsyncIterator[str]:
    """Begin to answer when two have asked, and leave both bodies unfinished."""
    waiting: list[asyncio.StreamWriter] = []
    left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        waiting.append(writer)
        if len(waiting) == 2:
            for one in waiting:
                one.write(HEAD)
        await reader.read()
        writer.close()
        left.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await left.wait()
    finally:
        server.close()
        for one in waiting:
            one.close()
            with suppress(OSError):
                await one.wait_closed()


async def test_r8_a_stream_that_lost_gives_its_connection_up() -> None:
    """R8, X1: two that began to be answered in one turn of the loop held two connections, one of them for ever."""
    async with answering_two_at_once() as url:
        clock = SystemClock()
        transport = HttpTransport(url, connect_timeout=1.0, clock=clock)
        hedged = Hedge(delay=0.05).wrap(transport.send, Env(clock, lambda: 0.5, lambda _: None))
        answer = await hedged(call_of(HttpRequest(target=b"/", streamed=True)))

        assert transport.counts() == {"upstream_connections": 1}
        assert answer.stream is not None
        await answer.stream.aclose()
        assert transport.counts() == {"upstream_connections": 0}
        await transport.aclose()


class Chunks:
    """A body that notes whether it was given up."""

    def __init__(self, fails: bool) -> None:
        self.fails = fails
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"chunk"

    async def aclose(self) -> None:
        self.closed = True
        if self.fails:
            raise OSError("gone already")


@pytest.mark.parametrize("fails", [False, True])
async def test_d6_a_stream_for_a_caller_who_left_in_that_tick_is_given_up(env: Env, fails: bool) -> None:
    """D6: it had come, and nobody was there to take it."""
    body, there = Chunks(fails), asyncio.Event()

    async def send(_: Call[int]) -> HttpResponse:
        await there.wait()
        return HttpResponse(status=200, stream=body)

    race = asyncio.ensure_future(Hedge(delay=0.05).wrap(send, env)(call_of(1)))
    await settle()
    there.set()
    await asyncio.sleep(0)
    race.cancel()
    await settle()

    assert race.cancelled()
    assert body.closed


async def test_of_two_that_answer_in_one_tick_the_first_wins(env: Env, clock: ManualClock) -> None:
    """What holds nothing needs no closing."""
    there = asyncio.Event()

    async def send(call: Call[int]) -> int:
        await there.wait()
        return call.attempt

    race = asyncio.ensure_future(Hedge(delay=0.05).wrap(send, env)(call_of(1)))
    await clock.advance(0.06)
    there.set()

    assert await race == 1
    assert clock.pending() == 0
