"""Every test of the suite runs on both event loops; `house` on each transport, `wired` on those with a wire."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.contracts.transports.house import House, build
from tests.contracts.transports.server import RawServer


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop of the standard library and on the one of production."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


async def lived_in(kind: str) -> AsyncIterator[House]:
    """Build a house, and check on leaving that nothing was left behind (X1)."""
    built = await build(kind)
    yield built
    await built.transport.aclose()
    if isinstance(built.server, RawServer):
        await built.server.stop()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left or not (await asyncio.wait(left, timeout=20))[1]


@pytest.fixture(params=["http", "http2", "asgi"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Give a transport with an upstream that says bodies back."""
    async for built in lived_in(request.param):
        yield built


@pytest.fixture(params=["http", "http2"])
async def wired(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Give a transport with a server whose bytes a test can write."""
    async for built in lived_in(request.param):
        yield built


@pytest.fixture
async def ours() -> AsyncIterator[House]:
    """Give our own client, with such a server."""
    async for built in lived_in("http"):
        yield built
