"""What `serve` takes, and how a server is put together."""

from typing import Any

import pytest

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
