"""The bounds of a pool: places, ages, and who is served first."""

import asyncio
from collections.abc import Callable

import pytest

from stagedoor._requests import HttpRequest
from stagedoor._transports.http import HttpTransport
from stagedoor._transports.pool import PoolOptions
from stagedoor.errors import Overloaded
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
            while len(order) < min(number + 1, 2):  # noqa: ASYNC110 - the first two are there, in their order
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)
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
            transport.send(call_of(transport, HttpRequest(target=b"/"), within=50.0))
        )
        await until(lambda: transport.statistics().in_use == 1)

        with pytest.raises(Overloaded) as caught:
            await transport.send(call_of(transport, HttpRequest(target=b"/"), within=0.05))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

        assert not caught.value.retryable
        assert (transport.statistics().waiting, transport.statistics().in_use) == (0, 0)
        await transport.aclose()


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not seen():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.005)


async def hold(seen: Seen) -> Reply:
    return Reply(gate=asyncio.Event())


async def test_the_newest_connection_is_used_first_and_idle_ones_age_out() -> None:
    async with RawServer(echo_number) as server:
        transport = HttpTransport(
            f"http://127.0.0.1:{server.port}", options=PoolOptions(size=5, connect=2.0, idle=0.5)
        )

        async def call() -> bytes:
            return (await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))).body

        await asyncio.gather(*(call() for _ in range(5)))
        used = {await call() for _ in range(5)}
        before = transport.statistics().idle
        await until(lambda: transport.statistics().idle == 0)

        assert len(used) == 1
        assert (before, transport.statistics().in_use) == (5, 0)
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

    asked = asyncio.Event()

    async def script(seen: Seen, wire: Wire) -> None:
        if not wire.number:
            asked.set()
            await wire.hang()
        await echo_number(seen, wire)

    ours.server.script = script
    call = asyncio.ensure_future(ours.call())
    await asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert (await ours.call()).body == b"1"
