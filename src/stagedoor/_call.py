"""The kit is about one signature: `Send`. A policy wraps one Send in another; a transport is the innermost.

Upstream("users", transport, Cached(..), Retry(..), CircuitBreaker(..))  is  Cached(Retry(CircuitBreaker(transport)))
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

from stagedoor._clock import Clock
from stagedoor._deadline import DueTime
from stagedoor._events import Observer
from stagedoor._tracing import Tracer
from stagedoor._value import value

__all__ = ["Call", "Env", "Policy", "Send", "Transport"]

P = TypeVar("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@value()
class Call(Generic[P]):
    """One call to one upstream, as every policy sees it.

    `key` is injective on what will really be sent; b"" until somebody asks for it (`policies._keys.keyed`). `key_of`
    makes it, and `keyed` is the payload it was made of: a policy that changes the payload need not think of the key.
    """

    operation: str  # "users.get": the name in metrics, logs and cache keys
    payload: P  # HttpRequest, SearchRequest, ...: only the transport opens it
    key: bytes
    identity: str  # who asks; "" on routes declared public
    deadline: DueTime
    idempotent: bool
    attempt: int = 1  # which try this is; told to the upstream
    key_of: Callable[[P], bytes] | None = field(default=None, compare=False, repr=False)
    keyed: P | None = field(default=None, compare=False, repr=False)


Send: TypeAlias = Callable[[Call[P]], Awaitable[R]]
"""The one signature that transports have and policies wrap: a call in, an answer out, or an error raised."""


@dataclass(frozen=True, slots=True)
class Env:
    """Everything that is not deterministic."""

    clock: Clock
    rng: Callable[[], float]  # uniform in [0, 1)
    observe: Observer
    tracer: Tracer | None = None


class Policy(Protocol[P, R]):
    """Frozen data that knows how to wrap one Send in another. State is born in `wrap`, once per upstream.

    One that reads no key, nor wraps what does, may say so with a class variable `keyed = False`: keys cost.
    """

    def wrap(self, send: Send[P, R], env: Env, /) -> Send[P, R]:
        """Put this policy round a Send, with state of its own; the new Send is called in its place."""
        ...


class Transport(Protocol[P, R_co]):
    """The innermost Send: the only place that opens the payload and touches the world.

    `send` ends by `call.deadline` (raising `UpstreamTimeout`), raises nothing but `UpstreamError` and
    cancellation, and after a cancellation leaves nothing behind.
    """

    async def send(self, call: Call[P], /) -> R_co:
        """Make the call once."""
        ...

    def key_of(self, payload: P, /) -> bytes:
        """Name a payload in bytes, never none, equal only for payloads the upstream cannot tell apart (T6)."""
        ...

    def idempotent(self, payload: P, /) -> bool:
        """Tell whether repeating the payload is safe by the rules of the protocol (RFC 9110 9.2.2)."""
        ...

    async def aclose(self) -> None:
        """Close what is open; called once, at shutdown."""
