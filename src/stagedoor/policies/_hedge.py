"""Ask again before the first answer is late, and take whichever comes first.

Copies go out one at a time, `delay` seconds apart. A failure that may be repeated sends the next at once, but for one
that asks for a wait (R5): then there is no further copy, and a retry outside may wait. The first value ends the race;
any other failure ends it too. What is still under way then is cancelled and awaited, so that the upstream sees it and
nothing is left (R8). Each copy after the first is paid from a budget and dropped, not queued, when there is none: extra
load stays at or under the budget's share. A copy that finds no place of ours, or a breaker open, is dropped as well.

Choose as delay the upstream's p95 to p99. Belongs outside the breaker, like the retry.
"""

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar, Generic, TypeVar

from stagedoor._call import Call, Env, Send
from stagedoor._capabilities import Closing
from stagedoor._events import HedgeFired
from stagedoor.errors import CircuitOpen, Overloaded, UpstreamError
from stagedoor.policies._budget import Account, Budget, afford
from stagedoor.policies._cost import Cost, repeated
from stagedoor.policies._options import validate

__all__ = ["Hedge"]

P = TypeVar("P")
R = TypeVar("R")


def _slight() -> Budget:
    return Budget(share=0.05, reserve=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """Send up to `copies` of an idempotent call, `delay` seconds apart, while none has answered.

    An `Account` as budget is shared with other policies of the same upstream. Raises the error that ended the race.
    """

    keyed: ClassVar[bool] = False

    delay: float
    copies: int = 2
    budget: Budget | Account = field(default_factory=_slight)

    def __post_init__(self) -> None:
        validate(self, "delay", 0 < self.delay < math.inf, "seconds above 0")
        validate(self, "copies", 2 <= self.copies <= 5, "2 to 5, the first included")

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside, as often as there are copies, the last of them late."""
        return repeated(inner, self.copies, self.delay * (self.copies - 1), self.budget)

    def wrap(self, send: Send[P, R], env: Env, /) -> Send[P, R]:
        """Return a Send that races copies of a call."""
        account = self.budget.account()

        async def hedging(call: Call[P]) -> R:
            if call.attempt > 1:
                return await send(call)
            account.earn()
            if not call.idempotent:
                return await send(call)
            race = _Race(self, send, env, account, call)
            reason, won = None, None
            try:
                won = await race.run()
                return won.result()
            except asyncio.CancelledError as gone:
                reason = gone.args[0] if gone.args else None
                raise
            finally:
                await _gone(race.tasks, reason, won)

        return hedging


class _Race(Generic[P, R]):
    __slots__ = ("_account", "_call", "_env", "_fired", "_rule", "_send", "tasks")

    def __init__(self, rule: Hedge, send: Send[P, R], env: Env, account: Account, call: Call[P]) -> None:
        self._rule = rule
        self._send = send
        self._env = env
        self._account = account
        self._call = call
        self._fired = 0  # copies sent or dropped
        self.tasks: list[asyncio.Task[R]] = []

    async def run(self) -> "asyncio.Task[R]":
        """Return the first copy with a value; raise the first failure that ends the race, or the last one of all."""
        self._fire()
        running = list(self.tasks)
        while True:
            await self._news(running)
            failures = []
            for task in [task for task in running if task.done()]:
                running.remove(task)
                error = task.exception()  # raises CancelledError for a copy that was cancelled from outside
                if error is None:
                    return task
                failures.append(error)
            for error in failures:
                self._survive(error)
            if self._fire():
                running.append(self.tasks[-1])
            elif not running:
                raise failures[-1]

    def _survive(self, error: BaseException) -> None:
        """Go on without a copy that failed, or raise what ends the race."""
        # By ourselves: it is as if there was no budget.
        refused = isinstance(error, (CircuitOpen, Overloaded))
        if not isinstance(error, UpstreamError) or not (refused or error.retryable):
            raise error
        if refused or error.retry_after:
            self._fired = self._rule.copies

    def _fire(self) -> bool:
        if self._fired >= self._rule.copies:
            return False
        self._fired += 1
        call = self._call
        if self._fired > 1:
            if not afford(self._account, self._env, call.operation):
                return False
            call = replace(call, attempt=self._fired)
            self._env.observe(HedgeFired(call.operation, call.attempt))
        self.tasks.append(asyncio.ensure_future(self._send(call)))
        return True

    async def _news(self, running: list[asyncio.Task[R]]) -> None:
        """Wait until a copy has ended, or until the next one is due."""
        bell = asyncio.get_running_loop().create_future()
        timer = None
        if self._fired < self._rule.copies:
            clock = self._env.clock
            timer = clock.call_at(clock.now() + self._rule.delay, partial(bell.set_result, None))
        try:
            await asyncio.wait((*running, bell), return_when=asyncio.FIRST_COMPLETED)
        finally:
            bell.cancel()
            if timer is not None:
                timer.cancel()


async def _gone(tasks: "list[asyncio.Task[R]]", reason: str | None, won: "asyncio.Task[R] | None") -> None:
    """Cancel what is under way and wait until it has ended; take note of errors that lost the race.

    A value that lost, or came for a caller who had left, is closed if it can be: a stream holds a connection.
    """
    for task in tasks:
        task.cancel(reason)
    if len(tasks) > 1 or not tasks[0].done():
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if task is not won and not task.cancelled() and task.exception() is None:
            lost: object = task.result()
            if isinstance(lost, Closing):
                with suppress(Exception):
                    await lost.aclose()
