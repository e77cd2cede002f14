"""A remote with its policies: a name, a transport, and an ordered stack round it."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from itertools import takewhile
from typing import Any, Generic, Literal, TypeVar, cast

from stagedoor import _context as context
from stagedoor._attempts import traced
from stagedoor._call import Call, Env, Policy, Send, Transport
from stagedoor._capabilities import Breaking, Closing, Holding, InUseGauges, Keyed
from stagedoor._deadline import DueTime
from stagedoor._events import BreakerState
from stagedoor.errors import ConfigError
from stagedoor.policies._adaptive import ConcurrencyLimiter
from stagedoor.policies._bulkhead import Bulkhead
from stagedoor.policies._circuit_breaker import CircuitBreakerSend
from stagedoor.policies._fused import Attempt, fused
from stagedoor.policies._timeout import Timeout, check_attempts

__all__ = ["Upstream"]

P = TypeVar("P")
R = TypeVar("R")


class Upstream(Generic[P, R]):
    """`Upstream("users", transport, Cached(..), Retry(..))` is `Cached(Retry(transport))`, outermost first.

    The same instance serves every request; its state lives in the layers that the policies made. `observed` is
    False for one that is made of other upstreams, whose attempts are told already. `read` makes what is returned of
    what the transport brings, as part of the attempt: an `UpstreamError` that it raises is the attempt's.
    """

    def __init__(
        self,
        name: str,
        transport: Transport[P, R],
        /,
        *policies: Policy[P, R],
        env: Env,
        observed: bool = True,
        read: Callable[[Call[P], Any], R] | None = None,
    ) -> None:
        if not name.isidentifier():
            raise ConfigError(f"upstream {name!r}: the name must be an identifier, as in 'users'")
        check_attempts(policies, math.inf, f"upstream {name!r}")
        self.name = name
        self.transport = transport
        self.policies = policies
        # A key is made of everything that is sent: not for nothing. Who does not say may need one.
        self._keyed = any(not isinstance(policy, Keyed) or policy.keyed for policy in policies)
        self._key_of = transport.key_of
        sending: Transport[P, Any] = transport
        if observed and env.tracer is not None:
            sending, read = traced(transport, read, env.tracer), None
        layers: list[Send[P, R]] = [Attempt(sending, env, read) if observed else transport.send]
        for policy in reversed(policies):
            layers.append(_wrapped(policy, layers[-1], env, name))
            if observed:
                inner = policies[len(policies) - len(layers) + 1 :]
                layers[-1] = fused(sending, env, read, inner, layers[::-1]) or layers[-1]
        self.layers: tuple[Send[P, R], ...] = tuple(reversed(layers))
        self._send = layers[-1]
        self.held_open = False  # an operator keeps it from being asked
        self.limiter = next((layer for layer in layers if isinstance(layer, ConcurrencyLimiter)), None)
        if self.limiter is not None:
            outside = takewhile(lambda layer: layer is not self.limiter, self.layers)
            self.limiter.outside = [layer for layer in outside if isinstance(layer, CircuitBreakerSend)]
        for at, layer in enumerate(self.layers):
            if isinstance(layer, CircuitBreakerSend):
                inside = [policy.attempt for policy in policies[at:] if isinstance(policy, Timeout)]
                layer.attempt = min(inside, default=0.0)

    async def call(self, operation: str, payload: P, *, idempotent: bool | None = None) -> R:
        """Send a payload under the current request's deadline and identity.

        `operation` is completed with the upstream's name ("get" becomes "users.get"). `idempotent` overrides
        what the protocol says, for a POST that is safe to repeat. Raises `UpstreamError`.
        """
        asked, transport = context.current(), self.transport
        key, keyed = (self._key_of(payload), payload) if self._keyed else (b"", None)
        if idempotent is None:
            idempotent = transport.idempotent(payload)
        name = f"{self.name}.{operation}"
        return await self._send(
            Call(
                name,
                payload,
                key,
                asked.identity,
                asked.deadline,
                idempotent,
                asked.attempt,
                self._key_of,
                keyed,
            )
        )

    def counts(self) -> Mapping[str, int]:
        """Return what all layers and the transport hold now, summed by name."""
        total: Counter[str] = Counter()
        for layer in (*self.layers, self.transport):
            if isinstance(layer, InUseGauges):
                total.update(layer.counts())
        return total

    def check(self, operation: str, deadline: DueTime, *, promise: bool = False) -> None:
        """Raise `Overloaded` where the limit would refuse a call now: for those who begin something before they ask.

        `promise` says that the call is sure to follow.
        """
        if self.limiter is not None:
            self.limiter.check(self.name, operation, deadline, promise=promise)

    def withdraw(self) -> None:
        """Take back what was promised to `check`: the call will not come after all."""
        if self.limiter is not None:
            self.limiter.withdraw()

    @property
    def places(self) -> int | None:
        """Return how many calls may be under way at once now, measured or fixed; None where nothing bounds them."""
        fixed = (policy.limit for policy in self.policies if isinstance(policy, Bulkhead))
        return next(fixed, None) if self.limiter is None else self.limiter.limit

    def circuits(self) -> frozenset[BreakerState]:
        """Return where the circuits of this upstream's breakers stand."""
        layers: Iterable[object] = self.layers
        return frozenset(layer.state for layer in layers if isinstance(layer, Breaking))

    def hold(self, state: Literal["open", "closed", "auto"]) -> None:
        """Hold its breakers open or closed, in this process, until told "auto"."""
        layers: Iterable[object] = self.layers
        self.held_open = state == "open"
        for layer in layers:
            if isinstance(layer, Holding):
                layer.hold(state, f"{self.name}.held")

    async def aclose(self) -> None:
        """Close the layers that hold work of their own, outermost first, then the transport."""
        layers: Iterable[object] = self.layers
        async with AsyncExitStack() as closing:  # whatever becomes of one, the others are closed
            closing.push_async_callback(self.transport.aclose)
            for layer in reversed(tuple(layers)):
                if isinstance(layer, Closing):
                    closing.push_async_callback(layer.aclose)

    def __repr__(self) -> str:
        stack = " ▸ ".join(repr(item) for item in (*self.policies, self.transport))
        return f"<Upstream {self.name} {stack}>"


def _wrapped(policy: Policy[P, R], inner: Send[P, R], env: Env, name: str) -> Send[P, R]:
    """Return a layer; raises `ConfigError` for a policy whose `wrap` forgot to return one."""
    layer: object = policy.wrap(inner, env)
    if not callable(layer):
        said = f"{type(policy).__name__}.wrap returned {type(layer).__name__}"
        raise ConfigError(f"upstream {name!r}: {said}, not the async def that goes round the Send inside")
    return cast("Send[P, R]", layer)
