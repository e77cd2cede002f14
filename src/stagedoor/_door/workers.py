"""Keep several processes behind one listening socket: whoever dies is replaced, and a stop of one refuses nobody.

Theory. The parent binds the socket and answers nothing itself; each worker serves it, and the kernel gives a connection
to one that takes it up. A worker that is told to stop leaves the queue to the others. SIGTERM to the parent stops all:
while they still take up connections, it lets nobody more in (`arrivals`), so that the queue is empty when the last of
them turns away. A second signal is passed on. SIGHUP replaces each worker once its successor serves.

A worker says twice a second that it is there, from a thread of its own: one that the system has stopped is killed, and
replaced. The pipe it says so through also tells it that the parent has gone, which it does not outlive.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from multiprocessing.connection import Connection
from typing import Final

from uvicorn.config import STARTUP_FAILURE

from stagedoor._door.allocation import keep_freed_memory
from stagedoor._door.arrivals import stop_arrivals
from stagedoor._door.config import GRACE, DoorConfig
from stagedoor._door.server import DoorServer

__all__ = ["Workers"]

_LOGGER: Final = logging.getLogger("stagedoor._door")
_SPAWN: Final = multiprocessing.get_context("spawn")
_TICK: Final = 0.1
_REPORT_SECONDS: Final = 0.5
_SILENT_SECONDS: Final = 5.0
_START_SECONDS: Final = 30.0
_END_SECONDS: Final = GRACE + 2.0
_YOUNG_SECONDS: Final = 1.0


class _Worker:
    """One process, and what the parent knows of it."""

    def __init__(self, config: DoorConfig, listener: socket.socket) -> None:
        self._line, theirs = _SPAWN.Pipe(duplex=False)
        self.process = _SPAWN.Process(target=_work, args=(config, listener, theirs))
        self.process.start()
        theirs.close()
        self.began = self.told = self.leaves = time.monotonic()
        self.serves = False
        self._patience = _START_SECONDS  # until it says anything

    def is_well(self, now: float) -> bool:
        """Hear what it says; kill it if it says nothing any more. False once it has ended."""
        with contextlib.suppress(EOFError, OSError):
            while self._line.poll():
                self.serves, self.told, self._patience = self._line.recv(), now, _SILENT_SECONDS
        if now - self.told > self._patience:
            _LOGGER.error("worker %s is silent, and killed", self.process.pid)
            self.process.kill()
            self.process.join()
        return self.process.is_alive()

    def terminate(self, now: float) -> None:
        """Ask it to stop."""
        self.leaves = now
        self.process.terminate()

    def end(self) -> None:
        """End it, if it has not ended, and forget it."""
        self.process.kill()
        self.process.join()
        self._line.close()


class Workers:
    """The parent of as many workers as the configuration says; its `run` returns when all have stopped."""

    def __init__(self, config: DoorConfig, listener: socket.socket) -> None:
        self._config = config
        self._listener = listener
        self._workers: list[_Worker] = []
        self._leaving: list[_Worker] = []
        self._old: list[_Worker] = []  # to be replaced, in this order
        self._successor: _Worker | None = None
        self._signals = 0

    def run(self) -> None:
        """Serve until a signal says stop. Raise `SystemExit` if a worker cannot start at all."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        signal.signal(signal.SIGHUP, self._renew)
        self._workers = [self._another() for _ in range(self._config.workers)]
        try:
            while not self._signals:
                self._tend(time.monotonic())
                time.sleep(_TICK)
        finally:
            self._stop()

    def _note(self, *_: object) -> None:
        self._signals += 1

    def _renew(self, *_: object) -> None:
        self._old = list(self._workers)

    def _another(self) -> _Worker:
        return _Worker(self._config, self._listener)

    def _tend(self, now: float) -> None:
        for place, worker in enumerate(self._workers):
            if not worker.is_well(now) and now - worker.began > _YOUNG_SECONDS:
                self._workers[place] = self._replaced(worker)
        for worker in list(self._leaving):
            if not worker.is_well(now) or now - worker.leaves > _END_SECONDS:
                self._leaving.remove(worker)
                worker.end()
        if self._successor is not None:
            self._succeed(self._successor, now)
        elif self._old:
            self._successor = self._another()

    def _replaced(self, worker: _Worker) -> _Worker:
        code = worker.process.exitcode
        if code == STARTUP_FAILURE:  # so would every other one
            raise SystemExit(code)
        _LOGGER.warning("worker %s ended (%s); starting another", worker.process.pid, code)
        worker.end()
        return self._another()

    def _succeed(self, successor: _Worker, now: float) -> None:
        """Let a successor that serves take the place of the oldest; give the renewal up if it cannot."""
        if not successor.is_well(now) or now - successor.began > _START_SECONDS:
            _LOGGER.error("a new worker did not start; those that run stay")
            successor.end()
            self._successor, self._old = None, []
        elif successor.serves:
            self._successor, old = None, self._old.pop(0)
            if old in self._workers:
                self._workers[self._workers.index(old)] = successor
                self._leaving.append(old)
                old.terminate(now)
            else:  # it died, and was replaced, meanwhile
                self._leaving.append(successor)
                successor.terminate(now)

    def _stop(self) -> None:
        family = [*self._workers, *self._leaving, *filter(None, (self._successor,))]
        passed_on = self._signals
        began = time.monotonic()
        for worker in family:
            worker.process.terminate()
        time.sleep(_TICK)  # they take up connections for longer than this
        stop_arrivals(self._listener.fileno())
        while any(worker.process.is_alive() for worker in family) and time.monotonic() - began < _END_SECONDS:
            if self._signals > passed_on:
                passed_on = self._signals
                for worker in family:
                    worker.process.terminate()
            time.sleep(_TICK / 2)
        for worker in family:
            worker.end()
        self._listener.close()


def _work(config: DoorConfig, listener: socket.socket, line: Connection) -> None:
    """Be a worker."""
    for number in (
        signal.SIGINT,
        signal.SIGHUP,
    ):  # a terminal sends them to all; the parent passes on what counts
        signal.signal(number, signal.SIG_IGN)
    keep_freed_memory()
    server = DoorServer(config)
    threading.Thread(target=_report, args=(server, line), daemon=True).start()
    server.run(sockets=[listener])


def _report(server: DoorServer, line: Connection) -> None:
    try:
        while True:
            line.send(server.started)
            time.sleep(_REPORT_SECONDS if server.started else _TICK)
    except OSError:  # the parent has gone
        os.kill(os.getpid(), signal.SIGTERM)
