"""Stop asking an upstream that cannot answer, and notice soon when it can again.

Behind the breaker stands the machine of `circuit`; here is what counts as a failure, and the shell. It belongs
inside the retry, where it sees every attempt, and outside the bulkhead, so that a refusal costs nothing (C8).

While a probe is out, callers wait for what becomes of it, within their deadlines: when it closes the circuit they all
go on, into the bulkhead; when it opens it again they are refused; when its caller has gone, one of them takes over.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, TypeVar

from stagedoor import _context as context
from stagedoor._call import Call, Env, Send
from stagedoor._deadline import is_late
from stagedoor._events import BreakerMoved, BreakerState, CallShed, upstream_of
from stagedoor.errors import (
    CircuitOpen,
    Overloaded,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.policies._circuit import Circuit, CircuitRule, Hold
from stagedoor.policies._cost import Cost
from stagedoor.policies._notice import Notice
from stagedoor.policies._options import validate
from stagedoor.policies._timeout import had_all

__all__ = ["CircuitBreaker", "CircuitBreakerSend", "is_failure"]

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker(CircuitRule):
    """Refuse calls for a while after too many failures or slow answers.

    A call waits for a probe that is out for at most `max_wait` seconds and never past its deadline; 0 is not at all.
    Raises `CircuitOpen` with the open time that is left, without asking the upstream.
    """

    keyed: ClassVar[bool] = False
    max_wait: float = math.inf

    def __post_init__(self) -> None:
        # By name: a class with slots is made anew, and the short form of super() would mean the old one.
        CircuitRule.__post_init__(self)
        validate(self, "max_wait", self.max_wait >= 0, "seconds, 0 or more")

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside, after a wait for somebody else's probe, which is an attempt too."""
        return replace(inner, worst=inner.worst + min(inner.worst, self.max_wait))

    def wrap(self, send: Send[P, R], env: Env, /) -> "CircuitBreakerSend[P, R]":
        """Return a Send with a circuit of its own, closed."""
        return CircuitBreakerSend(self, send, env)


