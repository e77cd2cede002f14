"""Serve a gateway behind the door: in this process, in several, or again whenever its code changes."""

import contextlib
import importlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stagedoor._asgi import Scope
from stagedoor._door import ServerHooks
from stagedoor._door import serve as serve_door
from stagedoor._door.limits import DoorLimits
from stagedoor._face.collector import hold_collector, spare_collector
from stagedoor._face.gateway import Gateway
from stagedoor._face.running import Running
from stagedoor._face.settings import Settings, settings_from
from stagedoor._face.watching import Watch
from stagedoor._observers.tracing import exporters_in
from stagedoor._problems import ProblemDetails
from stagedoor._web.near import NearCache
from stagedoor.errors import ConfigError

__all__ = ["PreparedGateway", "found", "limits_of", "prepared", "serve", "server_hooks"]

_TARGET = "STAGEDOOR_TARGET"
_WATCHED = "STAGEDOOR_WATCH"
_FACTORY = "stagedoor._face.serving:server_hooks"
_LOGGER = logging.getLogger("stagedoor")
_EVERY = 0.3  # seconds between two looks at the files


def found(target: str) -> Gateway:
    """Return what `module:name` names; raises `ConfigError` if it is no gateway."""
    module, _, name = target.partition(":")
    if not module:
        raise ConfigError(f"{target!r} is not of the form module:name, as in shop:app")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    home, name = importlib.import_module(module), name or "app"
    gateway = getattr(home, name, None)
    if gateway is None:
        gateways = [f"{module}:{one}" for one, thing in vars(home).items() if isinstance(thing, Gateway)]
        raise ConfigError(f"{module!r} has no {name!r}; it has {', '.join(gateways) or 'no Gateway'}")
    if not isinstance(gateway, Gateway):
        raise ConfigError(f"{target!r} is no Gateway but {type(gateway).__name__}")
    return gateway


def serve(target: str, *, host: str | None = None, port: int | None = None, workers: int = 1) -> None:
    """Serve the gateway that `module:name` names until a signal says stop, in this process or in several.

    Host and port are those of its settings unless given. Raises `ConfigError`, and `OSError` for an address that is
    taken.
    """
    prepared(target, host=host, port=port, workers=workers).serve()


def prepared(
    target: str, *, host: str | None = None, port: int | None = None, workers: int = 1
) -> "PreparedGateway":
    """Return what `serve` is about to serve, with nothing opened; raises `ConfigError` for what is wrong with it."""
    gateway = found(target)
    settings = settings_from(os.environ, gateway.name, gateway.settings)
    exporters_in(os.environ)
    # What is wrong is said here, once, and not by every worker. Made once, too, where this very process serves.
    alone = workers == 1
    running = gateway.made(all_logs=True) if alone else gateway.looked_at(reachable=True)
    running.guards.validate_workers(workers)
    address = (host or settings.host, settings.port if port is None else port)
    return PreparedGateway(target, gateway, running if alone else None, settings, *address, workers)


@dataclass(frozen=True, slots=True)
class PreparedGateway:
    """A gateway that has been looked at, and where it is to be served; `running` serves it if it is there."""

    target: str
    gateway: Gateway
    running: Running | None
    settings: Settings
    host: str
    port: int
    workers: int

    def serve(self) -> None:
        """Serve until a signal says stop; raises `OSError` for an address that is taken."""
        os.environ[_TARGET] = self.target
        limits = limits_of(self.settings)
        if self.running is not None:
            hooks = _server_hooks(self.gateway, self.running)
            serve_door(hooks, host=self.host, port=self.port, limits=limits, namespace=self.gateway.name)
            return
        with tempfile.TemporaryDirectory(prefix=f"{self.gateway.name}-metrics-") as numbers:
            _share_numbers(Path(numbers))
            spare_collector()
            serve_door(
                factory=_FACTORY,
                namespace=self.gateway.name,
                host=self.host,
                port=self.port,
                limits=limits,
                workers=self.workers,
            )


def _share_numbers(folder: Path) -> None:
    """Let workers add their metrics up; without the extra there are none, and each worker says so."""
    with contextlib.suppress(ImportError):
        from stagedoor._observers.metrics import prepare_workers  # noqa: PLC0415 - an extra: loaded where it is used

        prepare_workers(folder)


def limits_of(settings: Settings) -> DoorLimits:
    """Return what the door of each process takes."""
    return DoorLimits(
        max_connections=settings.max_connections,
        hosts=frozenset(name.lower() for name in settings.trusted_hosts),
        per_client=settings.connections_per_client,
        proxies=settings.networks,
    )


def server_hooks() -> ServerHooks:
    """Return the entrance of one worker process."""
    hold_collector()
    return _server_hooks(found(os.environ[_TARGET]))


def _server_hooks(gateway: Gateway, running: Running | None = None) -> ServerHooks:
    app = _Served(gateway, running or gateway.made(all_logs=True))
    return ServerHooks(app=app, refused=app.refused, drain=app.drain, near=app.near)


class _Served:
    """A gateway as the door serves it: with all logs of the process, and told of what the door turns away."""

    def __init__(self, gateway: Gateway, running: Running) -> None:
        self._gateway = gateway
        self._running = running
        self._app: Callable[[Any, Any, Any], Awaitable[None]] | None = None

    def __call__(self, scope: Scope, receive: Any, send: Any) -> Awaitable[None]:  # noqa: ANN401 - ASGI's own types
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            return self._live(scope, receive, send)
        app = self._app
        if app is None:
            (running,) = self._gateway.serving()
            app = self._app = running.app
        return app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        """Serve the connection that lasts, watched where the command asked for it."""
        with watched():
            await self._gateway(scope, receive, send, alone=self._running)

    def refused(self, problem: ProblemDetails, request_id: str) -> None:
        """Count a request that the door turned away."""
        for running in self._gateway.serving():
            running.refused(problem, request_id)

    def near(self) -> NearCache | None:
        """Return the near cache of the gateway that is served; None before it is, or without one."""
        return next((running.web.near for running in self._gateway.serving()), None)

    def drain(self) -> None:
        """Say "not ready" from now on."""
        for running in self._gateway.serving():
            running.drain()


def reload(command: list[str]) -> None:
    """Run a command, and again whenever a Python file below this folder changes; ends with a signal."""
    os.environ[_WATCHED] = "1"
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            child = subprocess.Popen(command)
            try:
                _until_changed(child)
            finally:
                child.terminate()
                child.wait()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _until_changed(child: "subprocess.Popen[bytes]") -> None:
    before = dict(_files())
    while dict(_files()) == before:
        time.sleep(_EVERY)
        if child.poll() is not None:
            _until_edited(before)
            return


def _until_edited(before: dict[str, float]) -> None:
    """Wait for a change after the command ended by itself: its message stands on the screen."""
    while dict(_files()) == before:
        time.sleep(_EVERY)


def _files() -> Iterator[tuple[str, float]]:
    for file in Path.cwd().rglob("*.py"):
        if not any(part.startswith(".") or part == "node_modules" for part in file.parts):
            with contextlib.suppress(OSError):
                yield str(file), file.stat().st_mtime


def watched() -> contextlib.AbstractContextManager[object]:
    """Return what notices blocking code and warns of it, where the command asked for that."""
    return Watch(_LOGGER.warning) if os.environ.get(_WATCHED) else contextlib.nullcontext()
