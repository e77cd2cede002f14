"""The ordinary stack round a service that has one place and is asked for five times what it carries."""

import asyncio
from collections import deque
from random import Random

import pytest

from stagedoor import _context as context
from stagedoor._call import Call, Env
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import NEVER, DueTime, TimeoutScope
from stagedoor._upstream import Upstream
from stagedoor.errors import UpstreamError, UpstreamTimeout
from stagedoor.policies import AdaptiveLimit, Budget, CircuitBreaker, Retry, Timeout
from stagedoor.policies._gradient import Gradient
from stagedoor.testing import Events, ManualClock, ScriptedTransport, call_of

ATTEMPT = 0.08


class OneAtATime(ScriptedTransport[int, str]):
    """Works off what it is given, one after the other, also what nobody waits for any more."""

    def __init__(self, clock: ManualClock, takes: float, seed: int) -> None:
        super().__init__(clock)
        self._time = clock
        self._takes = takes
        self._rng = Random(seed)
        self._line: deque[asyncio.Future[str]] = deque()
        self._busy = False

    async def send(self, call: Call[int], /) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._line.append(answer)
        self._next()
        try:
            with TimeoutScope(self._time, call.deadline):
                return await answer
        except TimeoutError as error:
            raise UpstreamTimeout(call.operation, "late") from error

    def _next(self) -> None:
        if self._line and not self._busy:
            self._busy = True
            self._time.call_at(self._time.now() + self._rng.expovariate(1 / self._takes), self._answer)

    def _answer(self) -> None:
        self._busy = False
        answer = self._line.popleft()
        if not answer.done():
            answer.set_result("Ann")
        self._next()


async def goodput(takes: float, seconds: float, seed: int) -> float:
    """Ask for five times what the service carries; return what part of that was answered, but for the beginning."""
    clock, draw = ManualClock(), Random(seed)
    upstream = Upstream[int, str](
        "users",
        OneAtATime(clock, takes, seed),
        Retry(budget=Budget(share=0.1)),
        CircuitBreaker(),
        AdaptiveLimit(attempt=ATTEMPT),
        Timeout(attempt=ATTEMPT),
        env=Env(clock, Random(seed).random, Events()),
    )
    answered: list[float] = []

    async def ask() -> None:
        context.enter(RequestContext(deadline=DueTime(clock.now() + 2.25 * ATTEMPT), record=Record()))
        try:
            await upstream.call("get", 1)
        except UpstreamError:
            return
        answered.append(clock.now())

    tasks = []
    begun, end = clock.now() + 2.0, clock.now() + 2.0 + seconds
    while clock.now() < end:
        tasks.append(asyncio.ensure_future(ask()))
        await clock.advance(draw.expovariate(5 / takes))
    await clock.run(asyncio.gather(*tasks))
    return sum(begun <= moment < end for moment in answered) / (seconds / takes)


async def test_a11_a_service_that_drowns_is_not_drowned_again_and_again() -> None:
    """A11, O7: silence of a service that has too much to do is no hiccup, and no load is stuck in its own line."""
    seen = [await goodput(0.048, 12.0, seed) for seed in range(1, 5)]

    assert min(seen) >= 0.25, seen
    assert sum(seen) / len(seen) >= 0.33, seen


def test_o7_what_is_lost_after_a_silence_is_counted_though_an_answer_comes_between() -> None:
    """O7: half a window of lost calls and one answer end a silence once; the next time they are a queue."""
    gradient = Gradient(target=ATTEMPT / 3, most=100)
    moment = 0.0
    for _ in range(4):
        for _ in range(5):
            moment += ATTEMPT
            gradient.ended(moment, moment - ATTEMPT, 10, dropped=True)
        moment += 0.02
        gradient.ended(moment, moment - 0.02, 10)

    assert gradient.limit <= 5


@pytest.mark.parametrize(("seconds", "expected"), [(0.05, 0.014), (0.01, 0.01), (0.005, 0.01)])
def test_o7_a_call_that_was_cut_short_tells_how_long_the_next_may_take(
    seconds: float, expected: float
) -> None:
    """O7: at least as long as it had; who waits too long to be answered would else learn that never."""
    gradient = Gradient(target=ATTEMPT / 3, most=100)
    for moment in range(10):
        gradient.ended(moment + 0.01, moment, 1)
    limit = gradient.limit
    gradient.cut_short(seconds)

    assert gradient.rtt == pytest.approx(expected)
    assert gradient.limit == limit


@pytest.mark.parametrize("end", ["the attempt", "a guard"])
async def test_o7_who_has_waited_and_is_cut_short_lets_nobody_wait_as_long(end: str) -> None:
    """O7: that each had too little time left must not be how all of them go on."""
    clock = ManualClock()
    script = ScriptedTransport[int, str](clock).after(0.004, "Ann").hangs()
    limiter = AdaptiveLimit(attempt=ATTEMPT, start=1, most=1).wrap(
        script.send, Env(clock, Random(1).random, Events())
    )

    async def ask(seconds: float) -> None:
        deadline = DueTime(clock.now() + seconds)
        with TimeoutScope(clock, deadline if end == "a guard" else NEVER):
            await limiter(call_of(1, deadline=deadline))

    await clock.run(ask(1.0))
    limiter.gradient.rtt = 0.004
    with pytest.raises((UpstreamTimeout, TimeoutError)):
        await clock.run(ask(0.03))

    assert limiter.gradient.rtt == pytest.approx(0.0066)
    assert not any(limiter.counts().values())
