"""The connection to Redis, before a server that is none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from stagedoor._cache.redis import RedisServer
from stagedoor._cache.redis_connection import RedisConnection
from stagedoor._cache.server import StoreDown


async def test_f1_a_server_that_names_no_script_is_down() -> None:
    """F1: what it says to SCRIPT LOAD is not used to call a script by."""
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(b":1\r\n")
        await writer.drain()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        over.set()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        server = RedisServer(f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0")
        with pytest.raises(StoreDown, match="not the name of a script"):
            await server.invalidations(0)

        await server.aclose()
        await over.wait()


@contextlib.asynccontextmanager
async def saying(answer: bytes, *, unasked: bool = False) -> AsyncIterator[str]:
    """Say one thing to whoever connects, and hang up; yield the address."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            if not unasked:
                await reader.read(65_536)
            writer.write(answer)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0"


@pytest.mark.parametrize(
    ("answer", "reason", "told"),
    [
        (b"-OOM command not allowed\r\n", "unavailable", "is out of memory, and may drop nothing (OOM)"),
        (b"-READONLY You can't write\r\n", "unavailable", "can only be read: it is a replica (READONLY)"),
        (b"-NOAUTH Authentication required.\r\n", "unavailable", "wants a password (NOAUTH)"),
        (b"-WRONGPASS secret.internal\r\n", "unavailable", "refuses this user or password (WRONGPASS)"),
        (b"-LOADING data\r\n", "unavailable", "is loading its data (LOADING)"),
        (
            b"-MISCONF Errors writing to disk\r\n",
            "unavailable",
            "cannot save its data, and takes no more (MISCONF)",
        ),
        (b"-ERR max number of clients reached\r\n", "unavailable", "has too many clients (ERR)"),
        (b"-ERR DB index is out of range\r\n", "unavailable", "does not take a command of ours (ERR)"),
        (
            b"-MOVED 1 secret.internal:1\r\n",
            "unavailable",
            "says that another node of its cluster has our keys (MOVED)",
        ),
        (
            b"-NOPERM No permissions to access a key\r\n",
            "unavailable",
            "does not let this user do that (NOPERM)",
        ),
        (
            b"-NOPERM User x has no permissions to run the 'script|load' command\r\n",
            "unavailable",
            "does not let this user run script|load (NOPERM)",
        ),
        (
            b"-ERR ACL failure in script: User x has no permissions to run the 'zadd' command script: 4f\r\n",
            "unavailable",
            "does not let this user run zadd (NOPERM)",
        ),
        (b"-ODD secret.internal\r\n", "unavailable", "ODD"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "garbled", "its answers cannot be understood"),
        (b"", "unavailable", "connection lost"),
    ],
)
async def test_f6_what_a_server_refuses_is_told_in_words(answer: bytes, reason: str, told: str) -> None:
    """F6: without a look at Redis' manual, and without what else it said (T21)."""
    async with saying(answer) as url:
        with pytest.raises(StoreDown) as down:
            await RedisServer(url).invalidations(0)

    assert (down.value.reason, down.value.told) == (reason, told)


async def test_f6_who_is_not_let_in_is_told_so_before_anything_was_asked() -> None:
    """F6: a server with too many clients says so and hangs up."""
    async with saying(b"-ERR max number of clients reached\r\n", unasked=True) as url:
        with pytest.raises(StoreDown) as down:
            await RedisServer(url).invalidations(0)

    assert down.value.told in {"has too many clients (ERR)", "connection lost", "reset the connection"}


async def test_f6_what_is_said_unasked_is_why_nothing_can_be_asked() -> None:
    """F6: however soon it comes; a question on the same connection is answered by it, and not by what it broke."""
    connection = RedisConnection()
    connection.data_received(b"-ERR max number of clients reached\r\n")

    with pytest.raises(StoreDown) as down:
        await connection.send((b"PING",))
    assert down.value.told == "has too many clients (ERR)"


async def test_f6_what_keeps_a_connection_from_being_made_is_told_in_words() -> None:
    """F6: the process, the name or the certificate: each is mended by somebody else."""
    told = []
    for url in ("redis://127.0.0.1:1/0", "redis://no.such.name.invalid:6379/0"):
        with pytest.raises(StoreDown) as down:
            await RedisServer(url).invalidations(0)
        told.append(down.value.told)

    assert told == ["refused the connection", "its name cannot be resolved"]


class Line(asyncio.Transport):
    """Where commands go that nobody reads."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take a command."""

    def abort(self) -> None:
        """End."""


@pytest.mark.parametrize(
    "pieces",
    [[b"*9999999\r\n"], [b"*1\r\n*9999999\r\n"], [b"*99", b"99999\r\n"], [b"*2\r\n:1\r", b"\n%9999999\r\n"]],
)
async def test_f1_a_reply_that_announces_too_much_reaches_no_parser(pieces: list[bytes]) -> None:
    """F1: room for a thousand million elements takes seconds to give back, nested or cut as it may be."""
    connection = RedisConnection()
    connection.connection_made(Line())
    for piece in pieces:
        connection.data_received(piece)

    assert connection.closed


async def test_f1_what_somebody_had_kept_announces_nothing() -> None:
    """F1: a body may hold what looks like an announcement, wherever its octets are cut."""
    connection = RedisConnection()
    connection.connection_made(Line())
    body = b"x" * 60 + b"\r\n*9999999\r\n" * 4
    asked = [asyncio.ensure_future(connection.send(("GET", "k"))) for _ in range(2)]
    await asyncio.sleep(0)
    reply = b"$%d\r\n%b\r\n" % (len(body), body)
    cut = reply.rindex(b"*")
    for piece in (reply[:cut], reply[cut:] + reply[:cut], reply[cut:]):
        connection.data_received(piece)

    assert await asyncio.gather(*asked) == [body, body]


async def test_x1_who_connects_at_the_same_time_shares_one_connection() -> None:
    """X1: the first request came while the watch began, and one of two connections stayed open for ever."""
    opened = 0
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        with contextlib.suppress(ConnectionError):
            while said := await reader.read(65_536):
                news = b"*4\r\n$1\r\n1\r\n:1\r\n:0\r\n*0\r\n" * said.count(b"EVALSHA")
                writer.write(b"$1\r\nx\r\n" if b"SCRIPT" in said else news)
        writer.close()
        over.set()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        server = RedisServer(f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0")
        heard = await asyncio.gather(server.invalidations(0), server.invalidations(0), server.connect())
        await server.aclose()
        await over.wait()

    assert (opened, heard[0], server.connected) == (1, heard[1], False)
