"""The proxy with bad weather does what its weather says, and nothing when it is calm."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.chaos import CALM, ChaosProxy, Weather

pytestmark = pytest.mark.live


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say everything again, and leave when the other side does."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[ChaosProxy]:
    """Stand in front of an echo."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with ChaosProxy(server.sockets[0].getsockname()[1]) as standing:
        yield standing
    server.close()
    await server.wait_closed()


class Line:
    """One client connection that says and hears."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        """Send."""
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, count: int, within: float = 30.0) -> bytes:
        """Wait for exactly so many bytes."""
        return await asyncio.wait_for(self.reader.readexactly(count), within)

    async def hear_all(self, within: float = 30.0) -> bytes:
        """Wait for the end of the stream."""
        return await asyncio.wait_for(self.reader.read(-1), within)


@pytest.fixture
async def line(proxy: ChaosProxy) -> AsyncIterator[Line]:
    """Connect through the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield Line(reader, writer)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_calm_weather_changes_nothing(line: Line) -> None:
    """A megabyte goes through unchanged, in both directions, and so does the end."""
    data = bytes(range(256)) * 4_096
    sending = asyncio.create_task(line.say(data))
    heard = await line.hear(len(data))
    await sending
    line.writer.write_eof()

    assert heard == data
    assert await line.hear_all() == b""


async def test_latency_delays_each_answer(proxy: ChaosProxy, line: Line) -> None:
    """It is at least the latency less the jitter."""
    proxy.answers = Weather(latency=0.10, jitter=0.02)
    start = time.monotonic()
    await line.say(b"x")
    await line.hear(1)

    assert time.monotonic() - start >= 0.08


async def test_bandwidth_bounds_the_rate(proxy: ChaosProxy, line: Line) -> None:
    """Three thousand bytes at ten thousand a second take about 0.3 s, the last piece's pause aside."""
    proxy.answers = Weather(bandwidth=10_000)
    start = time.monotonic()
    await line.say(b"x" * 3_000)
    await line.hear(3_000)

    assert time.monotonic() - start >= 0.19


async def test_the_slicer_hands_out_small_pieces(proxy: ChaosProxy, line: Line) -> None:
    """A head that arrives byte by byte is what parsers fail on."""
    proxy.answers = Weather(slicer=1, slicer_pause=0.01)
    await line.say(b"abc")
    first = await asyncio.wait_for(line.reader.read(100), 30)

    assert first == b"a"
    assert await line.hear(2) == b"bc"


@pytest.mark.parametrize("count", [0, 1, 7, 10])
async def test_a_cut_comes_after_exactly_n_bytes(proxy: ChaosProxy, line: Line, count: int) -> None:
    """Bodies that end in the middle are told from whole ones by a byte."""
    proxy.answers = Weather(cut_after=count)
    await line.say(b"0123456789")

    assert await line.hear_all() == b"0123456789"[:count]


async def test_a_cut_counts_over_several_pieces(proxy: ChaosProxy, line: Line) -> None:
    """The position in the stream is kept from piece to piece."""
    proxy.answers = Weather(cut_after=15)
    await line.say(b"0123456789")
    first = await line.hear(10)
    await line.say(b"0123456789")

    assert first + await line.hear_all() == b"012345678901234"


async def test_a_cut_may_be_a_reset(proxy: ChaosProxy, line: Line) -> None:
    """A reset is an error to the reader, not an end."""
    proxy.answers = Weather(cut_after=4, reset=True)
    await line.say(b"0123456789")
    heard = await line.hear(4)

    assert heard == b"0123"
    with pytest.raises(ConnectionResetError):
        await line.hear_all()


async def test_a_black_hole_takes_everything_and_gives_nothing(proxy: ChaosProxy, line: Line) -> None:
    """Nobody is refused, and nobody is answered."""
    proxy.requests = Weather(black_hole=True)
    await line.say(b"x")
    with pytest.raises(TimeoutError):
        await line.hear(1, within=0.1)

    proxy.requests = CALM
    await line.say(b"y")

    assert await line.hear(1) == b"y"


async def test_a_slow_close_comes_late(proxy: ChaosProxy, line: Line) -> None:
    """The data is there at once, its end is not."""
    proxy.answers = Weather(slow_close=0.1)
    await line.say(b"x")
    line.writer.write_eof()
    await line.hear(1)
    start = time.monotonic()
    await line.hear_all()

    assert time.monotonic() - start >= 0.08


async def test_reset_hits_open_connections(proxy: ChaosProxy, line: Line) -> None:
    """Both ends see a reset, and the proxy goes on for others."""
    await line.say(b"x")
    await line.hear(1)
    await proxy.reset()

    with pytest.raises(ConnectionResetError):
        await line.hear_all()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    again = Line(reader, writer)
    await again.say(b"y")
    assert await again.hear(1) == b"y"
    writer.close()


async def test_down_refuses_and_up_is_the_same_port(proxy: ChaosProxy) -> None:
    """A client keeps the address that it was given."""
    port = proxy.port
    await proxy.down()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)

    await proxy.up()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()

    assert proxy.port == port


async def test_a_missing_server_resets_its_callers() -> None:
    """The proxy has accepted already, so a reset is the nearest thing to a refusal."""
    async with ChaosProxy(1) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 30)
        writer.close()


async def test_the_repr_says_what_is_going_on(proxy: ChaosProxy, line: Line) -> None:
    """A failing test prints it, with the seed that chance came from."""
    await line.say(b"x")
    await line.hear(1)

    assert repr(proxy) == f"<ChaosProxy {proxy.port} -> {proxy.target} 1 connections seed 0>"
