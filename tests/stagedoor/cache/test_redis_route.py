"""The way to the server, before nodes and sentinels that are none or do not agree."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from stagedoor._cache.redis_address import RedisAddress
from stagedoor._cache.redis_route import connect
from stagedoor._cache.server import StoreDown

Says = Callable[[int, int], bytes]


class Node(asyncio.Protocol):
    """Answer each question with what is said of its number and the port."""

    asked = 0

    def __init__(self, says: Says) -> None:
        self._says = says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, _: bytes) -> None:
        self.asked += 1
        self._transport.write(self._says(self.asked, self._transport.get_extra_info("sockname")[1]))


@asynccontextmanager
async def answering(says: Says) -> AsyncIterator[int]:
    listening = await asyncio.get_running_loop().create_server(lambda: Node(says), "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def test_a_node_that_names_no_host_means_its_own() -> None:
    """K1: as a cluster says it that does not know under which name it is reached."""
    first = True

    def says(_: int, port: int) -> bytes:
        nonlocal first
        moved, first = first, False
        return b"-MOVED 7 :%d\r\n" % port if moved else b":0\r\n"

    async with answering(says) as port:
        line = await connect(RedisAddress.of(f"redis+cluster://127.0.0.1:{port}"), 0, b"k")

        assert not line.closed
        line.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"-MOVED 7 127.0.0.1:%d\r\n", "MOVED"),
        (b"-MOVED nowhere\r\n", "MOVED"),
        (b"-CLUSTERDOWN the cluster is down\r\n", "CLUSTERDOWN"),
    ],
)
async def test_x1_nodes_that_lead_nowhere_are_an_outage(said: bytes, reason: str) -> None:
    """X1: nodes that name each other for ever; nobody is held on to."""
    async with answering(lambda _, port: said % port if b"%d" in said else said) as port:
        with pytest.raises(StoreDown, match=reason):
            await connect(RedisAddress.of(f"redis+cluster://127.0.0.1:{port}"), 0, b"k")


@pytest.mark.parametrize("said", [b"*-1\r\n", b"+OK\r\n", b"*2\r\n$1\r\nh\r\n$1\r\nx\r\n"])
async def test_a_sentinel_that_knows_no_such_server_is_an_outage(said: bytes) -> None:
    """K1: a name that nobody has, or no sentinel at all; it is told who asks first."""
    async with answering(lambda asked, _: b"+OK\r\n" if asked == 1 else said) as port:
        url = f"redis+sentinel://127.0.0.1:{port}/films?sentinel_password=pw"
        with pytest.raises(StoreDown, match="knows no server of this name"):
            await connect(RedisAddress.of(url), 0, b"k")


async def test_k1_tls_asks_for_an_absolute_name_without_its_last_dot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """K1, RFC 6066 3: a certificate for the very name passed for one of another, and the server for down."""
    authority, shows = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("redis.test").configure_cert(shows)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
        return await real("127.0.0.1" if host == "redis.test." else host, port, **options)

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    made = await loop.create_server(lambda: Node(lambda _, __: b"+OK\r\n"), "127.0.0.1", 0, ssl=shows)
    async with made:
        port = made.sockets[0].getsockname()[1]
        url = f"rediss://redis.test.:{port}/1?ssl_ca_certs={tmp_path}/ca.pem"
        line = await connect(RedisAddress.of(url), 0, b"k")

        assert not line.closed
        line.close()
        await asyncio.sleep(0.02)


async def test_x2_who_gives_up_on_the_way_leaves_no_connection() -> None:
    """X2: the watch has half a second for it."""
    heard = asyncio.Event()

    def says(_: int, __: int) -> bytes:
        heard.set()
        return b""

    async with answering(says) as port:
        way = asyncio.create_task(connect(RedisAddress.of(f"redis+cluster://127.0.0.1:{port}"), 0, b"k"))
        await heard.wait()
        way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await way
