"""Keep several processes that serve one port: whoever dies is replaced, and a stop of one refuses nobody.

Theory. The parent binds a listening socket for each place (`queues`), keeps all of them, and answers nothing itself;
a worker serves the one of its place (`worker`). A worker that is told to stop leaves its queue to the others and to
whoever takes its place. SIGTERM to the parent stops all: while they still take up connections, it lets nobody more in
(`arrivals`), so that the queues are empty when the last of them turns away. A second signal is passed on, as another
one, since whoever signals a whole group tells the workers SIGTERM too. SIGHUP replaces each worker once its successor
serves.

A worker that says nothing any more is one that the system has stopped: it is killed, and replaced.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from typing import Final

from uvicorn.config import STARTUP_FAILURE

from stagedoor._door.arrivals import stop_arrivals
from stagedoor._door.config import GRACE, DoorConfig
from stagedoor._door.queues import Queues, open_queues
from stagedoor._door.server import AT_ONCE
from stagedoor._door.worker import TICK, work

__all__ = ["Workers"]

_LOGGER: Final = logging.getLogger("stagedoor._door")
_SPAWN: Final = multiprocessing.get_context("spawn")
_SILENT_SECONDS: Final = 5.0
_START_SECONDS: Final = 30.0
_END_SECONDS: Final = GRACE + 2.0
_YOUNG_SECONDS: Final = 1.0


class _Worker:
    """One process, and what the parent knows of it."""

    def __init__(self, config: DoorConfig, queues: Queues, place: int) -> None:
        self.place = place
        self._line, theirs = _SPAWN.Pipe(duplex=False)
        self.process = _SPAWN.Process(target=work, args=(config, queues, place, theirs))
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

    def hurry(self) -> None:
        """Tell it that it is to end at once."""
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, AT_ONCE)

    def end(self) -> None:
        """End it, if it has not ended, and forget it."""
        self.process.kill()
        self.process.join()
        self._line.close()


class Workers:
    """The parent of as many workers as the configuration says; its `run` returns when all have stopped."""

    def __init__(self, config: DoorConfig) -> None:
        self._config = config
        self._queues, self._claim = open_queues(config, _SPAWN)
        self._workers: list[_Worker] = []
        self._leaving: list[_Worker] = []
        self._old: list[_Worker] = []  # to be replaced, in this order
        self._successor: _Worker | None = None  # of the first of them
        self._hung_up = False
        self._signals = 0

    def run(self) -> None:
        """Serve until a signal says stop. Raise `SystemExit` if a worker cannot start, and no other serves."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        signal.signal(signal.SIGHUP, self._renew)
        self._workers = [self._another(place) for place in range(self._config.workers)]
        try:
            while not self._signals:
                self._tend(time.monotonic())
                time.sleep(TICK)
        finally:
            self._stop()

    def _note(self, *_: object) -> None:
        self._signals += 1

    def _renew(self, *_: object) -> None:
        self._hung_up = True

    def _another(self, place: int) -> _Worker:
        return _Worker(self._config, self._queues, place)

    def _tend(self, now: float) -> None:
        for worker in list(self._workers):
            if not worker.is_well(now):
                self._queues.note(worker.place, 0.0)
                if now - worker.began > _YOUNG_SECONDS:
                    self._workers[worker.place] = self._replaced(worker)
        for worker in list(self._leaving):
            if not worker.is_well(now) or now - worker.leaves > _END_SECONDS:
                self._leaving.remove(worker)
                worker.end()
        self._go_on_renewing(now)

    def _go_on_renewing(self, now: float) -> None:
        if self._successor is not None:
            self._succeed(self._successor, now)
        elif self._hung_up:  # during a renewal, too: who began before it is old as well
            self._hung_up, self._old = False, list(self._workers)
        elif self._old:
            self._succession()

    def _succession(self) -> None:
        """Start the successor of the oldest; give the renewal up where the system has no place for one."""
        try:
            self._successor = self._another(self._old[0].place)
        except OSError as error:
            _LOGGER.error("no new worker can be started (%s); those that run stay", error.strerror or error)  # noqa: TRY400 - the system's
            self._old = []

    def _replaced(self, worker: _Worker) -> _Worker:
        code = worker.process.exitcode
        if code == STARTUP_FAILURE and not self._serves_without(worker):  # so would every other one
            raise SystemExit(code)
        _LOGGER.warning("worker %s ended (%s); starting another", worker.process.pid, code)
        worker.end()
        try:
            return self._another(worker.place)
        except OSError as error:  # no process, memory or descriptor left: those that run serve on
            _LOGGER.error("no worker can be started now (%s); trying again", error.strerror or error)  # noqa: TRY400 - the system's
            worker.began = worker.told = time.monotonic()
            return worker

    def _serves_without(self, worker: _Worker) -> bool:
        """Tell whether another one serves: it stays, whatever keeps this one from starting now."""
        return any(one.serves and one.process.is_alive() for one in self._workers if one is not worker)

    def _succeed(self, successor: _Worker, now: float) -> None:
        """Let a successor that serves take the place of the oldest; give the renewal up if it cannot."""
        if not successor.is_well(now) or now - successor.began > _START_SECONDS:
            _LOGGER.error("a new worker did not start; those that run stay")
            successor.end()
            self._successor, self._old = None, []
        elif successor.serves:
            self._successor, old = None, self._old.pop(0)
            if old in self._workers:
                self._workers[old.place] = successor
                self._leaving.append(old)
                old.terminate(now)
            else:  # it died, and was replaced, meanwhile
                self._leaving.append(successor)
                successor.terminate(now)

    def _stop(self) -> None:
        family = [*self._workers, *self._leaving, *filter(None, (self._successor,))]
        passed_on = 1
        began = time.monotonic()
        for worker in family:
            worker.process.terminate()
        time.sleep(TICK)  # they take up connections for longer than this
        for queue in self._queues.sockets:
            stop_arrivals(queue.fileno())
        while any(worker.process.is_alive() for worker in family) and time.monotonic() - began < _END_SECONDS:
            if self._signals > passed_on:
                passed_on = self._signals
                for worker in family:
                    worker.hurry()
            time.sleep(TICK / 2)
        for worker in family:
            worker.end()
        self._queues.close()
        if self._claim is not None:
            self._claim.close()