class CircuitBreakerSend(Generic[P, R]):
    """The breaker round one Send; `state` and `counts` are for health pages and tests."""

    __slots__ = ("_env", "_news", "_now", "_rule", "_send", "attempt", "circuit", "operation")

    def __init__(self, rule: CircuitBreaker, send: Send[P, R], env: Env) -> None:
        self._rule = rule
        self._send = send
        self._env = env
        self._now = env.clock.now
        self.circuit = Circuit(rule)
        self.operation = ""
        self.attempt = 0.0  # seconds that an attempt inside may take; 0: not known
        self._news = Notice(env.clock)  # of the probe that is out

    @property
    def state(self) -> BreakerState:
        """Return where the circuit stands."""
        return self.circuit.state

    def counts(self) -> Mapping[str, int]:
        """Return the probes under way and the calls that wait for their outcome."""
        return {"probes": self.circuit.out, "waiting": len(self._news)}

    def hold(self, state: Hold, operation: str) -> None:
        """Keep the circuit open or closed by hand, until told "auto"."""
        before = self.circuit.state
        self.operation = operation
        self.circuit.hold(state, self._now())
        if self.circuit.state != before:
            self._moved(before)

    async def __call__(self, call: Call[P]) -> R:
        """Send the call if the circuit lets it, and learn from how it ends."""
        circuit = self.circuit
        before, began = circuit.state, self._now()
        ticket = circuit.admit(began)
        waited = ticket is None
        if ticket is None:
            ticket, before, began = await self._admitted(call)
        self.operation = call.operation
        record = context.current().record
        stood = record.waited
        try:
            if circuit.state != before:
                self._moved(before)
            value = await self._send(call)
        except BaseException as error:
            self.failed(ticket, began, error, waited=waited, stood=record.waited - stood)
            raise
        self.succeeded(ticket, began, self._now(), record.waited - stood)
        return value

    def succeeded(self, ticket: int, began: float, now: float, stood: float = 0.0) -> None:
        """Learn of a call that was answered; a wait for a place of our own, `stood`, is no slowness of theirs."""
        circuit = self.circuit
        before = circuit.state
        slow = now - began - stood > self._rule.slow_after
        circuit.record(ticket, now, False, slow, self._env.rng())
        if circuit.state != before:
            self._moved(before)

    def failed(
        self, ticket: int, began: float, error: BaseException, *, waited: bool = False, stood: float = 0.0
    ) -> None:
        """Learn of a call that was not; `waited` says that it waited here before it went."""
        # Who has waited, here, for a place or for another upstream, has less time than this one may take.
        asked = context.current()
        shortened = waited or asked.record.waited > 0 or asked.route_deadline is not None
        shortened = shortened or not had_all(self._now() - began, self.attempt)
        if is_failure(error, shortened=shortened):
            late = isinstance(error, (UpstreamTimeout, asyncio.CancelledError))
            self._failed(ticket, began, stood, late=late)
        elif isinstance(error, UpstreamRejected) and self.circuit.state == "half_open":
            self.succeeded(ticket, began, self._now(), stood)  # they say no: they are back
        else:
            self.circuit.release(ticket)
            self._news.tell()

    async def _admitted(self, call: Call[P]) -> tuple[int, BreakerState, float]:
        """Return a ticket once the probe that is out lets the call go, the state before, and the moment."""
        circuit = self.circuit
        end = call.deadline.narrowed(self._now() + self._rule.max_wait)
        while circuit.state == "half_open" and not end.passed(self._now()) and await self._news.heard(end):
            before, now = circuit.state, self._now()
            ticket = circuit.admit(now)
            if ticket is not None:
                return ticket, before, now
        raise self._refusal(call, self._now())

    def _refusal(self, call: Call[P], now: float) -> CircuitOpen:
        circuit = self.circuit
        self._env.observe(CallShed(call.operation, "circuit_open"))
        left = None if circuit.until == math.inf else max(circuit.until - now, 0.0)
        return CircuitOpen(call.operation, f"the breaker is {circuit.state}", retry_after=left)

    def _failed(self, ticket: int, began: float, stood: float, *, late: bool) -> None:
        circuit, now = self.circuit, self._now()
        before = circuit.state
        slow, roll = now - began - stood > self._rule.slow_after, self._env.rng()
        circuit.record(ticket, now, True, slow, roll, began if late else math.inf)
        if circuit.state != before:
            self._moved(before)

    def _moved(self, before: BreakerState) -> None:
        self._news.tell()  # first: an observer that fails must keep nobody waiting
        self._env.observe(BreakerMoved(self.operation, before, self.circuit.state))

    def __repr__(self) -> str:
        circuit, now = self.circuit, self._now()
        circuit.window.roll(now)
        seen, left = circuit.window, circuit.until - now
        rest = f", {left:.1f} s left" if circuit.state == "open" and left > 0 else ""
        name = upstream_of(self.operation) or "unused"
        return f"<CircuitBreaker {name} {circuit.state} {seen.failures}/{seen.calls} failed{rest}>"


def is_failure(error: BaseException, *, shortened: bool) -> bool:
    """Tell whether an outcome speaks against the upstream (C7).

    Refusals of our own, their "no" and cancellations do not. Nor does an attempt that a caller's deadline cut
    short (D5): `shortened` says that the deadline was a caller's, or that others had used up what was left of it.
    """
    match error:
        case UpstreamTimeout():
            return error.retryable or not shortened
        case CircuitOpen() | Overloaded():
            return False
        case UpstreamUnavailable():
            return error.response is None or error.response.status >= 500
        case asyncio.CancelledError():
            return is_late(error) and not shortened
        case _:
            return isinstance(error, UpstreamGarbled)
