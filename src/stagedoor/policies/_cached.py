"""Answer from what was fetched before; fetch, keep and renew it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import ClassVar, Generic, TypeAlias, TypeVar

from stagedoor import _context as context
from stagedoor._cache.codec import Codec
from stagedoor._cache.entry import Entry
from stagedoor._cache.freshness import Fresh, FreshnessRule, Miss, Stale, judge
from stagedoor._cache.kept import EntryFinder, Kept, purges_of
from stagedoor._cache.store import Lookup, Store, StoredEntry, Tier
from stagedoor._cache.tags import TagVersion, key_name, octets, tag
from stagedoor._call import Call, Env, Send
from stagedoor._deadline import DueTime
from stagedoor._events import CacheLookup, RefreshFailed
from stagedoor._value import MaybePartial
from stagedoor.errors import ConfigError, UpstreamError, UpstreamRejected
from stagedoor.policies._cost import Cost
from stagedoor.policies._keys import keyed
from stagedoor.policies._options import validate

__all__ = ["Cached", "CachedSend", "ends", "full_key", "readable_key"]

P = TypeVar("P")
R = TypeVar("R")
_FOR_NOW = (408, 429)
_TOGETHER = 0.1  # seconds within which the callers of one flight come back
_PAUSE = 1.0  # seconds until a renewal ahead of time is tried again
Found: TypeAlias = tuple[R, Fresh | Stale]
Fetched: TypeAlias = tuple[
    R, bytes, TagVersion, float
]  # with its key, the purges known and the moment asking began
# With the seconds it will be kept, and the bytes of another's that stands in its place.
Agreed: TypeAlias = tuple[R, float | None, bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached(Generic[P, R]):
    """Use an answer for `lifetime` seconds, and past that while it is renewed or cannot be (RFC 5861).

    A renewal that is refused ends the answer in every tier: a 4xx but 408 and 429 is what there is to say now.
    Errors are never kept, nor a `MaybePartial` that is not `complete`, nor those that `storable` refuses. A purge by
    one of the `tags`, fixed or drawn from the value, calls answers out. `key` replaces operation and call key by a
    readable name; the identity stays part of it (T4). `stale_before_partial` lets a whole answer in its stale-if-error
    window go before a new one that is not `complete`. A renewal in the background ends by `refresh_deadline` seconds
    of its own; at most `refreshes` run at once.

    An answer that is used once it is `renew_after` seconds old is renewed in the background before its lifetime ends;
    until then it stands, and who fetched at the same time, in whatever process, takes it instead of their own. With
    `from_start` age counts from when asking began, so that nothing is ever shown that was true longer ago than
    `lifetime`; else from the answer.
    """

    keyed: ClassVar[bool] = True

    store: Store
    codec: Codec[R]
    lifetime: float
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    tags: Callable[[R], Iterable[str]] | tuple[str, ...] = ()
    storable: Callable[[R], bool] | None = None
    key: Callable[[Call[P]], str] | None = None
    stale_before_partial: bool = False
    refresh_deadline: float = 1.0
    refreshes: int = 64
    renew_after: float | None = None
    from_start: bool = False

    def __post_init__(self) -> None:
        validate(self, "lifetime", 0.0 < self.lifetime < inf, "above 0 seconds and finite")
        for window in ("stale_while_revalidate", "stale_if_error"):
            validate(self, window, 0.0 <= getattr(self, window) < inf, "0 (off) or more seconds, finite")
        validate(self, "refresh_deadline", self.refresh_deadline > 0.0, "above 0 seconds")
        validate(self, "refreshes", self.refreshes >= 1, "1 or more")
        ahead = self.renew_after is None or 0.0 < self.renew_after < self.lifetime
        validate(self, "renew_after", ahead, "above 0 seconds and below the lifetime")

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside: at worst nothing is kept."""
        return inner

    def wrap(self, send: Send[P, R], env: Env, /) -> "CachedSend[P, R]":
        """Return a Send that asks the store first."""
        return CachedSend(self, send, env)

    def name_of(self, call: Call[P]) -> bytes:
        """Return the whole cache key of a call; raises `ConfigError` if nothing tells it from others, or no text."""
        if self.key is None or call.key_of is not None:
            call = keyed(call)
        if self.key is None:
            return full_key(call.operation.encode(), octets(call.identity), call.key)
        readable = self.key(call)
        if not isinstance(readable, str):
            raise ConfigError(
                f"{call.operation}: Cached(key=...) returns a str, not {type(readable).__name__}"
            )
        return readable_key(readable, call.identity)

    def tags_of(self, value: R) -> tuple[bytes, ...]:
        """Return the names by which a purge finds this value."""
        tags = self.tags(value) if callable(self.tags) else self.tags
        return tuple([tag(name) for name in tags])


