"""The ordinary stack in one coroutine: Retry ▸ CircuitBreaker ▸ AdaptiveLimit ▸ Timeout round a transport.

Each layer is a coroutine, and a call of a service goes through five of them. They cost more than what they decide, and
nearly always they decide the same: the circuit is closed, there is a place, the answer comes. So here the layers are
looked at in their order, without one awaiting the other. Where one of them would wait, probe or refuse, and for every
attempt but the first, the layers themselves do the work: their state is one and the same.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from stagedoor import _context as context
from stagedoor._call import Call, Env, Transport
from stagedoor._deadline import DueTime, is_late
from stagedoor._events import AttemptEnded
from stagedoor.errors import UpstreamError, UpstreamTimeout
from stagedoor.policies._adaptive import AdaptiveLimit, ConcurrencyLimiter
from stagedoor.policies._circuit_breaker import CircuitBreaker, CircuitBreakerSend
from stagedoor.policies._deadline import until
from stagedoor.policies._retry import Retry, RetrySend
from stagedoor.policies._timeout import Timeout, repeatable

__all__ = ["Attempt", "fused"]

P = TypeVar("P")
R = TypeVar("R")
_ORDINARY = (Retry, CircuitBreaker, AdaptiveLimit, Timeout)


class Attempt(Generic[P, R]):
    """One call of a transport, told: in the request's record and as one event.

    `read` makes what is returned of what the transport brings, as part of the attempt.
    """

    __slots__ = ("_now", "_observe", "_read", "_send")

    def __init__(
        self, transport: Transport[P, Any], env: Env, read: Callable[[Call[P], Any], R] | None
    ) -> None:
        self._send = transport.send
        self._read = read
        self._now = env.clock.now
        self._observe = env.observe

    async def __call__(self, call: Call[P]) -> R:
        """Make the attempt."""
        context.current().record.calls += 1
        began = self._now()
        try:
            value: R = await self._send(call)
            if self._read is not None:
                value = self._read(call, value)
        except BaseException as error:
            self.failed(call, began, error)
            raise
        self._observe(AttemptEnded(call.operation, call.attempt, self._now() - began, None))
        return value

    def failed(self, call: Call[P], began: float, error: BaseException) -> None:
        """Tell of an attempt that failed, or that the deadline cut off before the transport saw it pass."""
        told = error if isinstance(error, UpstreamError) else None
        if isinstance(error, asyncio.CancelledError) and is_late(error):
            told = UpstreamTimeout(call.operation)
        if told is not None:
            self._observe(AttemptEnded(call.operation, call.attempt, self._now() - began, told))


def fused(
    transport: Transport[P, Any],
    env: Env,
    read: Callable[[Call[P], Any], R] | None,
    policies: Sequence[object],
    layers: Sequence[Any],
) -> "Fused[P, R] | None":
    """Return the layers of these policies, outermost first, as one; None for policies that are not the ordinary ones.

    The innermost layer is an `Attempt`.
    """
    if tuple(map(type, policies)) != _ORDINARY:
        return None
    return Fused(transport, env, read, policies[-1], tuple(layers))


class Fused(Generic[P, R]):
    """The ordinary stack round a transport. It is called in place of its outermost layer, which it asks too."""

    __slots__ = (
        "_attempt", "_breaker", "_circuit", "_earn", "_gradient", "_limit", "_limiter", "_now", "_observe", "_permits",
        "_read", "_retry", "_send",
    )  # fmt: skip

    def __init__(
        self,
        transport: Transport[P, Any],
        env: Env,
        read: Callable[[Call[P], Any], R] | None,
        rule: Any,  # noqa: ANN401 - a Timeout
        layers: tuple[Any, ...],
    ) -> None:
        self._send = transport.send
        self._read = read
        self._now = env.clock.now
        self._observe = env.observe
        self._limit = rule.attempt
        self._retry: RetrySend[P, R] = layers[0]
        self._breaker: CircuitBreakerSend[P, R] = layers[1]
        self._limiter: ConcurrencyLimiter[P, R] = layers[2]
        self._circuit = self._breaker.circuit
        self._permits, self._gradient = self._limiter.permits, self._limiter.gradient
        self._attempt: Attempt[P, R] = layers[-1]
        self._earn = self._retry.account.earn

    async def __call__(self, call: Call[P]) -> R:
        """Send a call; raises what the layers raise."""
        self._earn()
        limiter, permits, circuit = self._limiter, self._permits, self._circuit
        if circuit.state != "closed" or permits.taken >= self._gradient.places:
            return await self._retry.tried(call, call)
        ticket, self._breaker.operation = circuit.generation, call.operation
        if limiter.promised:
            limiter.promised -= 1
        permits.taken += 1
        context.current().record.calls += 1
        began = self._now()
        inner = until(call, call.deadline.narrowed(began + self._limit))
        try:
            value: R = await self._send(inner)
            if self._read is not None:
                value = self._read(inner, value)
            now = self._now()
            self._observe(AttemptEnded(call.operation, call.attempt, now - began, None))
        except BaseException as error:
            wait = self._failed(call, inner.deadline, ticket, began, error)
            if wait is None:
                raise
        else:
            limiter.succeeded(call, began, now)
            self._breaker.succeeded(ticket, began, now)
            return value
        await self._retry.pause(wait)
        return await self._retry.tried(call, replace(call, attempt=call.attempt + 1))

    def _failed(
        self, call: Call[P], deadline: DueTime, ticket: int, began: float, error: BaseException
    ) -> float | None:
        """Let every layer learn of an error, the innermost first; return the wait before a repetition, if any."""
        try:
            self._attempt.failed(call, began, error)
        finally:  # whatever becomes of telling it, the place is free again
            if isinstance(error, UpstreamTimeout):
                error.retryable = repeatable(error, deadline, call.deadline, self._now())
            self._limiter.failed(call, began, error)
            self._breaker.failed(ticket, began, error)
        return self._retry.wait(call, call, error) if isinstance(error, UpstreamError) else None

    def __repr__(self) -> str:
        return f"<Fused {self._breaker!r} {self._limiter!r}>"
