"""uvicorn's server with the door's protocol, and a stop that loses no request."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.lifespan.on import LifespanOn

from stagedoor._asgi import Application
from stagedoor._door.arrivals import bound_unsent, stop_arrivals
from stagedoor._door.config import ARRIVE_SECONDS, GRACE, DoorConfig, ServerHooks
from stagedoor._door.limits import DoorLimits

__all__ = ["AT_ONCE", "DoorServer", "server_for"]

_LOGGER: Final = logging.getLogger("stagedoor._door")
_LAME: Final = 0.2
_TICK: Final = 0.05
_AT_ONCE: Final = 8  # connections that are let in within a turn of the loop, for each listening socket
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AT_ONCE: Final = signal.SIGQUIT  # what a parent tells a worker whose time is over


class DoorServer(uvicorn.Server):
    """uvicorn's server, with a stop that ends in exit code 0, and at once on a second signal."""

    config: DoorConfig

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop gracefully at the first signal, at once at the second (X6), if that asks for it.

        A hang-up comes twice where a terminal closes, and behind SIGTERM from systemd. Workers get SIGTERM from whoever
        signals their group, and from their parent as well, which says by another signal that there was a second.
        """
        if sig == AT_ONCE or (self.should_exit and self.config.workers == 1 and sig != signal.SIGHUP):
            self.force_exit = True
            with contextlib.suppress(RuntimeError):  # no loop runs yet, or any more
                asyncio.get_running_loop().call_soon_threadsafe(self._give_up)
        self.should_exit = True

    def _give_up(self) -> None:
        """Wait no longer for what an application does before and after it serves, and say nothing of its end."""
        lifespan = getattr(self, "lifespan", None)
        if isinstance(lifespan, LifespanOn):
            lifespan.startup_failed = lifespan.shutdown_failed = True
            lifespan.startup_event.set()
            lifespan.shutdown_event.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals of a stop; unlike uvicorn's, do not raise them again: a clean stop exits with 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # Workers are stopped by their parent: a terminal's SIGINT reaches them too.
        heard = _SIGNALS if self.config.workers == 1 else (signal.SIGTERM, AT_ONCE)
        before = {number: signal.signal(number, self.handle_exit) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401 - as the base class has it
        """Listen, with a bound on what the kernel keeps for each client that does not read."""
        try:
            await super().startup(sockets)
        except SystemExit:  # the application has not started
            if not self.force_exit:
                raise
            return
        for listener in tuple(self._listeners()):
            bound_unsent(listener.fileno())
            await self._listen_more(listener)

    async def _listen_more(self, listener: socket.socket) -> None:
        """Listen several times on one socket: uvloop lets in one connection in a turn, for each time.

        Under load a turn takes milliseconds, and whoever is new would wait for seconds, a probe of health too.
        """
        loop, config = asyncio.get_running_loop(), self.config
        for _ in range(_AT_ONCE - 1):
            same = socket.socket(fileno=os.dup(listener.fileno()))
            made = await loop.create_server(self._protocol, sock=same, ssl=config.ssl, backlog=config.backlog)
            self.servers.append(made)

    def _protocol(self) -> asyncio.Protocol:
        """Return what takes a connection up, as the base class makes it."""
        made: type[Any] = self.config.http_protocol_class
        protocol: asyncio.Protocol = made(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def shutdown(self, sockets: Any = None) -> None:  # noqa: ANN401 - as the base class has it
        """Drain: go on for a moment, let nobody more in, and wait for everybody who is in, up to the grace.

        While it drains every answer ends its connection, so that an idle one stays until its next answer: closing it
        would cut a request that is under way. At the end of the grace what is left is ended, answered 503 if it may be.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + GRACE
        self.config.draining = True
        self.config.drain()
        await asyncio.sleep(_LAME)
        await self._close_listeners(sockets or ())
        while self._has_guests() and not self.force_exit and loop.time() < end:  # noqa: ASYNC110 - a signal sets no event
            await asyncio.sleep(_TICK)
        await self._end_what_is_left()
        if not self.force_exit:
            await self.lifespan.shutdown()

    def _listeners(self) -> Iterable[socket.socket]:
        return (listener for server in self.servers for listener in server.sockets)

    def _has_guests(self) -> bool:
        return bool(self.server_state.connections or self.server_state.tasks)

    async def _close_listeners(self, sockets: Iterable[socket.socket]) -> None:
        for listener in self._listeners():
            stop_arrivals(listener.fileno())
        await asyncio.sleep(ARRIVE_SECONDS)
        for server in self.servers:
            server.close()
        for listener in sockets:
            listener.close()

    async def _end_what_is_left(self) -> None:
        state = self.server_state
        if state.tasks:
            _LOGGER.warning("%d requests were still under way when the stop's time was up", len(state.tasks))
        for task in state.tasks:
            task.cancel()
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks and not self.force_exit:
            await asyncio.wait(state.tasks, timeout=_LAME)


def server_for(
    app: Application | ServerHooks,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: DoorLimits | None = None,
    namespace: str = "stagedoor",
) -> DoorServer:
    """Return a server to run inside a loop of your own, with `await server.serve()`."""
    return DoorServer(
        DoorConfig(app, limits=limits or DoorLimits(), namespace=namespace, host=host, port=port)
    )
