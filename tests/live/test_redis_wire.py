"""How the server is reached: passwords, sockets, TLS, and what does not speak its protocol."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
import trustme
import uvloop

from stagedoor._cache.redis import RedisServer
from stagedoor._cache.server import StoreDown
from stagedoor._events import StoreFailed
from stagedoor.errors import ConfigError
from tests.live.redis_process import Handler, Process, serving, until
from tests.servers import Server


def forward_to(port: int) -> Handler:
    """Pass a connection on, both ways, until one side ends it."""

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
        sink.transport.abort()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, back), pipe(there, writer))

    return forward


async def test_a_server_that_is_not_connected_answers_nothing(valkey: Server) -> None:
    """Only the watch connects; nobody else waits for that."""
    server = RedisServer(valkey.url)

    with pytest.raises(StoreDown):
        await server.read(b"k", 0)
    assert repr(server) == "<RedisServer stagedoor off>"
    await server.invalidations(0)
    assert repr(server) == "<RedisServer stagedoor on>"
    with pytest.raises(StoreDown, match="WRONG"):
        await server.command("EVAL", "return redis.error_reply('WRONG host')", 0)
    await server.aclose()


async def test_x2_who_gave_up_is_not_told_of_the_end(valkey: Server) -> None:
    """X2: a cancelled command stays cancelled when the connection ends under it."""
    server = RedisServer(valkey.url)
    await server.invalidations(0)
    waiting = asyncio.create_task(server.command("BLPOP", "nothing", "5"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])

    await server.aclose()

    assert waiting.cancelled()


async def test_scripts_that_were_flushed_are_loaded_again(process: Process) -> None:
    """An operator's SCRIPT FLUSH is a short outage, no lasting one."""
    await process.server.command("SCRIPT", "FLUSH")
    await process.far_body()
    await until(lambda: process.far.up)
    await process.keep()

    assert await process.far_body() == b"v"
    assert [event.error for event in process.events.of(StoreFailed)] == ["NOSCRIPT"]


async def test_a_password_and_a_database_are_said_first(process: Process, valkey: Server) -> None:
    """`redis://user:password@host/1` as everybody writes it; a wrong one is an outage without a secret in it."""
    command = process.server.command
    await command("ACL", "SETUSER", "cache", "on", ">s/cret", "~*", "+@all")
    try:
        right = RedisServer(f"redis://cache:s%2Fcret@127.0.0.1:{valkey.port}/1")
        await right.invalidations(0)
        there = await right.command("DBSIZE")
        wrong = RedisServer(f"redis://cache:wrong@127.0.0.1:{valkey.port}/1")
        with pytest.raises(StoreDown) as refused:
            await wrong.invalidations(0)
    finally:
        await command("ACL", "DELUSER", "cache")

    assert there == 1
    assert str(refused.value) == "WRONGPASS"
    await right.aclose()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n" * 50])
async def test_what_does_not_speak_redis_is_an_outage(answer: bytes) -> None:
    """K1: somebody else's port, or answers that nobody asked for."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(answer)
        await reader.read()

    async with serving(nonsense) as url:
        with pytest.raises(StoreDown):
            await RedisServer(url).invalidations(0)


@pytest.mark.parametrize("url", ["http://host", "redis://host/films", "localhost:6379"])
def test_an_address_that_cannot_be_is_refused_without_showing_it(url: str) -> None:
    """A setting is checked at start; it may hold a password."""
    with pytest.raises(ConfigError) as refused:
        RedisServer(url)
    assert url not in str(refused.value)


async def worked(url: str, patience: float = 20.0) -> bytes | None:
    process = Process(url, timeout=5.0)
    await process.store.start()
    with contextlib.suppress(AssertionError):
        await until(lambda: process.far.up, patience)
    await process.keep()
    body = await process.far_body()
    await process.store.aclose()
    return body


async def test_k8_a_server_that_says_yes_to_everything_is_an_outage() -> None:
    """K8: an answer that is none of our scripts' is not used."""

    async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(b"+OK\r\n")

    async with serving(agree) as url:
        with pytest.raises(StoreDown, match="our scripts"):
            await RedisServer(url).invalidations(0)


async def test_a_unix_socket_is_an_address(valkey: Server, tmp_path: Path) -> None:
    """`unix:///path?db=1`, for a server on the same machine."""
    async with serving(forward_to(valkey.port), path=str(tmp_path / "s")) as url:
        assert await worked(f"{url}?db=1") == b"v"


async def test_tls_is_verified_by_the_trust_of_the_system(
    valkey: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`rediss://`: a certificate that nobody vouches for is an outage."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with serving(forward_to(valkey.port), tls=tls) as url:
        stranger = await worked(url, patience=0.3)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        friend = await worked(url)

    assert stranger is None
    assert friend == b"v"


def test_it_works_on_uvloop_too(valkey: Server) -> None:
    """The loop of production; its transports are of no class of asyncio's."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(worked(valkey.url)) == b"v"
