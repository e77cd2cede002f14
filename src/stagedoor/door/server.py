"""Serve an application behind the door: uvicorn's server, this protocol, one process or several."""

import asyncio
import contextlib
import resource
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from stagedoor.door.config import App, DoorConfig, Entrance
from stagedoor.door.limits import DoorLimits

__all__ = ["DoorServer", "serve", "server_for"]

_LAME: Final = 0.2
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class DoorServer(uvicorn.Server):
    """uvicorn's server, with a stop that ends in exit code 0, and at once on a second signal."""

    config: DoorConfig

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop gracefully at the first signal, at once at the second (X6)."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals of a stop; unlike uvicorn's, do not raise them again: a clean stop exits with 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: Any = None) -> None:  # noqa: ANN401 - as the base class has it
        """Drain: say so, go on answering for a moment with `Connection: close`, then finish what is under way."""
        self.config.drain()
        for connection in list(self.server_state.connections):
            connection.retire()  # type: ignore[union-attr]
        if not self.force_exit:
            await asyncio.sleep(_LAME)
        await super().shutdown(sockets)


def server_for(
    app: App | Entrance,
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


def serve(
    app: App | Entrance | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: DoorLimits | None = None,
    namespace: str = "stagedoor",
    workers: int = 1,
    factory: str | None = None,
) -> None:
    """Serve until a signal says stop, then finish what is under way (up to 10 s) and return.

    Several `workers` are processes and need `factory`, "module:function", which makes the application (or an
    `Entrance`) in each of them. One process takes either.
    """
    made = factory or app
    if made is None or (workers > 1 and factory is None):
        raise ValueError("serve: give an application, or a factory if there are several workers")
    _raise_descriptor_limit()
    config = DoorConfig(
        made,
        limits=limits or DoorLimits(),
        namespace=namespace,
        host=host,
        port=port,
        workers=workers,
    )
    if workers > 1:
        Multiprocess(config, sockets=[config.bind_socket()]).run()
    else:
        DoorServer(config).run()


def _raise_descriptor_limit() -> None:
    """Allow as many open descriptors as the system lets us: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
