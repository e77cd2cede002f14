"""Keep what is streamed where it is small and whole, and answer conditions and ranges from it (HC8, HC11).

Kept is an answer 200 with a strong entity tag, a length, no cookies and nothing to vary by, to a request without
conditions and ranges. While it is fetched, whoever asks for the same waits; if it turns out not to be kept, each goes
for itself; if fetching fails, that is what all get, and if who began leaves, the next one fetches (K4). What was
computed before a purge is not kept after it, and nobody who asks after it waits for what began before (G4).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from functools import partial
from types import TracebackType
from typing import Final, cast

from stagedoor import _context as context
from stagedoor import _problems as problems
from stagedoor import _requests as requests
from stagedoor._cache.codec import HttpCodec
from stagedoor._cache.entry import Entry
from stagedoor._cache.kept import EntryFinder, Kept, purges_of
from stagedoor._cache.store import Lookup, Store, StoredEntry
from stagedoor._cache.tags import tag as purge_name
from stagedoor._call import Env
from stagedoor._context import Record
from stagedoor._deadline import TimeoutScope
from stagedoor._events import CacheLookup
from stagedoor._face.cache import Cache
from stagedoor._face.replies import Stream
from stagedoor._requests import HttpResponse
from stagedoor._value import value
from stagedoor._web.answer import WebAnswer as Written
from stagedoor._web.answer import without_body
from stagedoor._web.freshness import cache_status
from stagedoor._web.ranges import Selected, content_range, selected
from stagedoor._web.routes import RequestRefused
from stagedoor.errors import UpstreamTimeout

__all__ = ["Keeping", "KeptAnswer", "partly"]

_LARGEST: Final = 1_048_576 - 8_192  # the body; its fields need room as well
_OLDEST: Final = 2_147_483_648  # seconds: an age above this is said to be this (RFC 9111 1.2.2)
_NOT_KEPT: Final = frozenset({b"set-cookie", b"vary"})


@value(kw_only=True)
class KeptAnswer(HttpResponse):
    """A whole answer that was kept; `told` returns its last fields, for so many seconds that it is fresh still."""

    told: Callable[[float], requests.Headers] = field(compare=False)


class _Flight:
    """What becomes of a fetch, for those who wait for it."""

    __slots__ = ("error", "landed", "purges", "trace", "unkept")

    def __init__(self, purges: int) -> None:
        self.purges = purges  # known when it began
        self.landed = asyncio.Event()
        self.unkept = False
        self.error: Exception | None = None
        self.trace: TracebackType | None = None


class Keeping:
    """The kept answers of one route."""

    def __init__(self, cache: Cache, store: Store, env: Env, name: str) -> None:
        self._cache = cache
        self._store = store
        self._finding = store if isinstance(store, EntryFinder) else None
        self._clock, self._now = env.clock, env.clock.now
        self._observe = env.observe
        self._name = name
        self._codec = HttpCodec()
        self._purges = purges_of(store)
        self._flights: dict[bytes, _Flight] = {}  # the newest of each key

    async def find(self, key: bytes) -> tuple[KeptAnswer | None, Lookup]:
        """Return what is kept under a key, and the look; the answer bears its age."""
        look = await self._store.get(key, self._cache.max_age)
        found = None if look.held is None else self._read(look.held)
        self._observe(CacheLookup(self._name, look.tier, "miss" if found is None else "hit"))
        context.current().record.kept = (
            None
            if found is None or look.held is None
            else Kept(look.held, self.again, self._cache.max_age, self._name)
        )
        return found, look

    def again(self, key: bytes, /) -> StoredEntry | None:
        """Return what would answer this key at once; None if nothing does."""
        held = None if self._finding is None else self._finding.find(key)
        return held if held is not None and self._now() - held.born < self._cache.max_age else None

    def _told(self, before: int, left: float) -> requests.Headers:
        """Return what an answer says of its age, `before` seconds when it came, while it is fresh for `left` more."""
        age = b"%d" % (before + max(0.0, self._cache.max_age - left))
        return ((b"age", age), cache_status(Record(lookup="hit", ttl=left)))

    def _read(self, held: StoredEntry) -> KeptAnswer | None:
        """Return the answer; None for one that cannot be read, or is too old (K8)."""
        age = max(0.0, self._now() - held.born)
        if held.entry.schema != self._codec.schema or age >= self._cache.max_age:
            return None
        try:
            kept = self._codec.decode(held.entry.body)
        except Exception:  # noqa: BLE001 - bytes from outside can break a decoder in any way
            return None
        fields = tuple([one for one in kept.headers if one[0] != b"age"])
        told = partial(self._told, _age_of(kept))
        return KeptAnswer(
            status=kept.status,
            headers=(*fields, *told(self._cache.max_age - age)),
            body=kept.body,
            told=told,
        )

    async def fetched(
        self, key: bytes, tags: Callable[[], tuple[str, ...]], make: Callable[[], Awaitable[Stream]]
    ) -> HttpResponse | Stream:
        """Return an answer that is kept now, or a stream of one that is not; its tags are known when it is made."""
        found, look = await self._landed(key)
        if found is not None:
            return found
        if look is None:
            return await make()
        flight = self._flights[key] = _Flight(self._purges.mark.position)
        try:
            stream = await make()
            length = _length_of(stream)
            flight.unkept = length is None
            return stream if length is None else await self._kept(key, tags(), look, stream, length)
        except UpstreamTimeout:
            raise  # of who began: others may have longer
        except Exception as error:
            flight.error, flight.trace = error, error.__traceback__
            raise
        finally:
            flight.landed.set()
            if self._flights.get(key) is flight:
                del self._flights[key]

    async def _landed(self, key: bytes) -> tuple[HttpResponse | None, Lookup | None]:
        """Wait while others fetch this; return what is kept then, or the look of who goes next, none of who goes alone.

        Raises what they raised: nobody tries again on its own (K4). One that left is followed by one of those who wait.
        """
        look: Lookup | None = None
        while (flight := self._under_way(key)) is not None or look is None:
            if flight is not None:
                await self._wait(flight.landed)
                if flight.error is not None:
                    raise flight.error.with_traceback(flight.trace)
                if flight.unkept:
                    return None, None
            found, look = await self.find(key)
            if found is not None:
                return found, look
        return None, look

    def _under_way(self, key: bytes) -> _Flight | None:
        """Return who fetches a key, if it began after the last purge."""
        flight = self._flights.get(key)
        return None if flight is None or flight.purges != self._purges.mark.position else flight

    async def _wait(self, flight: asyncio.Event) -> None:
        """Wait for who fetches the same, no longer than one's own deadline; raises `UpstreamTimeout`."""
        try:
            with TimeoutScope(self._clock, context.current().deadline):
                await flight.wait()
        except TimeoutError as error:
            raise UpstreamTimeout(f"{self._name}.call", "not done by the deadline") from error

    async def _kept(
        self, key: bytes, tags: tuple[str, ...], look: Lookup, stream: Stream, length: int
    ) -> HttpResponse:
        """Read a small answer to its end, and keep it."""
        try:
            body = b"".join([chunk async for chunk in stream])
        finally:
            await stream.aclose()
        context.current().record.kept = None  # what was asked meanwhile may have been kept
        whole = HttpResponse(status=200, headers=stream.lines, body=body)
        names = tuple(purge_name(tag) for tag in tags)
        entry = Entry(key, self._codec.encode(whole), self._cache.max_age, self._codec.schema, names)
        stored = len(body) == length and self._store.set(entry, look.mark)
        status = cache_status(
            Record(lookup="miss", stored=stored, ttl=self._cache.max_age if stored else None)
        )
        return HttpResponse(status=200, headers=(*whole.headers, status), body=body)


