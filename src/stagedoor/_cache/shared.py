"""A store in another process: asked in time or not at all, never in the way of an answer.

One background task (`_watch`) asks the server four times a second what is new. This one question is the heartbeat,
the half-open probe of the store's own breaker, the channel on which purges arrive, and the place where purges that
could not be told are told again. It is a question that writes, for a server that cannot be written cannot be purged,
and one that cannot be purged must not be read.
The first failure of any operation opens the breaker: whoever waits is released at once, what was about to be written
is dropped, and until the watch gets an answer nothing is asked and nothing costs (K1). There is one probe at a time,
so a server that returns is met by one question, not by a stampede (K2).
The watch may take its time to connect. It judges an answer by the limit of operations: a server that answers later
than any operation would wait is down to the watch too, and is not turned on and off (`recovery`).
What an operation is told about time is the server's own clock. Ours is never compared with it: between the server's
answer and now only the time passed here is added, so entries end on time even if their bytes reach the server late.
A server's clock that was set back would let them live longer by as much: that is seen, and purges everything.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from stagedoor._cache.entry import Entry, born_of, decode, encode, fits
from stagedoor._cache.recovery import Recovery
from stagedoor._cache.server import Invalidations, Server, StoreDown
from stagedoor._cache.store import Lookup, StoredEntry
from stagedoor._cache.tags import ALL, Purges, TagVersion, key_name
from stagedoor._cache.timeout import StoreTimeout
from stagedoor._call import Env
from stagedoor._clock import Clock
from stagedoor._deadline import DueTime
from stagedoor._events import StoreAnswered, StoreFailed, StoreRestored
from stagedoor._supervision import supervised
from stagedoor.errors import Reason

__all__ = ["Shared", "SharedStats"]

T = TypeVar("T")
_LATE: Reason = "timeout"
_UNTOLD = 10_000  # names waiting to be told; beyond that ALL is
_ASKEW = 1.0  # seconds that an entry's age and what is left of it may miss the whole by
_SET_BACK = 0.05  # seconds: more than two clocks drift apart between two answers
State: TypeAlias = Literal["starting", "up", "down"]


@dataclass(frozen=True, slots=True)
class SharedStats:
    """What a shared store is doing: `waiting` operations, `queued` entries to be written, `dropped` ones."""

    state: State
    waiting: int
    queued: int
    dropped: int


class _Write(NamedTuple):
    entry: Entry
    born: float
    mark: TagVersion


class Shared:
    """A `Store` on a server. Times are seconds: `timeout` for one operation, `interval` between two questions.

    At most `queue` entries wait to be written, the newest of each key; none has a body larger than `max_item`. One
    that memory does not hold is fetched for each request, and all others wait behind it, until the server seems late.
    The task that watches starts with the first operation, or with `start`; `aclose` ends it.
    """

    def __init__(
        self,
        server: Server,
        /,
        *,
        env: Env,
        timeout: float = 0.020,
        interval: float = 0.25,
        queue: int = 1024,
        max_item: int = 2**20,
    ) -> None:
        self.name = server.name
        self.purges = Purges()
        self.synced = float("-inf")  # when this process last knew of all purges
        self.trouble = ""  # why it is down, in words
        self._server = server
        self._clock: Clock = env.clock
        self._observe = env.observe
        self._timeout = timeout
        self._interval = interval
        self._probe_timeout = max(timeout, 0.5)
        self._limit = queue
        self._max_item = max_item
        self._state: State = "starting"
        self._recovery = Recovery()
        self._offset = float("-inf")  # seconds from our clock to the server's, at least
        self._waiting: set[StoreTimeout] = set()
        self._queue: OrderedDict[bytes, _Write] = OrderedDict()
        self._dropped = 0
        self._untold: dict[bytes, int] = {}  # purges the server does not know of yet, each with its turn
        self._turn = 0
        self._watcher: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def up(self) -> bool:
        """Tell whether the server is asked at all."""
        return self._state == "up"

    async def start(self) -> None:
        """Ask the server once and begin to watch it; a server that is not there is no error."""
        await self._beat()
        self._watch()

    async def get(self, key: bytes, lifetime: float, /) -> Lookup:
        self._watch()
        mark = self.purges.mark
        if self._state != "up":
            return Lookup(None, "redis", mark)
        sent = self._clock.now()
        answer = await self._ask(self._server.read(key, mark.heard), self._timeout)
        if answer is None:
            return Lookup(None, "redis", mark)
        invalidations, data, left = answer
        self._hear(invalidations, sent)
        held = (
            None
            if data is None or invalidations.number < mark.heard
            else self._other(key, data, left, sent, invalidations.clock)
        )
        return Lookup(held, "redis", self.purges.mark)

    def set(self, entry: Entry, mark: TagVersion, /) -> bool:
        self._watch()
        if not self._takes(entry):
            return False
        self._queue.pop(entry.key, None)
        if len(self._queue) >= self._limit:
            self._dropped += 1
            return False
        self._queue[entry.key] = _Write(entry, self._clock.now() - entry.age, mark)
        if self._writer is None:
            self._writer = asyncio.create_task(self._writing(), name=f"{self.name} writer")
        return True

    async def settle(self, entry: Entry, mark: TagVersion, young: float, /) -> StoredEntry | None:
        self._watch()
        if not self._takes(entry):
            return None
        return await self._settle(_Write(entry, self._clock.now() - entry.age, mark), int(young * 1000))

    async def purge(self, names: Iterable[bytes], /) -> bool:
        self._watch()
        names = frozenset(names)
        self._owe(names)
        told = False
        try:
            told = self._state == "up" and await self._tell()
        finally:
            if not told:
                self.purges.note(names)
        return told

    def _takes(self, entry: Entry) -> bool:
        return self._state == "up" and len(entry.body) <= self._max_item and fits(entry)

    async def idle(self) -> None:
        """Wait until nothing is left to be written."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    # --- the watch -----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._watcher is None and not self._closed:
            watch = supervised(self._watching, self._clock, f"{self.name} watch")
            self._watcher = asyncio.create_task(watch, name=f"{self.name} watch")

    async def _watching(self) -> None:
        if self._state != "starting":
            await self._clock.sleep(self._interval)
        while True:
            await self._beat()
            await self._clock.sleep(self._interval)

    async def _beat(self) -> None:
        # After the question, which connects, and before anybody reads: what was purged meanwhile must be out.
        if await self._is_in_time() and (not self._untold or await self._tell()):
            self._restore()

    async def _is_in_time(self) -> bool:
        """Ask what is new; tell whether the server answers within the limit of operations."""
        began = self._clock.now()
        if not await self._question(self._probe_timeout):
            return False
        # That may have been the way there, or a busy loop of ours; what the server itself takes, the next one tells.
        return self._clock.now() - began <= self._timeout or await self._question(self._timeout)

    async def _question(self, seconds: float) -> bool:
        """Ask what is new, and tell whether an answer came in so much time."""
        sent = self._clock.now()
        heard = self.purges.mark.heard
        invalidations = await self._ask(self._server.invalidations(heard), seconds, probe=True)
        if invalidations is not None:
            self._hear(invalidations, sent)
        return invalidations is not None

    def _owe(self, names: Iterable[bytes]) -> None:
        """Remember what is to be told; of more names than the server remembers itself, ALL."""
        self._turn += 1
        self._untold.update(dict.fromkeys(names, self._turn))
        if len(self._untold) > _UNTOLD:
            self._untold = {ALL: self._turn}

    def _is_owed(self, entry: Entry) -> bool:
        """Tell whether a purge that the server does not know of yet has called an entry out."""
        names, untold = (ALL, key_name(entry.key), *entry.names), self._untold
        return bool(untold) and not untold.keys().isdisjoint(names)

    async def _tell(self) -> bool:
        """Tell the server of all purges it does not know of yet; False if that failed."""
        told = dict(self._untold)
        sent = self._clock.now()
        invalidations = await self._ask(self._server.purge(told, self.purges.mark.heard), self._probe_timeout)
        if invalidations is None:
            return False
        # A name that was purged again meanwhile has a later turn, and is told again.
        self._untold = {name: turn for name, turn in self._untold.items() if told.get(name) != turn}
        self._hear(invalidations, sent)
        return True

    def _hear(self, invalidations: Invalidations, sent: float) -> None:
        """Note what an answer told; one that knows less than we do tells nothing."""
        clock = invalidations.clock / 1e6
        if clock - sent < self._offset - _SET_BACK:
            self._owe((ALL,))
            self.purges.note((ALL,))
        self._offset = clock - self._clock.now()
        heard = self.purges.mark.heard
        if invalidations.number < heard:
            return
        for name, number in invalidations.purges:
            if number > heard:
                self.purges.note((name,), number)
        self.purges.hear(invalidations.number)
        self.synced = max(self.synced, sent)

    # --- one operation -------------------------------------------------------------------------------------

    async def _ask(self, operation: Awaitable[T], seconds: float, *, probe: bool = False) -> T | None:
        """Await an operation of the server for so long; None if it failed, and then the store is down."""
        began = self._clock.now()
        limit = StoreTimeout(self._clock, DueTime(began + seconds))
        try:
            with limit:
                if not probe:
                    self._waiting.add(limit)
                try:
                    answer = await operation
                finally:
                    self._waiting.discard(limit)
            self._observe(StoreAnswered(self.name, self._clock.now() - began))
            return answer  # noqa: TRY300 - what tells of it may not fail either
        except TimeoutError:
            self._fail(_LATE, _LATE, probe=probe)
        except StoreDown as error:
            self._fail(error.told, error.reason, probe=probe)
        except Exception as error:  # noqa: BLE001 - nothing that comes of a server may reach a request
            self._fail(type(error).__name__, "garbled", probe=probe)
        return None

    def _fail(self, error: str, reason: Reason, *, probe: bool) -> None:
        if self._state != "down":
            self._go_down(late=reason == _LATE)
        else:
            self._recovery.missed()
            if not probe or error == self.trouble:  # who waited is released, and knows nothing
                return
        # That it was lost is but the beginning: the next question finds out why.
        self.trouble = error
        self._observe(StoreFailed(self.name, error, reason))

    def _go_down(self, *, late: bool) -> None:
        self._state = "down"
        self._recovery.failed(self._clock.now(), late=late)
        self._dropped += len(self._queue)
        self._queue.clear()
        for limit in tuple(self._waiting):
            limit.release()

    def _restore(self) -> None:
        if self._state == "down" and not self._recovery.answered(self._clock.now()):
            return
        before, self._state = self._state, "up"
        self.trouble = ""
        if before == "down":
            self._observe(StoreRestored(self.name))

    async def _writing(self) -> None:
        try:
            await supervised(self._write_all, self._clock, f"{self.name} writer")
        finally:
            self._writer = None

    async def _write_all(self) -> None:
        while self._queue:
            await self._write(self._queue.popitem(last=False)[1])

    async def _write(self, write: _Write) -> None:
        """Write one entry, unless a purge reached it on the way; the server and we must agree on which there were."""
        entry, _, mark = write
        for _ in range(3):
            known = self.purges.mark
            if self.purges.reached(entry.key, entry.names, mark.position):
                return
            data, until = self._dated(write, known)
            sent = self._clock.now()
            answer = await self._ask(
                self._server.write(entry.key, data, until, known.heard), self._probe_timeout
            )
            if answer is None:
                return
            self._hear(answer[0], sent)
            if answer[1]:
                return

    async def _settle(self, write: _Write, young: int) -> StoredEntry | None:
        """Do the same, but take what another wrote less than `young` milliseconds ago; somebody waits for it."""
        entry, born, mark = write
        for _ in range(3):
            known = self.purges.mark
            if self.purges.reached(entry.key, entry.names, mark.position):
                return None
            data, until = self._dated(write, known)
            sent = self._clock.now()
            answer = await self._ask(
                self._server.settle(entry.key, data, until, known.heard, young), self._timeout
            )
            if answer is None:
                return None
            invalidations, agreed, there, left = answer
            self._hear(invalidations, sent)
            if agreed and there is None:
                return StoredEntry(entry, born, sent, self.purges.mark.position)
            clock = invalidations.clock
            other = None if there is None else self._other(entry.key, there, left, sent, clock)
            if other is not None:
                return other
            if agreed:  # what is there is of no use to anybody
                young = 0
        return None

    def _other(self, key: bytes, data: bytes, left: float, sent: float, clock: int) -> StoredEntry | None:
        """Return what another wrote; None if it is no entry, or a purge has reached it.

        One that came with the life of another, as an older entry of its key may from a confused connection, is none.
        """
        found = decode(data, key)
        if found is None or not 0.0 < left <= found[0].keep:
            return None
        entry, seen = found
        if not abs(born_of(data) + entry.keep - left - clock / 1e6) < _ASKEW:
            return None
        if self.purges.reached_shared(key, entry.names, seen) or self._is_owed(entry):
            return None
        # The age is that of the moment we asked: the way to the server and back is no time won.
        return StoredEntry(entry, sent - (entry.keep - left), sent, self.purges.mark.position)

    def _dated(self, write: _Write, known: TagVersion) -> tuple[bytes, int]:
        """Return an entry's bytes, and the millisecond of its end, by the server's clock."""
        moment = self._offset + write.born
        until = int((moment + write.entry.keep) * 1e3)
        return encode(write.entry, int(moment * 1e3), known.heard), until

    # --- at rest -------------------------------------------------------------------------------------------

    def counts(self) -> Mapping[str, int]:
        """Return whether entries are being written, and how many operations wait, the watch aside."""
        return {"tasks": int(self._writer is not None), "store_operations": len(self._waiting)}

    def stats(self) -> SharedStats:
        """Return the figures of this moment."""
        return SharedStats(self._state, len(self._waiting), len(self._queue), self._dropped)

    async def aclose(self) -> None:
        """Write and tell what waits, if the server answers; then end the tasks and close the server."""
        self._closed = True
        await self.idle()
        if self._untold:
            await self._tell()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        await self._server.aclose()

    def __repr__(self) -> str:
        return f"<Shared {self.name} {self._state}, {len(self._queue)} to write>"
