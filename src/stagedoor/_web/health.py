"""Health that asks: probes of what stands behind the gateway, in parallel, bounded, reused for a moment.

A probe goes straight to a transport, round all policies: it moves no breaker and counts as no service error.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from stagedoor._call import Call, Transport
from stagedoor._clock import Clock
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._requests import HttpResponse
from stagedoor._upstream import Upstream
from stagedoor.errors import UpstreamError

__all__ = ["Component", "Health", "Probe", "Status", "overall", "probe_of"]

P = TypeVar("P")
Status: TypeAlias = Literal["healthy", "degraded", "unhealthy"]
_LOGGER = logging.getLogger("stagedoor._web.health")
_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Component:
    """How one thing behind the gateway is: `ms` is the probe's duration, `detail` says what is wrong.

    `response` is what it said, where it is asked over HTTP.
    """

    status: Status
    ms: float | None = None
    detail: str | None = None
    response: HttpResponse | None = field(default=None, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Write it as the health answer does; what is None is left out."""
        shown = {"status": self.status, "ms": self.ms, "detail": self.detail}
        return {name: value for name, value in shown.items() if value is not None}


Probe: TypeAlias = Callable[[], Awaitable[Component]]


class Health:
    """Ask all probes at once, each at most `limit` seconds; the same answer serves for `reuse` seconds."""

    def __init__(
        self, probes: Mapping[str, Probe], clock: Clock, *, limit: float = 1.0, reuse: float = 2.0
    ) -> None:
        self._probes = probes
        self._clock = clock
        self._limit = limit
        self._reuse = reuse
        self._known: dict[str, Component] = {}
        self._fresh_until = float("-inf")
        self._asking = asyncio.Lock()

    async def components(self) -> Mapping[str, Component]:
        """Return the state of each component, by name."""
        async with self._asking:
            if self._clock.now() >= self._fresh_until:
                found = await asyncio.gather(*map(self._ask, self._probes, self._probes.values()))
                self._known = dict(zip(self._probes, found, strict=True))
                self._fresh_until = self._clock.now() + self._reuse
        return self._known

    async def _ask(self, name: str, probe: Probe) -> Component:
        try:
            with TimeoutScope(self._clock, DueTime(self._clock.now() + self._limit)):
                return await probe()
        except TimeoutError:
            return Component("unhealthy", detail="not answering")
        except Exception as error:  # somebody's own transport: the others are told all the same
            _LOGGER.warning("the probe of %s failed", name, exc_info=error)
            return Component("unhealthy", detail=f"its probe fell of {type(error).__name__}")


def overall(components: Mapping[str, Component]) -> Status:
    """Return "healthy" only if every component is; the gateway itself serves either way."""
    return "healthy" if all(one.status == "healthy" for one in components.values()) else "degraded"


def probe_of(
    upstream: Upstream[Any, Any],
    transport: Transport[P, object],
    payload: P,
    clock: Clock,
    *,
    tolerant: bool = False,
) -> Probe:
    """Return a probe that asks a transport past all policies of its upstream; a `tolerant` one takes a no for life."""
    now = clock.now

    async def probe() -> Component:
        started = now()
        call = Call(f"{upstream.name}.health", payload, b"", "", DueTime(started + _SECONDS), True)
        answer: object = None
        try:
            answer = await transport.send(call)
        except UpstreamError as error:
            if error.reason != "rejected" or not tolerant:
                return Component("unhealthy", detail=_why(error), response=error.response)
        ms = round((now() - started) * 1000, 1)
        if upstream.held_open:  # however well it is, nobody is let through to it
            return Component("unhealthy", ms, "not asked: its circuit breaker is held open by hand")
        if "half_open" in upstream.circuits():
            return Component("degraded", ms, "returning: the circuit breaker is half open")
        return Component("healthy", ms, response=answer if isinstance(answer, HttpResponse) else None)

    return probe


def _why(error: UpstreamError) -> str:
    """Say what the log says of such a failure (T21: a detail names no host)."""
    words = _WORDS[error.reason]
    return f"{words}: {error.detail[:_LONGEST]}" if error.detail else words


_LONGEST = 200
_WORDS = {
    "timeout": "not answering in time",
    "unavailable": "not reachable, or failing",
    "circuit_open": "not reachable, or failing",
    "overloaded": "no connection free",
    "rejected": "its health path is missing",
    "garbled": "its answers cannot be understood",
}
