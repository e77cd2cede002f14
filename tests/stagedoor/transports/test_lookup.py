"""Calls to an upstream by its name, while the resolver of this machine does what a test says."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from stagedoor._requests import HttpRequest
from stagedoor._transports.http import HttpTransport
from stagedoor._transports.pool import PoolOptions
from stagedoor.errors import UpstreamUnavailable
from tests.contracts.transports.house import call_of
from tests.contracts.transports.server import RawServer, Reply, Seen, script_of

Resolve = Callable[[], Any]


async def closing(seen: Seen) -> Reply:
    """Answer so that the next call has to connect anew."""
    return Reply(headers=((b"connection", b"close"),), chunks=(b"ok",))


def resolve_by(monkeypatch: pytest.MonkeyPatch, moods: list[Resolve]) -> None:
    """Let this loop's resolver answer for `users.test` in its first mood."""
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
        if host != "users.test":
            return await real(host, port, **options)
        said = moods[0]()
        address = await said if asyncio.iscoroutine(said) else said
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


async def never() -> str:
    await asyncio.get_running_loop().create_future()
    return ""


def down() -> str:
    raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")


@pytest.mark.parametrize("trouble", [never, down])
async def test_c6_a_resolver_in_trouble_does_not_stop_traffic(
    monkeypatch: pytest.MonkeyPatch, trouble: Resolve
) -> None:
    """U6: each call connects anew, and the name was right a moment ago (cf. RFC 8767)."""
    moods: list[Resolve] = [lambda: "127.0.0.1", trouble]
    resolve_by(monkeypatch, moods)
    async with RawServer(script_of(closing)) as server:
        transport = HttpTransport(f"http://users.test:{server.port}", options=PoolOptions(lookup=0.0))

        async def call() -> bytes:
            return (await transport.send(call_of(transport, HttpRequest(target=b"/"), within=0.2))).body

        await call()
        moods.pop(0)
        bodies = [await call() for _ in range(20)]

        assert bodies == [b"ok"] * 20
        await transport.aclose()


async def test_c6_an_upstream_that_comes_back_is_found_while_the_resolver_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """U6: nobody answered at its address for a moment, which is no reason to forget it."""
    moods: list[Resolve] = [lambda: "127.0.0.1", never]
    resolve_by(monkeypatch, moods)
    async with RawServer(script_of(closing)) as server:
        transport = HttpTransport(f"http://users.test:{server.port}", options=PoolOptions(lookup=0.0))
        payload = HttpRequest(target=b"/")
        await transport.send(call_of(transport, payload, within=0.2))
        moods.pop(0)

        await server.stop()
        with pytest.raises(UpstreamUnavailable):
            await transport.send(call_of(transport, payload, within=0.2))
        await server.start()
        response = await transport.send(call_of(transport, payload, within=0.2))

        assert response.body == b"ok"
        await transport.aclose()


async def test_c6_an_upstream_that_has_moved_costs_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """U6: where nobody answers at the address known, the one just found is tried in the same call."""
    moods: list[Resolve] = [lambda: "127.0.0.1", lambda: "127.0.0.2"]
    resolve_by(monkeypatch, moods)
    async with RawServer(script_of(closing)) as server:
        transport = HttpTransport(f"http://users.test:{server.port}", options=PoolOptions(lookup=0.0))
        payload = HttpRequest(target=b"/")
        await transport.send(call_of(transport, payload, within=0.2))
        moods.pop(0)

        await server.stop()
        moved = RawServer(script_of(closing), host="127.0.0.2")
        moved.port = server.port
        async with moved:
            response = await transport.send(call_of(transport, payload, within=0.2))

        assert (response.body, moved.connections) == (b"ok", 1)
        await transport.aclose()