def _age_of(response: HttpResponse) -> int:
    """Return the seconds that an answer had been kept elsewhere when it came (RFC 9111 4.2.3); junk counts as none."""
    said = response.header(b"age") or b""
    return min(int(said), _OLDEST) if said.isdigit() and len(said) < 20 else 0


def _length_of(stream: Stream) -> int | None:
    """Return the length of an answer that may be kept; None for any other."""
    fields = dict(stream.lines)
    length, etag = fields.get(b"content-length", b""), fields.get(b"etag", b"")
    # All lines are one list (RFC 9110 5.3): `private` may stand in any of them.
    said = b",".join([value for name, value in stream.lines if name == b"cache-control"]).lower()
    if stream.status != 200 or not length.isdigit() or not etag.startswith(b'"'):
        return None
    if b"no-store" in said or b"private" in said or not _NOT_KEPT.isdisjoint(fields):
        return None
    return int(length) if len(length) < 10 and int(length) <= _LARGEST else None


def partly(response: HttpResponse, headers: Mapping[bytes, bytes], method: str) -> Written:
    """Return what of a whole answer a request asks for; conditions of the whole are judged as it leaves, in its coding.

    Raises:
        Refused: 412 and 416.

    """
    whole = cast(bytes, response.header(b"etag"))
    fields = tuple(field for field in response.headers if field[0] != b"content-length")
    length = len(response.body)
    part = Selected(200) if b"range" not in headers else selected(headers, whole, length, method=method)
    if part.status == 412:
        raise RequestRefused(problems.precondition_failed())
    if part.status == 416:
        raise RequestRefused(problems.range_not_satisfiable(length))
    if part.status == 304:
        return Written(304, without_body(response.headers))
    if part.status == 206:
        fields += ((b"content-range", content_range(part, length)),)
        return Written(206, fields, response.body[part.first : part.first + part.size])
    return Written(200, fields, response.body, etag=whole, condition=headers.get(b"if-none-match"))
