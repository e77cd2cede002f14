"""The connection to Redis, before a server that is none."""

import asyncio
import contextlib

import pytest

from stagedoor._cache.redis import RedisServer
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
