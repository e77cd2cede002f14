"""One of several processes that serve: its own queue at once, and those that nobody looks after every now and then.

It says twice a second that it is there, from a thread of its own: so its parent knows one that the system has stopped.
The pipe it says so through also tells it that the parent has gone, which it does not outlive.
"""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterable
from multiprocessing.connection import Connection
from typing import Any, Final

from stagedoor._door.allocation import keep_freed_memory
from stagedoor._door.arrivals import bound_unsent
from stagedoor._door.config import ARRIVE_SECONDS, DoorConfig
from stagedoor._door.queues import Queues, waiting_in
from stagedoor._door.server import DoorServer

__all__ = ["TICK", "work"]

TICK: Final = 0.1
_REPORT_SECONDS: Final = 0.5
_TOGETHER_SECONDS: Final = 2.0
_POLL: Final = 0.01


class _WorkerServer(DoorServer):
    """A server that lets in whoever waits where another should, and leaves its queue to the others."""

    def __init__(self, config: DoorConfig, queues: Queues, place: int) -> None:
        super().__init__(config)
        self._queues = queues
        self._place = place

    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401 - as the base class has it
        """Listen once all others could: the first would be dealt every connection until they do."""
        await super().startup([])
        if self.force_exit:
            return
        self.started = False
        end = time.monotonic() + _TOGETHER_SECONDS
        self._queues.note(self._place, time.monotonic())
        while not (self._queues.all_begun() or self.should_exit) and time.monotonic() < end:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(_POLL)
        loop = asyncio.get_running_loop()
        for listener in sockets:
            bound_unsent(listener.fileno())
            made = await loop.create_server(self._protocol, sock=listener, backlog=self.config.backlog)
            self.servers.append(made)
            await self._listen_more(listener)
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Look after the queues, ten times a second."""
        now = time.monotonic()
        self._queues.note(self._place, now)
        await self._take_up(self._queues.forsaken(self._place, now))
        return await super().on_tick(counter)

    async def _close_listeners(self, sockets: Iterable[socket.socket]) -> None:
        """Let go of the queues; in a stop of all the parent lets nobody more in, and no queue may be left with any."""
        self._queues.note(self._place, 0.0)
        await asyncio.sleep(ARRIVE_SECONDS)
        await self._take_up(self._queues.sockets)
        for server in self.servers:
            server.close()
        self._queues.close()

    async def _take_up(self, queues: Iterable[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for connection in waiting_in(queues):
            try:
                await loop.connect_accepted_socket(self._protocol, connection)
            except OSError:  # it has gone
                connection.close()


def work(config: DoorConfig, queues: Queues, place: int, line: Connection) -> None:
    """Be the worker of a place, until a signal says stop."""
    for number in (
        signal.SIGINT,
        signal.SIGHUP,
    ):  # a terminal sends them to all; the parent passes on what counts
        signal.signal(number, signal.SIG_IGN)
    keep_freed_memory()
    server = _WorkerServer(config, queues, place)
    threading.Thread(target=_report, args=(server, line), daemon=True).start()
    server.run(sockets=[queues.of(place)])


def _report(server: DoorServer, line: Connection) -> None:
    try:
        while True:
            line.send(server.started)
            time.sleep(_REPORT_SECONDS if server.started else TICK)
    except OSError:  # the parent has gone
        os.kill(os.getpid(), signal.SIGTERM)
