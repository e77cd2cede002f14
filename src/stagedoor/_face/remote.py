"""A service at work: its transport, its policies, its caches."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from math import inf
from typing import Any, Protocol, TypeAlias

from stagedoor import _context as context
from stagedoor._cache.store import Store
from stagedoor._cache.tags import octets
from stagedoor._call import Call, Env, Policy, Send, Transport
from stagedoor._deadline import DueTime
from stagedoor._face.cache import UNNAMED, Cache
from stagedoor._face.fields import digest
from stagedoor._face.replies import Asking, ReplyCodec, ServiceReply, reply_of
from stagedoor._face.shapes import Shape, shape_of
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._upstream import Upstream
from stagedoor.errors import Overloaded
from stagedoor.policies._adaptive import AdaptiveLimit
from stagedoor.policies._budget import Budget
from stagedoor.policies._cached import Cached
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.policies._cost import cost_of
from stagedoor.policies._retry import Retry
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.policies._timeout import Timeout

__all__ = [
    "AnyPolicy",
    "Caches",
    "CallKind",
    "Promised",
    "Remote",
    "default_policies",
    "promising",
    "renewal_of",
]

AnyPolicy: TypeAlias = Policy[Any, Any]
Keys: TypeAlias = Callable[[Any], bytes]
_RENEWAL = 1.0  # seconds
_SHARE = 0.1  # half of what is allowed at most (A9): an outage meets 1.1 times its load


def default_policies(attempt: float, most: int = 100) -> tuple[AnyPolicy, ...]:
    """Return the ordinary policies of a service, outermost first.

    `attempt` is seconds; at most so many calls are under way, and as a rule only as many as are answered in time.
    """
    limit = AdaptiveLimit(attempt=attempt, most=most)
    return (Retry(budget=Budget(share=_SHARE)), CircuitBreaker(), limit, Timeout(attempt=attempt))


class Caches:
    """What stands before an upstream for each way of keeping its answers, made once for each."""

    def __init__(
        self,
        store: Store,
        inner: Send[Any, Any],
        codec: Any,  # noqa: ANN401 - of whatever is kept
        env: Env,
        *,
        renewal: float,
    ) -> None:
        self._store = store
        self._inner = inner
        self._codec = codec
        self._renewal = renewal
        self._env = env
        self.made: dict[Cache, Any] = {}

    def of(self, cache: Cache) -> Send[Any, Any]:
        """Return the send that keeps answers as this cache says."""
        made = self.made.get(cache)
        if made is None:
            options: dict[str, Any] = {"storable": _shareable, "refresh_deadline": self._renewal}
            policy = cached(cache, self._store, self._codec, **options)
            made = self.made[cache] = policy.wrap(self._inner, self._env)
        found: Send[Any, Any] = made
        return found

    def counts(self) -> Mapping[str, int]:
        """Return the renewals under way."""
        return {"tasks": sum(one.counts()["tasks"] for one in self.made.values())}

    async def aclose(self) -> None:
        """End the renewals."""
        for one in self.made.values():
            await one.aclose()


def cached(cache: Cache, store: Store, codec: Any, **options: Any) -> Cached[Any, Any]:  # noqa: ANN401
    """Return the policy of a cache; its values carry their tags."""
    return Cached(
        store=store,
        codec=codec,
        lifetime=cache.max_age,
        stale_while_revalidate=cache.stale_while_revalidate,
        stale_if_error=cache.stale_if_error,
        renew_after=cache.renew_after,
        from_start=cache.from_start,
        tags=lambda value: value.tags,
        **options,
    )


def renewal_of(policies: Sequence[object]) -> float:
    """Return the seconds that a renewal behind an answer has: as many as its policies give a call, and one at least.

    Cut off sooner, an upstream that is slow would be asked again and again, and nothing ever be renewed.
    """
    worst = cost_of(policies).worst
    return max(_RENEWAL, worst) if worst < inf else _RENEWAL


class Promised(Protocol):
    """What a screen asks: a service, a source or an upstream of one's own kind, at work."""

    def check(self, operation: str, deadline: DueTime, *, promise: bool) -> None:
        """Raise `Overloaded` where it would not be asked now; `promise` says that a call is sure to follow."""
        ...

    def withdraw(self) -> None:
        """Take back what was promised to `check`."""
        ...


def promising(name: str, needed: Sequence[Promised]) -> Callable[[Call[Any]], None] | None:
    """Return a gate that refuses at once what could not be answered: one that is needed would have no place for it."""

    def gate(call: Call[Any]) -> None:
        promised: list[Promised] = []
        try:
            for one in needed:
                one.check(name, call.deadline, promise=True)
                promised.append(one)
        except Overloaded:
            for one in promised:  # else others would be refused for calls that never come
                one.withdraw()
            raise

    return gate if needed else None


class CallKind:
    """One kind of calls of a service: what its method, template, shape and cache settle once for all of them."""

    __slots__ = ("cache", "idempotent", "key_of", "keyed", "operation", "send", "shape")

    def __init__(
        self,
        operation: str,
        shape: Shape[Any] | None,
        send: Send[Any, ServiceReply],
        *,
        cache: Cache | None,
        idempotent: bool,
        key_of: Keys,
        keyed: bool,
    ) -> None:
        self.operation = operation
        self.shape = shape
        self.send = send
        self.cache = cache
        self.idempotent = idempotent
        self.key_of = key_of
        self.keyed = keyed  # only where something needs a key at once: keys cost


