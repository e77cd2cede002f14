"""A cache before a scripted upstream."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from stagedoor import _context as context
from stagedoor._cache.codec import RawCodec
from stagedoor._cache.memory import MemoryStore
from stagedoor._call import Call, Env, Send
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import NEVER
from stagedoor._events import CacheLookup, Event
from stagedoor.errors import (
    CircuitOpen,
    Overloaded,
    UpstreamError,
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.policies._cached import Cached, CachedSend
from stagedoor.testing import ManualClock

Answer = bytes | UpstreamError


@dataclass
class Stage:
    """An upstream that answers what a test says, with a cache in front."""

    clock: ManualClock = field(default_factory=ManualClock)
    events: list[Event] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    calls: list[Call[str]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    seen: list[RequestContext] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.env = Env(self.clock, lambda: 0.5, self.events.append)
        self.store = MemoryStore(env=self.env)

    async def upstream(self, call: Call[str], /) -> bytes:
        self.calls.append(call)
        self.seen.append(context.current())
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else b"v%d" % len(self.calls)
        if isinstance(answer, UpstreamError):
            raise answer
        return answer

    def cached(
        self,
        lifetime: float = 30.0,
        revalidate: float = 0.0,
        on_error: float = 0.0,
        tags: Callable[[bytes], Iterable[str]] | tuple[str, ...] = (),
        storable: Callable[[bytes], bool] | None = None,
        key: Callable[[Call[str]], str] | None = None,
        refreshes: int = 64,
    ) -> CachedSend[str, bytes]:
        policy: Cached[str, bytes] = Cached(
            store=self.store,
            codec=RawCodec(),
            lifetime=lifetime,
            stale_while_revalidate=revalidate,
            stale_if_error=on_error,
            tags=tags,
            storable=storable,
            key=key,
            refreshes=refreshes,
        )
        return policy.wrap(self.upstream, self.env)

    def lookups(self) -> list[str]:
        return [event.result for event in self.events if isinstance(event, CacheLookup)]


def call(key: bytes = b"k", identity: str = "", operation: str = "users.get") -> Call[str]:
    return Call(operation=operation, payload="p", key=key, identity=identity, deadline=NEVER, idempotent=True)


async def asked(send: Send[str, bytes], what: Call[str]) -> tuple[bytes, Record]:
    """Send as one request of its own would, and return what its record says."""
    record = Record()
    token = context.enter(RequestContext(record=record))
    try:
        return await send(what), record
    finally:
        context.leave(token)


def refused(operation: str = "users.get") -> list[UpstreamError]:
    return [
        UpstreamTimeout(operation),
        UpstreamUnavailable(operation),
        CircuitOpen(operation),
        Overloaded(operation),
        UpstreamGarbled(operation),
    ]
