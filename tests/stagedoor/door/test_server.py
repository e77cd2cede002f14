"""What `serve` takes, and how a server is put together."""

import asyncio
import contextlib
import itertools
import signal
import socket
from typing import Any

import pytest
import uvloop

from stagedoor._door import DoorLimits, ServerHooks, serve, server_for
from stagedoor._door.near import NearDoorProtocol


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing."""


@pytest.mark.parametrize("options", [{}, {"app": app, "workers": 2}])
def test_several_workers_need_a_factory(options: dict[str, Any]) -> None:
    """A process of its own cannot be handed an object that lives in this one."""
    with pytest.raises(ValueError, match="factory"):
        serve(**options)


def make() -> ServerHooks:
    return ServerHooks(app=app, new_id=lambda: "made")


@pytest.mark.parametrize("given", [app, ServerHooks(app=app, new_id=lambda: "made")])
def test_an_application_comes_bare_or_with_its_entrance(given: Any) -> None:
    """The door calls the application itself: nothing is wrapped around it."""
    server = server_for(given, port=0, limits=DoorLimits(max_connections=7))
    server.config.load()

    assert server.config.loaded_app is app
    assert server.config.http_protocol_class is NearDoorProtocol
    assert server.config.limits.max_connections == 7
    assert (server.config.new_id() == "made") is isinstance(given, ServerHooks)


async def test_a_server_runs_inside_a_loop_of_ones_own() -> None:
    """`await server.serve()` until `should_exit`."""
    closed: list[str] = []

    async def living(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        closed.append(scope["type"])
        await send({"type": "lifespan.shutdown.complete"})

    server = server_for(ServerHooks(app=living, drain=lambda: closed.append("draining")), port=0)
    server.should_exit = True
    await server.serve()

    assert closed == ["draining", "lifespan"]


@pytest.mark.parametrize("hangs", ["lifespan.startup", "lifespan.shutdown"])
async def test_x6_a_second_signal_waits_for_no_application(
    hangs: str, caplog: pytest.LogCaptureFixture
) -> None:
    """X6: one that does not come to its start, or to its end, kept the process whatever it was told."""
    hung = asyncio.Event()

    async def living(scope: Any, receive: Any, send: Any) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == hangs:
                hung.set()
                await asyncio.Event().wait()
            await send({"type": f"{kind}.complete"})

    before = asyncio.all_tasks()
    server = server_for(ServerHooks(app=living), port=0)
    serving = asyncio.create_task(server.serve())
    if hangs == "lifespan.shutdown":
        server.should_exit = True
    await asyncio.wait_for(hung.wait(), 20)
    for _ in range(2):
        server.handle_exit(signal.SIGTERM, None)
    await asyncio.wait_for(serving, 20)
    for task in asyncio.all_tasks() - before:  # as a runner does at the end
        task.cancel()
    await asyncio.sleep(0)

    assert not [record for record in caplog.records if record.exc_info]


def test_many_connections_are_let_in_within_a_turn_of_the_loop() -> None:
    """Issue 14, O3: uvloop lets in one a turn; where turns take 10 ms, a probe of health waited behind hundreds."""
    assert uvloop.run(_turns(64)) <= 16


async def _turns(count: int) -> int:
    """Return how many turns it takes until so many who knock at once are in."""
    loop, turns = asyncio.get_running_loop(), itertools.count()

    async def living(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    server = server_for(ServerHooks(app=living), port=0)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - the server sets no event
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        taken: asyncio.Future[int] = loop.create_future()

        def turn() -> None:
            number = next(turns)
            if len(server.server_state.connections) == count:
                taken.set_result(number)
            else:
                loop.call_soon(turn)

        loop.call_soon(turn)
        found = await taken
    server.should_exit = True
    await serving
    return found
