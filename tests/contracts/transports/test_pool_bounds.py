"""The bounds of a pool: places, ages, and who is served first."""

import asyncio

import pytest

from stagedoor._requests import HttpRequest
from stagedoor._transports.http import HttpTransport
from stagedoor._transports.pool import PoolOptions
from stagedoor.errors import Overloaded, UpstreamTimeout
from tests.contracts.transports.house import House, call_of
from tests.contracts.transports.pools import echo_number
from tests.contracts.transports.server import RawServer, Reply, Seen, Wire, script_of


async def test_after_a_restart_of_the_upstream_no_call_is_lost(ours: House) -> None:
    assert isinstance(ours.server, RawServer)
    ours.server.script = echo_number
    await asyncio.gather(*(ours.call() for _ in range(10)))

    await ours.server.stop()
    await ours.server.start()
    results = await asyncio.gather(*(ours.call() for _ in range(30)), return_exceptions=True)

    assert not [result for result in results if isinstance(result, BaseException)]


async def test_the_pool_is_bounded_and_serves_in_order_of_arrival() -> None:
    gate = asyncio.Event()
    order: list[bytes] = []

    async def answer(seen: Seen) -> Reply:
        order.append(seen.target)
        return Reply(gate=gate)

    async with RawServer(script_of(answer)) as server:
        transport = HttpTransport(f"http://127.0.0.1:{server.port}", pool_size=2, connect_timeout=2.0)
        calls = []
        for number in range(20):
            payload = HttpRequest(target=b"/%d" % number)
            calls.append(asyncio.ensure_future(transport.send(call_of(transport, payload, within=5.0))))
            await asyncio.sleep(0.002)
        statistics = transport.statistics()
        described = repr(transport)
        gate.set()
        await asyncio.gather(*calls)

        assert (statistics.in_use, statistics.waiting, server.connections) == (2, 18, 2)
        assert described == "HttpTransport(<Pool 2 in use, 0 idle of 2, 18 waiting>)"
        assert [int(target[1:]) for target in order] == list(range(20))
        await transport.aclose()


async def test_who_finds_no_place_in_time_is_shed() -> None:
    async with RawServer(script_of(hold)) as server:
        transport = HttpTransport(f"http://127.0.0.1:{server.port}", pool_size=1, connect_timeout=2.0)
        first = asyncio.ensure_future(
            transport.send(call_of(transport, HttpRequest(target=b"/"), within=0.3))
        )
        await asyncio.sleep(0.02)

        with pytest.raises(Overloaded) as caught:
            await transport.send(call_of(transport, HttpRequest(target=b"/"), within=0.05))
        with pytest.raises(UpstreamTimeout):
            await first

        assert not caught.value.retryable
        assert (transport.statistics().waiting, transport.statistics().in_use) == (0, 0)
        await transport.aclose()


async def hold(seen: Seen) -> Reply:
    return Reply(gate=asyncio.Event())


async def test_the_newest_connection_is_used_first_and_idle_ones_age_out() -> None:
    async with RawServer(echo_number) as server:
        transport = HttpTransport(
            f"http://127.0.0.1:{server.port}", options=PoolOptions(size=5, connect=2.0, idle=0.1)
        )

        async def call() -> bytes:
            return (await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))).body

        await asyncio.gather(*(call() for _ in range(5)))
        used = {await call() for _ in range(5)}
        before = transport.statistics().idle
        await asyncio.sleep(0.25)
        after = transport.statistics()

        assert len(used) == 1
        assert (before, after.idle, after.in_use) == (5, 0, 0)
        await transport.aclose()


async def test_a_connection_is_not_used_beyond_its_age() -> None:
    async with RawServer(echo_number) as server:
        transport = HttpTransport(
            f"http://127.0.0.1:{server.port}", options=PoolOptions(size=5, connect=2.0, age=0.05)
        )
        await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))
        await asyncio.sleep(0.08)
        response = await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert response.body == b"1"
        await transport.aclose()


async def test_a_cancelled_call_never_returns_its_connection(ours: House) -> None:
    assert isinstance(ours.server, RawServer)

    async def script(seen: Seen, wire: Wire) -> None:
        await asyncio.sleep(0.05)
        await echo_number(seen, wire)

    ours.server.script = script
    call = asyncio.ensure_future(ours.call())
    await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert (await ours.call()).body == b"1"