class Remote:
    """One service of a running gateway."""

    def __init__(
        self,
        name: str,
        transport: Transport[HttpRequest, HttpResponse],
        policies: Sequence[AnyPolicy],
        *,
        cache: Cache | None,
        coalesce: bool,
        store: Store,
        env: Env,
    ) -> None:
        self.name = name
        self.transport = transport
        asked: Any = transport  # an asking is a request, a reply is made of a response
        outer: tuple[AnyPolicy, ...] = ()
        if coalesce:  # a flight that would be refused is not begun
            outer = (SingleFlight(shareable=_shareable, gate=self._gate, store=store),)
        self.upstream: Upstream[Asking, ServiceReply] = Upstream(
            name, asked, *outer, *policies, env=env, read=reply_of
        )
        self._limiter = self.upstream.limiter
        self._cache = cache
        self._send = self.upstream.layers[0]
        # A stream belongs to one reader, and a write to who made it: another may have come between equal ones.
        self._alone = self.upstream.layers[1 if coalesce else 0]
        self._caches = Caches(store, self._send, ReplyCodec(), env, renewal=renewal_of(policies))
        self._joins = coalesce
        self._key_of = key_of = transport.key_of
        self._idempotent = transport.idempotent
        self._raw_key_of: Keys = lambda asking: key_of(asking) + _use_in_key(asking)
        self._kept_key_of: Keys = lambda asking: digest(key_of(asking) + _use_in_key(asking))
        # A path that is no template but made for each call must not let the table grow without end.
        self.kind = lru_cache(maxsize=1_024)(self._kind)

    @property
    def policies(self) -> Sequence[object]:
        """Return the policies, outermost first."""
        return self.upstream.policies

    def _kind(self, method: str, path: str, shape: Any, safe: bool, cache: Cache | None) -> CallKind:  # noqa: ANN401 - a type form
        """Return a kind of calls, through the cache if there is one and they are safe; raises `TypeError`."""
        form = None if shape is None and method != "GET" else shape_of(shape)
        kept = (cache or self._cache) if safe else None
        if kept is not None and kept.key is not None:
            raise TypeError(f"{self.name}: {UNNAMED}")
        idempotent = safe or self._idempotent(Asking(method=method, target=b"/"))
        send = self._send if safe else self._alone
        return CallKind(
            f"{self.name}.{method} {path}",
            form,
            send if kept is None else self._caches.of(kept),
            cache=kept,
            idempotent=idempotent,
            key_of=self._key_of if kept is None else self._kept_key_of,
            keyed=kept is not None or (self._joins and safe),
        )

    def call(self, operation: str, asking: Asking, safe: bool) -> Awaitable[ServiceReply]:
        """Ask for an answer as it comes, through the cache if there is one; awaiting it raises `UpstreamError`."""
        asked = context.current()
        send, joins, key_of = self._send, self._joins, self._raw_key_of
        if asking.streamed or not safe:
            send, joins = self._alone, False
        elif self._cache is not None:
            send, joins, key_of = self._caches.of(self._cache), True, self._kept_key_of
        idempotent, key, keyed = safe or self._idempotent(asking), b"", None
        if joins:
            key, keyed = key_of(asking), asking
        return send(
            Call(operation, asking, key, "", asked.deadline, idempotent, asked.attempt, key_of, keyed)
        )

    def _gate(self, call: Call[Any]) -> None:
        if self._limiter is not None:
            self._limiter.gate(call)

    def check(self, operation: str, deadline: DueTime, *, promise: bool = False) -> None:
        """Raise `Overloaded` where the service would not be asked now, unless its answers may be kept ones."""
        if self._limiter is not None and self._cache is None and not self._caches.made:
            self._limiter.check(self.name, operation, deadline, promise=promise)

    def withdraw(self) -> None:
        """Take back what was promised to `check`."""
        if self._limiter is not None and self._cache is None and not self._caches.made:
            self._limiter.withdraw()

    def counts(self) -> Mapping[str, int]:
        """Return what is held now."""
        return {**self.upstream.counts(), **self._caches.counts()}

    async def aclose(self) -> None:
        """Close caches, policies and transport."""
        await self._caches.aclose()
        await self.upstream.aclose()

    def __repr__(self) -> str:
        return f"<Remote {self.name}>"


def _use_in_key(asking: Asking) -> bytes:
    """Return what tells an answer from the same one that is used in another way.

    A purge by tags of one's own must reach it (G4), and these may name inputs of the route, of which nothing is sent.
    Who takes it as it comes sees its fields, and of these some are nobody else's (K5).
    """
    tags = b"".join([b"#%d:%b" % (len(name), name) for name in map(octets, asking.tags)])
    return tags + b"raw" if asking.raw else tags


def _shareable(reply: ServiceReply) -> bool:
    return reply.response.stream is None and not reply.own
