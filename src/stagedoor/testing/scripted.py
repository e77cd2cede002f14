"""A transport that does what its script says.

    script = Script[HttpRequest, HttpResponse](clock).fails(UpstreamTimeout).after(0.05, answer).hangs()

Each call takes the next step; the last step repeats for ever. Time is the clock's. Like every transport it ends by
the call's deadline, raises nothing but `UpstreamError` and cancellation, and leaves nothing behind.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NoReturn, Self, TypeVar

from stagedoor._call import Call
from stagedoor._clock import Clock
from stagedoor._deadline import TimeoutScope
from stagedoor._requests import HttpRequest
from stagedoor._transports import keys
from stagedoor.errors import UpstreamError, UpstreamTimeout

__all__ = ["ScriptedTransport"]

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _ScriptStep(Generic[P, R]):
    seconds: float
    act: Callable[[Call[P]], R]


class ScriptedTransport(Generic[P, R]):
    """A transport for tests: scripted answers, and a record of what was asked.

    `calls` are all calls in order, `active` those under way, `peak` the most at once, `cancelled` how many were
    cancelled under way, `closed` whether `aclose` was called.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: list[_ScriptStep[P, R]] = []
        self.calls: list[Call[P]] = []
        self.active = self.peak = self.cancelled = 0
        self.closed = False

    def then(self, *values: R) -> Self:
        """Answer the next calls with these values, at once."""
        for value in values:
            self.after(0.0, value)
        return self

    def after(self, seconds: float, value: R) -> Self:
        """Answer the next call with a value, after so many seconds."""
        return self.does(lambda _: value, seconds)

    def fails(
        self, error: UpstreamError | type[UpstreamError], *, retryable: bool = True, after: float = 0.0
    ) -> Self:
        """Fail the next call, after so many seconds; `retryable` is for an error given as a class."""

        def fail(call: Call[P]) -> NoReturn:
            raise error if isinstance(error, UpstreamError) else error(call.operation, retryable=retryable)

        return self.does(fail, after)

    def does(self, act: Callable[[Call[P]], R], seconds: float = 0.0) -> Self:
        """Answer the next call, after so many seconds, with what a function makes of it, or raises."""
        self._steps.append(_ScriptStep(seconds, act))
        return self

    def hangs(self) -> Self:
        """Never answer the next call: it ends by its deadline or by cancellation."""
        return self.fails(UpstreamTimeout, retryable=False, after=math.inf)

    async def send(self, call: Call[P], /) -> R:
        """Take the next step of the script."""
        if not self._steps:
            raise AssertionError(f"{call.operation}: the script says nothing")
        step = self._steps[min(len(self.calls), len(self._steps) - 1)]
        self.calls.append(call)
        self.active += 1
        self.peak = max(self.peak, self.active)
        try:
            return await self._play(step, call)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.active -= 1

    async def _play(self, step: _ScriptStep[P, R], call: Call[P]) -> R:
        if call.deadline.passed(self._clock.now()):
            raise UpstreamTimeout(call.operation, "the deadline had passed")
        if step.seconds == 0:
            return step.act(call)
        try:
            with TimeoutScope(self._clock, call.deadline):
                if step.seconds == math.inf:
                    await asyncio.get_running_loop().create_future()
                else:
                    await self._clock.sleep(step.seconds)
        except TimeoutError as error:
            raise UpstreamTimeout(call.operation, "the script took longer") from error
        return step.act(call)

    def key_of(self, payload: P, /) -> bytes:
        """Return what an HTTP transport would; of any other payload its representation."""
        return keys.key_of(payload) if isinstance(payload, HttpRequest) else repr(payload).encode()

    def idempotent(self, payload: P, /) -> bool:
        """Tell what an HTTP transport would; any other payload may be repeated."""
        return keys.idempotent(payload) if isinstance(payload, HttpRequest) else True

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def __repr__(self) -> str:
        return f"<Script {len(self.calls)} calls, {self.active} active>"
