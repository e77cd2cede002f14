"""Stop asking an upstream that cannot answer, and notice soon when it can again.

Behind the breaker stands the machine of `circuit`; here is what counts as a failure, and the shell. It belongs
inside the retry, where it sees every attempt, and outside the bulkhead, so that a refusal costs nothing (C8).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from stagedoor import context
from stagedoor.call import Call, Env, Send
from stagedoor.deadline import LATE
from stagedoor.errors import BreakerOpen, Overloaded, UpstreamGarbled, UpstreamTimeout, UpstreamUnavailable
from stagedoor.events import BreakerMoved, BreakerState, CallShed, upstream_of
from stagedoor.policies.circuit import Circuit, Rule

__all__ = ["Breaker", "Guard", "is_failure"]

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker(Rule):
    """Refuse calls for a while after too many failures or slow answers; the options are those of `Rule`.

    Raises `BreakerOpen` with the open time that is left, without asking the upstream.
    """

    keyed: ClassVar[bool] = False

    def wrap(self, send: Send[P, R], env: Env, /) -> "Guard[P, R]":
        """Return a Send with a circuit of its own, closed."""
        return Guard(self, send, env)


class Guard(Generic[P, R]):
    """The breaker round one Send; `state` and `counts` are for health pages and tests."""

    __slots__ = ("_circuit", "_env", "_now", "_operation", "_rule", "_send")

    def __init__(self, rule: Rule, send: Send[P, R], env: Env) -> None:
        self._rule = rule
        self._send = send
        self._env = env
        self._now = env.clock.now
        self._circuit = Circuit(rule)
        self._operation = ""

    @property
    def state(self) -> BreakerState:
        """Return where the circuit stands."""
        return self._circuit.state

    def counts(self) -> Mapping[str, int]:
        """Return the probes under way."""
        return {"probes": self._circuit.out}

    async def __call__(self, call: Call[P]) -> R:
        """Send the call if the circuit lets it, and learn from how it ends."""
        circuit = self._circuit
        before, began = circuit.state, self._now()
        ticket = circuit.admit(began)
        if ticket is None:
            raise self._refusal(call, began)
        self._operation = call.operation
        try:
            if circuit.state != before:
                self._moved(before)
            value = await self._send(call)
        except BaseException as error:
            if is_failure(error, shortened=context.current().unshortened is not None):
                self._record(ticket, began, failed=True)
            else:
                circuit.release(ticket)
            raise
        self._record(ticket, began, failed=False)
        return value

    def _refusal(self, call: Call[P], now: float) -> BreakerOpen:
        circuit = self._circuit
        self._env.observe(CallShed(call.operation, "circuit_open"))
        left = max(circuit.until - now, 0.0)
        return BreakerOpen(call.operation, f"the breaker is {circuit.state}", retry_after=left)

    def _record(self, ticket: int, began: float, *, failed: bool) -> None:
        circuit, now = self._circuit, self._now()
        before = circuit.state
        circuit.record(ticket, now, failed, now - began > self._rule.slow_after, self._env.rng())
        if circuit.state != before:
            self._moved(before)

    def _moved(self, before: BreakerState) -> None:
        self._env.observe(BreakerMoved(self._operation, before, self._circuit.state))

    def __repr__(self) -> str:
        circuit, now = self._circuit, self._now()
        circuit.window.roll(now)
        seen, left = circuit.window, circuit.until - now
        rest = f", {left:.1f} s left" if circuit.state == "open" and left > 0 else ""
        name = upstream_of(self._operation) or "unused"
        return f"<Breaker {name} {circuit.state} {seen.failures}/{seen.calls} failed{rest}>"


def is_failure(error: BaseException, *, shortened: bool) -> bool:
    """Tell whether an outcome speaks against the upstream (C7).

    Refusals of our own, their "no" and cancellations do not. Nor does an attempt that a caller's deadline cut
    short (D5): `shortened` says that the deadline was a caller's.
    """
    match error:
        case UpstreamTimeout():
            return error.retryable or not shortened
        case BreakerOpen() | Overloaded():
            return False
        case UpstreamUnavailable():
            return error.response is None or error.response.status >= 500
        case asyncio.CancelledError():
            return error.args == (LATE,) and not shortened
        case _:
            return isinstance(error, UpstreamGarbled)
