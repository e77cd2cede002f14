"""The embedded engine, as a transport: a thin shell of threads and deadlines round `reading`.

Of each index one state is open. Looking for a newer one is done by one thread at a time: whoever has waited for
`reload` must not find an older state than was there when it began. What is open is read on until something newer can
be opened, whatever has become of the folder.
"""

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from stagedoor._call import Call
from stagedoor._clock import Clock, SystemClock
from stagedoor.errors import UpstreamRejected, UpstreamUnavailable
from stagedoor.policies._options import validate
from stagedoor.search.engine import key_of
from stagedoor.search.query import Query, Result
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.folder import Folder
from stagedoor.search.tantivy.reading import Opened, opened
from stagedoor.search.tantivy.torn import Unreadable, readable
from stagedoor.search.threads import Threads
from stagedoor.search.validation import known, validate_query

__all__ = ["TantivyEngine", "TantivyOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TantivyOptions:
    """`threads` search at once, `queue` calls wait for one; `look` is how often, in seconds, commits are looked for."""

    threads: int = 2
    queue: int = 64
    look: float = 0.25

    def __post_init__(self) -> None:
        validate(self, "threads", self.threads >= 1, "at least 1")
        validate(self, "queue", self.queue >= 0, "0 or more")
        validate(self, "look", self.look >= 0, "seconds, 0 or more")


class TantivyEngine:
    """An `Engine` over a folder that a `TantivyWriter` fills, in this process or another.

    Readers have to be allowed to write into the folder too: Tantivy locks it by a file while it opens a state.
    """

    def __init__(
        self,
        folder: Path,
        indices: Iterable[Index],
        *,
        options: TantivyOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._options = options or TantivyOptions()
        self._clock = clock or SystemClock()
        self._folder = Folder(folder)
        self._indices = {index.name: index for index in indices}
        self._opened: dict[str, Opened] = {}
        self._looking = Lock()
        self._generation = -1
        self._looked = float("-inf")
        self._threads = Threads(self._options.threads, self._options.queue, self._clock, "search")
        self._counting = ThreadPoolExecutor(1, thread_name_prefix="facets")

    async def send(self, call: Call[Query], /) -> Result:
        query = call.payload
        try:
            validate_query(query, known(query, self._indices))
        except ValueError as error:
            raise UpstreamRejected(call.operation, "the query does not fit the index") from error
        now = self._clock.now()
        look = now - self._looked >= self._options.look
        if look:
            self._looked = now
        try:
            return await self._threads.run(call, lambda: self._answer(query, look=look))
        except LookupError as error:
            raise UpstreamUnavailable(call.operation, "there is no such index yet", retryable=True) from error
        except Unreadable as error:
            raise UpstreamUnavailable(call.operation, "the index cannot be read") from error

    def _answer(self, query: Query, *, look: bool) -> Result:
        if look:
            with suppress(Unreadable):  # asked for again at the next look
                self._look()
        found = self._opened.get(query.index)
        if found is None:
            with self._looking:
                found = self._opened.get(query.index) or self._open(query.index)
        with readable():
            return found.search(query, self._counting)

    def _look(self) -> None:
        """See what was committed or switched since, if anything was; raises `Unreadable` if not all of it can be."""
        with self._looking:
            with readable():
                generation = self._folder.generation()
            if generation == self._generation:
                return
            for name in tuple(self._opened):
                self._open(name)
            self._generation = generation

    def _open(self, name: str) -> Opened:
        index = self._indices[name]
        known = self._opened.get(name)
        with readable():
            version = self._folder.current(name)
            secret = None if version is None else self._folder.secret(version, index)
            if version is None or secret is None:
                if known is not None:
                    return known
                raise LookupError(name)
            # A folder that was removed and filled again counts its versions from the beginning.
            if known is not None and (known.version, known.secret) == (version, secret):
                fresh = known.renewed()
            else:
                fresh = opened(self._folder.path(version), version, index, secret)
        self._opened[name] = fresh
        return fresh

    async def reload(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._look)
        except Unreadable as error:
            raise UpstreamUnavailable("search.reload", "the index cannot be read") from error

    def key_of(self, payload: Query, /) -> bytes:
        return key_of(payload)

    def idempotent(self, payload: Query, /) -> bool:
        return True

    def counts(self) -> Mapping[str, int]:
        """Return the threads that search and the calls that wait for one (X1)."""
        return self._threads.counts()

    async def aclose(self) -> None:
        await self._threads.aclose()
        self._counting.shutdown()

    def __repr__(self) -> str:
        return f"TantivyEngine({', '.join(self._indices)})"
