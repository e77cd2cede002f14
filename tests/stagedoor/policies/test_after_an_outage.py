"""The ordinary stack round a service that hung and is back: whoever can wait for its first answer is answered."""

import asyncio
from collections import Counter
from random import Random

import pytest

from stagedoor import _context as context
from stagedoor._call import Env
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._upstream import Upstream
from stagedoor.errors import UpstreamError
from stagedoor.policies import AdaptiveLimit, Budget, CircuitBreaker, Retry, Timeout
from stagedoor.testing import Events, ManualClock, ScriptedTransport

STEP = 0.001  # seconds
USUAL = 0.005  # seconds of an answer


class Guarded:
    """A service behind the ordinary stack, asked at a steady rate; a call has a little over two attempts' time.

    `promised` says that it is asked before whether there would be a place, as a screen does.
    """

    def __init__(self, attempt: float, rate: float, *, promised: bool) -> None:
        self.clock = ManualClock()
        self.promised = promised
        self.rate, self.deadline = rate, 2.25 * attempt
        self.script = ScriptedTransport[int, str](self.clock)
        self._steps = 0
        self.upstream = Upstream[int, str](
            "users",
            self.script,
            Retry(budget=Budget(share=0.1)),
            CircuitBreaker(),
            AdaptiveLimit(attempt=attempt),
            Timeout(attempt=attempt),
            env=Env(self.clock, Random(7).random, Events()),
        )

    def hangs(self) -> None:
        """Answer nothing from the next call on."""
        self._catch_up(len(self.script.calls) + 1)

    def answers(self, *, first: float = USUAL) -> None:
        """Answer from the next call on, the first time after so many seconds."""
        self._catch_up(len(self.script.calls))
        self.script.after(first, "Ann").after(USUAL, "Ann")
        self._steps += 2

    def _catch_up(self, steps: int) -> None:
        """Let the script have so many steps: those of calls that were made, and one that hangs."""
        while self._steps < steps:
            self.script.hangs()
            self._steps += 1

    async def asked(self, seconds: float) -> Counter[str]:
        """Ask for so long; return how it ended, for how many."""
        tasks = []
        for _ in range(round(seconds * self.rate)):
            tasks.append(asyncio.ensure_future(self._ask()))
            await self.clock.advance(1 / self.rate)
        while not all(task.done() for task in tasks):
            await self.clock.advance(STEP)
        return Counter(await asyncio.gather(*tasks))

    async def _ask(self) -> str:
        deadline = DueTime(self.clock.now() + self.deadline)
        token = context.enter(RequestContext(deadline=deadline, record=Record()))
        try:
            if self.promised:
                self.upstream.check("get", deadline, promise=True)
            with TimeoutScope(self.clock, deadline):
                return await self.upstream.call("get", 1)
        except (UpstreamError, TimeoutError) as error:
            return type(error).__name__
        finally:
            context.leave(token)


@pytest.mark.parametrize("first", [0.2, 0.95])
@pytest.mark.parametrize("rate", [50, 100, 500])
@pytest.mark.parametrize("hung", [0.15, 0.5, 2.0])
@pytest.mark.parametrize("attempt", [0.08, 0.4])
@pytest.mark.parametrize("promised", [False, True])
async def test_f4_who_can_wait_for_the_first_answer_is_answered(
    promised: bool, attempt: float, hung: float, rate: float, first: float
) -> None:
    """F4: of what is asked after the service is back nothing is refused, though its first answer is slow.

    `hung` is how many seconds it hung, `first` how much of an attempt that answer takes.
    """
    service = Guarded(attempt, rate, promised=promised)
    service.answers()
    before = await service.asked(1.0)
    service.hangs()
    during = await service.asked(hung)
    service.answers(first=first * attempt)
    await service.clock.advance(1.0)  # whatever was open may be probed

    after = await service.asked(0.5)

    assert before == {"Ann": rate}
    assert during["Ann"] == 0
    assert after == {"Ann": rate * 0.5}