class _Fetching:
    """Who fetches one key now: how many, and which purges the first of them knew."""

    __slots__ = ("began", "callers", "ended", "mark")

    def __init__(self, mark: TagVersion, began: float) -> None:
        self.began = began
        self.callers = 0
        self.ended = False  # one of them was refused: what was kept stands in for nobody
        self.mark = mark


class CachedSend(Generic[P, R]):
    """A cache before one Send; it owns its renewals in the background."""

    def __init__(self, policy: Cached[P, R], send: Send[P, R], env: Env) -> None:
        self._policy = policy
        self._store = policy.store
        self._finding = policy.store if isinstance(policy.store, EntryFinder) else None
        self._purges = purges_of(policy.store)
        self._rule = FreshnessRule(
            lifetime=policy.lifetime,
            stale_while_revalidate=policy.stale_while_revalidate,
            stale_if_error=policy.stale_if_error,
        )
        self._young = policy.lifetime if policy.renew_after is None else policy.renew_after
        self._ahead = policy.lifetime - self._young  # seconds before its end from which an answer is renewed
        self._send = send
        self._clock = env.clock
        self._now = env.clock.now
        self._observe = env.observe
        self._fetching: dict[bytes, _Fetching] = {}
        self._renewals: dict[bytes, asyncio.Task[None]] = {}
        self._ending: dict[bytes, asyncio.Task[bool]] = {}
        self._kept: tuple[bytes, R | None, float, bool] = (b"", None, 0.0, False)
        self._agreeing: dict[bytes, tuple[Fetched[R], asyncio.Task[Agreed[R]]]] = {}  # the newest of each key
        self._agreements: set[asyncio.Task[Agreed[R]]] = set()

    async def __call__(self, call: Call[P], /) -> R:
        key = self._policy.name_of(call)
        look = await self._store.get(key, self._young)
        found = None if look.held is None or key in self._ending else self._read(look.held)
        if found is None:
            self._observe(CacheLookup(call.operation, look.tier, "miss"))
            return await self._take(await self._fetch(call, key, look.mark))
        value, freshness = found
        if isinstance(freshness, Stale):
            if not freshness.now:
                return await self._forward(call, key, look, value, freshness)
            self._renew(call, key, look.mark)
        elif freshness.left <= self._ahead:
            self._renew(call, key, look.mark)
        self._use(call, look.tier, freshness)
        if isinstance(freshness, Fresh) and look.held is not None:
            kept = Kept(look.held, self.again, self._policy.lifetime, call.operation)
            context.current().record.kept = kept
        return value

    def again(self, key: bytes, /) -> StoredEntry | None:
        """Return what would answer a call of this key at once, and is not due to be renewed; None if nothing does."""
        held = None if self._finding is None or key in self._ending else self._finding.find(key)
        return held if held is not None and self._now() - held.born < self._young else None

    def _read(self, held: StoredEntry) -> Found[R] | None:
        """Judge and decode; what cannot be decoded is a miss (K8)."""
        freshness = judge(held.born, self._rule, self._now())
        if isinstance(freshness, Miss) or held.entry.schema != self._policy.codec.schema:
            return None
        try:
            return self._policy.codec.decode(held.entry.body), freshness
        except Exception:  # noqa: BLE001 - bytes from outside can break a decoder in any way
            return None

    def _use(self, call: Call[P], tier: Tier, freshness: Fresh | Stale) -> None:
        record = context.current().record
        record.hits += 1
        record.stored, record.kept = False, None
        if isinstance(freshness, Fresh):
            record.lookup, record.ttl = "hit", freshness.left
            self._observe(CacheLookup(call.operation, tier, "hit"))
        else:
            record.lookup, record.ttl = "stale", -freshness.past
            record.stale = max(record.stale or 0.0, freshness.past)
            self._observe(CacheLookup(call.operation, tier, "stale"))

    async def _forward(self, call: Call[P], key: bytes, look: Lookup, spare: R, stale: Stale) -> R:
        """Fetch a new value, with an old one that may stand in where the caller would see an error of ours."""
        fetching = self._joined(key, look.mark)
        try:
            fetched = await self._fetch(call, key, look.mark, fetching)
        except UpstreamError as error:
            if ends(error):
                self._end(key)
            elif self._stands(look, fetching):
                self._use(call, look.tier, stale)
                return spare
            self._observe(CacheLookup(call.operation, look.tier, "miss"))
            raise
        if self._policy.stale_before_partial and not _whole(fetched[0]) and self._stands(look, fetching):
            self._use(call, look.tier, stale)
            return spare
        self._observe(CacheLookup(call.operation, look.tier, "miss"))
        return await self._take(fetched)

    def _stands(self, look: Lookup, fetching: _Fetching) -> bool:
        """Tell whether an old value may still stand in: neither a refusal nor a purge has ended it meanwhile."""
        held = look.held
        if held is None or fetching.ended:
            return False
        return not self._purges.reached(held.entry.key, held.entry.names, held.position)

    def _joined(self, key: bytes, mark: TagVersion) -> _Fetching:
        fetching = self._fetching.get(key)
        if fetching is None:
            fetching = self._fetching[key] = _Fetching(mark, self._now())
        fetching.callers += 1
        return fetching

    async def _fetch(
        self, call: Call[P], key: bytes, mark: TagVersion, fetching: _Fetching | None = None
    ) -> Fetched[R]:
        """Return a value with what is needed to keep it.

        Who joined a flight below was not there when it began: the value counts as fetched when the first of those
        who are fetching this key did so, also if that one has left (G4).
        """
        fetching = fetching or self._joined(key, mark)
        began = self._now()
        try:
            value = await self._send(call)
        finally:
            fetching.callers -= 1
            if not fetching.callers:
                del self._fetching[key]
        if context.current().record.joined:
            mark, began = fetching.mark, fetching.began
        return value, key, mark, began

    async def _take(self, fetched: Fetched[R]) -> R:
        """Keep what was fetched, or take what somebody else has kept meanwhile."""
        if self._policy.renew_after is None:
            return self._keep(*fetched)
        last = self._agreeing.get(fetched[1])
        if last is None or fetched[0] is not last[0][0] or fetched[1:] != last[0][1:]:
            task = asyncio.ensure_future(self._agree(*fetched))
            self._agreements.add(task)
            last = self._agreeing[fetched[1]] = (fetched, task)
            task.add_done_callback(partial(self._agreed, fetched[1]))
        value, ttl, body = await asyncio.shield(last[1])  # it is for all who shared the flight
        if body is not None:
            # Each reads it for itself: the first could change its own before the next has come.
            value = self._policy.codec.decode(body)
        record = context.current().record
        record.lookup, record.stored, record.ttl, record.kept = "miss", ttl is not None, ttl, None
        return value

    async def _agree(self, value: R, key: bytes, mark: TagVersion, began: float) -> Agreed[R]:
        entry = self._entry(value, key, began)
        held = None if entry is None else await self._store.settle(entry, mark, self._young)
        if entry is None or held is None:
            return value, None, None
        if held.entry is not entry:
            found = self._read(held)
            if found is not None and isinstance(found[1], Fresh):
                return value, found[1].left, held.entry.body
            self._store.set(entry, mark)  # what is there cannot be used
        return value, max(0.0, self._policy.lifetime - entry.age), None

    def _agreed(self, key: bytes, task: asyncio.Task[Agreed[R]]) -> None:
        self._agreements.discard(task)
        last = self._agreeing.get(key)
        if last is not None and last[1] is task:
            del self._agreeing[key]

    def _keep(self, value: R, key: bytes, mark: TagVersion, began: float) -> R:
        now = self._now()
        last_key, last_value, moment, stored = self._kept
        # Callers who shared a flight arrive one after the other with the same object: one of them keeps it for all.
        if value is not last_value or key != last_key or now - moment > _TOGETHER:
            entry = self._entry(value, key, began)
            stored = entry is not None and self._store.set(entry, mark)
            self._kept = (key, value, now, stored)
        record = context.current().record
        record.lookup, record.stored, record.kept = "miss", stored, None
        record.ttl = max(0.0, self._policy.lifetime - self._age(began)) if stored else None
        return value

    def _entry(self, value: R, key: bytes, began: float) -> Entry | None:
        """Return what is to be kept; None for what is not."""
        policy = self._policy
        if not _whole(value) or (policy.storable is not None and not policy.storable(value)):
            return None
        body, tags = policy.codec.encode(value), policy.tags_of(value)
        return Entry(key, body, self._rule.keep, policy.codec.schema, tags, self._age(began))

    def _age(self, began: float) -> float:
        return self._now() - began if self._policy.from_start else 0.0

    def _renew(self, call: Call[P], key: bytes, mark: TagVersion) -> None:
        """Start one renewal of this key, unless one runs or too many do."""
        if key in self._renewals or len(self._renewals) >= self._policy.refreshes:
            return
        task = asyncio.create_task(self._renewing(call, key, mark), name=f"refresh {call.operation}")
        self._renewals[key] = task
        task.add_done_callback(lambda _: self._renewals.pop(key))

    async def _renewing(self, call: Call[P], key: bytes, mark: TagVersion) -> None:
        # Nobody waits for it: it has its own deadline, and what it does is no fact of the request that met it.
        deadline = DueTime(self._now() + self._policy.refresh_deadline)
        asked = replace(
            context.current(), record=context.Record(), deadline=deadline, attempt=1, route_deadline=None
        )
        context.enter(asked)
        try:
            await self._take(await self._fetch(replace(call, deadline=deadline, attempt=1), key, mark))
        except UpstreamError as error:
            if ends(error):
                self._end(key)
            self._observe(RefreshFailed(call.operation, error))
            if self._ahead:  # what there is still holds: who cannot answer is not asked again at once
                await self._clock.sleep(_PAUSE)

    def _end(self, key: bytes) -> None:
        """Call a kept answer out, here at once and wherever else it is kept as soon as that is told."""
        self._kept = (b"", None, 0.0, False)
        fetching = self._fetching.get(key)
        if fetching is not None:
            fetching.ended = True
        if key not in self._ending:
            # A task: telling the shared store takes time, and the refusal does not wait for it.
            task = asyncio.ensure_future(self._store.purge((key_name(key),)))
            self._ending[key] = task
            task.add_done_callback(lambda _: self._ending.pop(key))

    def counts(self) -> Mapping[str, int]:
        """Return how many renewals and agreements run now, and how many ends are still to be told."""
        return {"tasks": len(self._renewals) + len(self._agreements) + len(self._ending)}

    async def aclose(self) -> None:
        """Cancel the renewals and wait for their end; what has ended is still told."""
        tasks = list(self._renewals.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._agreements, *self._ending.values(), return_exceptions=True)

    def __repr__(self) -> str:
        return f"<Caching {self._policy.lifetime} s, {len(self._renewals)} renewals>"


def full_key(space: bytes, identity: bytes, key: bytes) -> bytes:
    """Return a key that is equal only if all three parts are: the first two carry their length (T6)."""
    return b"\0%d:%s%d:%s%s" % (len(space), space, len(identity), identity, key)


def readable_key(key: str, identity: str) -> bytes:
    """Return a key of one's own choice as it stands, or with the identity where there is one.

    A readable key that begins like a full one is wrapped, so that no two of either kind are ever equal.
    """
    name = octets(key)
    if not identity and not name.startswith(b"\0"):
        return name
    return full_key(b"", octets(identity), name)


def ends(error: UpstreamError) -> bool:
    """Tell whether an error is their answer, so that the one before it holds no more.

    A 408 and a 429 speak of the moment, and what is kept may go on standing in (RFC 5861 4: an error is a 5xx).
    """
    said = error.response
    return isinstance(error, UpstreamRejected) and (said is None or said.status not in _FOR_NOW)


def _whole(value: object) -> bool:
    """Tell whether a value may be kept at all: a partial answer knows that it is one (P1)."""
    return value.complete if isinstance(value, MaybePartial) else True
