"""Read everything, a page at a time, as changes that are ready to be written.

Theory. Reading rows, making documents of them and bringing these into the engine's form is Python's work, and more
than half of what a film costs; the engine writes in threads of its own. In one process, under one interpreter's lock,
both use little more than one core. So large tables are read by processes of their own (`Subprocess`), which hand
over changes that need only be written. One is slower than the engine, two are faster;
the engine goes first, or what it writes out waits for pages that nobody wants yet. Measured on two cores, 200,000
films, in films a second: one process 11,000, one reader 12,000, two 14,000, behind the engine 15,900. Small tables are
not worth their start, a third of a second.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol

from cinema.database import Database, DatabaseUnavailable
from cinema.etl.extract import PIPELINES, Span
from cinema.etl.load import Item
from cinema.etl.unread import Unread
from stagedoor.search import Prepare

__all__ = ["READERS", "DocumentPages", "InProcess", "Subprocess", "collect_rarely"]

READERS: Final = 2
_NICE: Final = 10  # nice(2): behind the engine, and behind gateways on the same machine
_END_SECONDS: Final = 5.0
_processes = multiprocessing.get_context("spawn")  # a fork would take over threads and locks


class DocumentPages(Protocol):
    """All documents of the source."""

    async def page(self, name: str, span: Span, /) -> list[Item]:
        """Return the changes that put the documents of an index in a span of ids, and what could not be read there.

        Raises:
            DatabaseUnavailable: the source, or who reads it, is away; asking again may help.

        """
        ...

    async def aclose(self) -> None:
        """Give back what is held."""


class InProcess:
    """Pages that this process reads."""

    def __init__(self, database: Database, prepare: Prepare) -> None:
        self._database = database
        self._pipelines = {pipeline.name: (pipeline, prepare(pipeline.index)) for pipeline in PIPELINES}

    async def page(self, name: str, span: Span, /) -> list[Item]:
        pipeline, change = self._pipelines[name]
        return await self._database.read(
            lambda connection: [
                found if isinstance(found, Unread) else change(found)
                for found in pipeline.page(connection, span)
            ]
        )

    async def aclose(self) -> None:
        pass


class Subprocess:
    """Pages that other processes read, which end with this one.

    `database` opens one of its own there; like `prepare` it must be such that it can be pickled.
    """

    def __init__(self, database: Callable[[], Database], prepare: Prepare) -> None:
        self._readers = [_PageReader(database, prepare) for _ in range(READERS)]
        self._idle: asyncio.Queue[_PageReader] = asyncio.Queue()
        for reader in self._readers:
            self._idle.put_nowait(reader)

    async def page(self, name: str, span: Span, /) -> list[Item]:
        reader = await self._idle.get()
        try:
            answer = await asyncio.to_thread(reader.ask, name, span)
        finally:
            self._idle.put_nowait(reader)
        if isinstance(answer, BaseException):
            raise answer
        changes: list[Item] = answer
        return changes

    async def aclose(self) -> None:
        for reader in self._readers:
            await asyncio.to_thread(reader.end)


class _PageReader:
    """One process, begun again when it is asked after its end."""

    def __init__(self, *work: object) -> None:
        self._work = work
        self._asking = threading.RLock()  # the answer to whoever was cancelled comes first
        self._begin()

    def _begin(self) -> None:
        self._line, theirs = _processes.Pipe()
        self._process = _processes.Process(target=_serve, args=(theirs, *self._work), daemon=True)
        self._process.start()
        theirs.close()  # so that theirs is the only one, and its end is the end of the line

    def ask(self, name: str, span: Span) -> Any:  # noqa: ANN401 - a list of changes, or what was raised
        with self._asking:
            if self._line.closed:
                self._begin()
            try:
                self._line.send((name, span))
                return self._line.recv()
            except (EOFError, OSError) as error:
                self.end()
                ended = f"a process that reads has ended: {self._process.exitcode}"
                raise DatabaseUnavailable(ended) from error

    def end(self) -> None:
        self._process.terminate()  # which is also the end of a page that is under way
        with self._asking:
            self._process.join(_END_SECONDS)
            self._line.close()


def collect_rarely() -> None:
    """Let garbage be collected seldom: among many small objects without cycles that is a quarter of the time."""
    gc.set_threshold(100_000, 50, 100)


def _serve(line: Connection, database: Callable[[], Database], prepare: Prepare) -> None:
    """Answer until the other side has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the one that asks ends this
    os.nice(_NICE)
    collect_rarely()
    with asyncio.Runner() as runner, suppress(EOFError, OSError):
        pages = InProcess(database(), prepare)
        while True:
            name, span = line.recv()
            line.send(runner.run(_answer(pages, name, span)))


async def _answer(pages: DocumentPages, name: str, span: Span) -> list[Item] | Exception:
    try:
        return await pages.page(name, span)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other process has to judge it
        return error
