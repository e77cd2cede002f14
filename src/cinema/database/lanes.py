"""Run blocking reads in threads of their own, with one wake-up for many instead of two for each.

Theory. A thread pool wakes a thread for each call and the event loop for each result, and two threads that read at
the same time fight for the interpreter. Measured, one row by id with eight callers: 105 to 140 microseconds of CPU in
a pool of two, 70 here. So one thread, the first lane, takes all that has gathered, works through it, and reports the
results together. A long list must not hold up the rest: what comes while a lane has been busy without a report for
2 ms goes to the next one. Lanes start with their first work.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any, Generic, TypeAlias, TypeVar

__all__ = ["Lane", "Lanes"]

A = TypeVar("A")
T = TypeVar("T")
Done: TypeAlias = "tuple[asyncio.Future[Any], Any, BaseException | None]"

_MOST = 16  # works in one report
_LONG_SECONDS = 0.002


class Lane(Generic[A]):
    """One thread and what it works with: `give(work)` runs a function of it."""

    def __init__(self, give: Callable[[Callable[[A], Any]], Any], name: str) -> None:
        self._give = give
        self._name = name
        self._asked: SimpleQueue[tuple[asyncio.Future[Any], Callable[[A], Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._since = inf  # when the work now under way began; inf: none is

    @property
    def is_held_up(self) -> bool:
        """Return whether what is under way takes long."""
        return perf_counter() - self._since > _LONG_SECONDS

    async def run(self, work: Callable[[A], T]) -> T:
        """Return what the function returns; it is not begun once the caller has gone."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._thread is None:
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            thread.start()  # raises where the system has no more of them: the next caller tries again
            self._thread = thread
        self._asked.put((future, work))
        return await future

    async def close(self) -> None:
        """Do what has been asked for, and end."""
        if self._thread is not None:
            self._asked.put(None)
            await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            done: list[Done] = []
            self._since = perf_counter()
            while asked is not None:
                done.append(self._done(*asked))
                if len(done) == _MOST or self.is_held_up:
                    break
                try:
                    asked = self._asked.get_nowait()
                except Empty:
                    break
            self._since = inf
            _report(done)
            if asked is None:
                return

    def _done(self, future: "asyncio.Future[Any]", work: Callable[[A], Any]) -> Done:
        if future.cancelled():
            return future, None, None
        try:
            return future, self._give(work), None
        except StopIteration as error:  # the one that no future can carry
            return future, None, RuntimeError(repr(error))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's
            return future, None, error


class Lanes(Generic[A]):
    """Lanes in order of preference; all of them serve one event loop."""

    def __init__(self, lanes: Sequence[Lane[A]]) -> None:
        self._lanes = lanes

    async def run(self, work: Callable[[A], T]) -> T:
        """Return what the function returns, from the first lane that is not held up."""
        lane = next((lane for lane in self._lanes if not lane.is_held_up), self._lanes[0])
        return await lane.run(work)

    async def close(self) -> None:
        """End all lanes."""
        for lane in self._lanes:
            await lane.close()


def _report(done: list[Done]) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        done[0][0].get_loop().call_soon_threadsafe(_settle, done)


def _settle(done: list[Done]) -> None:
    for future, result, error in done:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
