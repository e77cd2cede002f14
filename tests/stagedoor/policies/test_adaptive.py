"""A limit round an upstream: who goes, who waits, who is refused at once, and what is learned of how calls end."""

import asyncio

import pytest

from stagedoor import _context as context
from stagedoor._call import Call, Env
from stagedoor._context import RequestContext
from stagedoor._deadline import LATE, NEVER, DueTime, TimeoutScope
from stagedoor._events import CallShed, LimitMoved
from stagedoor._requests import HttpResponse
from stagedoor.errors import (
    ConfigError,
    Overloaded,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.policies._adaptive import AdaptiveLimit, ConcurrencyLimiter, lesson
from stagedoor.policies._cost import cost_of
from stagedoor.policies._timeout import Timeout
from stagedoor.testing import Events, ManualClock, call_of, settle

AT_REST = {"permits": 0, "waiting": 0}
ATTEMPT = 0.08


class Stage:
    """A service that takes as long as it is told, and a limit of so many places round it."""

    def __init__(self, env: Env, *, places: int = 1, seconds: float = 0.05, **options: int) -> None:
        self.clock = env.clock
        self.seconds = seconds
        self.asked = 0
        self.fails: UpstreamError | None = None
        rule = AdaptiveLimit(attempt=ATTEMPT, most=places, start=places, **options)
        self.limiter: ConcurrencyLimiter[int, str] = rule.wrap(self.send, env)

    async def send(self, call: Call[int]) -> str:
        self.asked += 1
        await self.clock.sleep(self.seconds)
        if self.fails is not None:
            raise self.fails
        return "Ann"

    def ask(self, deadline: DueTime = NEVER) -> "asyncio.Future[str]":
        return asyncio.ensure_future(self.limiter(call_of(1, deadline=deadline)))

    async def known(self, clock: ManualClock) -> None:
        """Let it learn how long a call takes."""
        for _ in range(3):
            await clock.run(self.ask())


async def test_who_finds_no_place_waits_if_its_turn_comes_in_time(env: Env, clock: ManualClock) -> None:
    """One goes, one waits 30 ms for its place: together that is what an attempt may take."""
    stage = Stage(env, seconds=0.03)
    await stage.known(clock)
    tasks = [stage.ask(), stage.ask()]
    await settle()
    held = dict(stage.limiter.counts())
    await clock.advance(0.06)

    assert held == {"permits": 1, "waiting": 1}
    assert [task.result() for task in tasks] == ["Ann", "Ann"]
    assert dict(stage.limiter.counts()) == AT_REST


async def test_o8_who_would_come_too_late_is_refused_at_once(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """O8: 50 ms of waiting and 50 of answering are more than the 80 of an attempt; no time passes over it."""
    stage = Stage(env)
    await stage.known(clock)
    first = stage.ask()
    await settle()
    before = clock.now()
    with pytest.raises(Overloaded) as refused:
        await stage.limiter(call_of(2))

    assert (clock.now(), refused.value.retry_after) == (before, 1.0)
    assert events.of(CallShed) == [CallShed("users.get", "overloaded")]
    await clock.run(first)


async def test_d4_a_deadline_that_leaves_no_time_for_the_wait_refuses_too(
    env: Env, clock: ManualClock
) -> None:
    """D4: it is the sooner one that counts."""
    stage = Stage(env, seconds=0.03)
    await stage.known(clock)
    first = stage.ask()
    await settle()
    with pytest.raises(Overloaded):
        await stage.limiter(call_of(2, deadline=DueTime(clock.now() + 0.05)))

    await clock.run(first)


async def test_a_queue_is_bounded_in_length(env: Env, clock: ManualClock) -> None:
    """O6: also before anything is known of the service."""
    stage = Stage(env, queue=1)
    tasks = [stage.ask(), stage.ask()]
    await settle()
    with pytest.raises(Overloaded):
        await stage.limiter(call_of(3))

    await clock.advance(0.2)
    assert [task.result() for task in tasks] == ["Ann", "Ann"]


async def test_o6_a_queue_that_is_full_of_what_is_less_urgent_has_room(env: Env, clock: ManualClock) -> None:
    """O6: a flood of searches that filled the queue kept operations out of a service altogether."""
    stage = Stage(env, queue=3)

    async def asks(priority: context.Priority) -> str:
        context.enter(context.RequestContext(priority=priority))
        return await stage.limiter(call_of(1))

    searches = [asyncio.ensure_future(asks("search")) for _ in range(5)]
    await settle()
    urgent = asyncio.ensure_future(asks("operations"))
    await clock.advance(0.3)
    await asyncio.gather(*searches, return_exceptions=True)

    assert await urgent == "Ann"
    assert [one.exception() is None for one in searches] == [True, True, True, False, False]
    assert dict(stage.limiter.counts()) == AT_REST


async def test_who_waits_in_vain_leaves_when_it_is_of_no_more_use(env: Env, clock: ManualClock) -> None:
    """D4: the service hangs; who waits goes when what is left is less than an answer takes."""
    stage = Stage(env, seconds=0.02)
    await stage.known(clock)
    stage.seconds = 9.0
    first, waits = stage.ask(), stage.ask(DueTime(clock.now() + 0.1))
    with pytest.raises(Overloaded):
        await clock.run(waits)

    assert clock.now() == pytest.approx(1000.06 + 0.08)
    first.cancel()
    await settle()
    assert dict(stage.limiter.counts()) == AT_REST


async def test_what_waiting_took_is_told_to_whoever_judges(env: Env, clock: ManualClock) -> None:
    """Waiting for a place of our own is no failure of the upstream."""
    stage = Stage(env, seconds=0.03)
    await stage.known(clock)
    asked = RequestContext()
    first = stage.ask()
    await settle()
    token = context.enter(asked)
    second = stage.ask()
    context.leave(token)
    await clock.run(second)

    assert asked.record.waited == pytest.approx(0.03)
    assert first.done()


async def test_x1_a_cancelled_call_gives_its_place_back(env: Env, clock: ManualClock) -> None:
    """X1, X2: and teaches nothing."""
    stage = Stage(env)
    await stage.known(clock)
    limit = stage.limiter.limit
    task = stage.ask()
    await settle()
    task.cancel()
    await settle()

    assert dict(stage.limiter.counts()) == AT_REST
    assert stage.limiter.limit == limit


async def test_a_service_that_hangs_is_given_one_call_at_a_time(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """Each attempt that is late counts, as an error and as a cancellation by a guard; the limit is told."""
    stage = Stage(env, places=8, seconds=9.0)

    async def late() -> None:
        try:
            with TimeoutScope(clock, DueTime(clock.now() + ATTEMPT)):
                await stage.limiter(call_of(1))
        except (TimeoutError, UpstreamError):
            pass

    for _ in range(8):
        tasks = [asyncio.ensure_future(late()) for _ in range(4)]
        await clock.advance(0.1)
        await asyncio.gather(*tasks)

    assert stage.limiter.limit == 1
    assert events.of(LimitMoved)[-1] == LimitMoved("users.get", 1)


def refused(status: int) -> UpstreamUnavailable:
    return UpstreamUnavailable("users.get", response=HttpResponse(status=status))


@pytest.mark.parametrize(
    ("error", "seconds", "expected"),
    [
        (UpstreamTimeout("users.get"), 0.08, True),
        (UpstreamTimeout("users.get"), 0.03, None),
        (asyncio.CancelledError(LATE), 0.08, True),
        (asyncio.CancelledError(LATE), 0.03, None),
        (asyncio.CancelledError(), 0.08, None),
        (refused(503), 0.001, None),
        (refused(429), 0.001, True),
        (refused(500), 0.001, None),
        (UpstreamRejected("users.get", response=HttpResponse(status=404)), 0.02, False),
        (UpstreamUnavailable("users.get", "refused"), 0.001, None),
        (UpstreamGarbled("users.get"), 0.02, None),
        (ValueError(), 0.02, None),
    ],
)
def test_what_an_end_says_of_the_load(error: BaseException, seconds: float, expected: bool | None) -> None:
    """D5: too much to do, an answer like any other, or nothing; who was cut short might have been answered in time."""
    assert lesson(error, seconds, ATTEMPT) is expected


async def test_answers_that_say_no_are_answers(env: Env, clock: ManualClock) -> None:
    """A 404 takes its time as a 200 does."""
    stage = Stage(env, places=4, seconds=0.01)
    stage.fails = UpstreamRejected("users.get", response=HttpResponse(status=404))
    for _ in range(4):
        with pytest.raises(UpstreamRejected):
            await clock.run(stage.ask())

    assert "10.0 ms" in repr(stage.limiter.gradient)


async def test_who_begins_something_asks_before(env: Env, clock: ManualClock) -> None:
    """A flight or a screen that would be refused is not begun; what is promised is reckoned with, for a moment."""
    stage = Stage(env, seconds=0.03)
    await stage.known(clock)
    for _ in range(2):
        stage.limiter.check("users", "x", NEVER, promise=True)
    with pytest.raises(Overloaded):
        stage.limiter.check("users", "x", NEVER, promise=True)
    tasks = [stage.ask(), stage.ask()]  # as promised
    await settle()
    with pytest.raises(Overloaded):
        stage.limiter.check("users", "x", NEVER, promise=True)
    await clock.advance(0.2)
    for _ in range(2):
        stage.limiter.check("users", "x", NEVER, promise=True)
    await clock.advance(0.06)
    stage.limiter.check("users", "x", NEVER, promise=True)  # those that were promised never came

    assert [task.result() for task in tasks] == ["Ann", "Ann"]
    assert repr(stage.limiter) == "<Limiter 0/1 under way, 0 waiting>"


@pytest.mark.parametrize(
    ("field", "value"),
    [("attempt", 0.0), ("least", 0), ("most", 0), ("start", 0), ("queue", -1), ("attempt", float("nan"))],
)
def test_options_that_cannot_work_are_refused_by_name(field: str, value: float) -> None:
    """The error names the field."""
    with pytest.raises(ConfigError, match=rf"AdaptiveLimit\({field}="):
        AdaptiveLimit(**{"attempt": ATTEMPT, field: value})  # type: ignore[arg-type]


def test_a_limit_costs_what_is_inside() -> None:
    """Wait and call together end with the attempt's time."""
    assert cost_of([AdaptiveLimit(attempt=ATTEMPT), Timeout(attempt=ATTEMPT)]).single == ATTEMPT


async def test_a_promise_is_not_held_against_the_call_that_made_it(env: Env, clock: ManualClock) -> None:
    """A screen promises, and the flight of its call asks again: the one place is for that very call."""
    stage = Stage(env)
    await stage.known(clock)
    stage.limiter.check("users", "x", DueTime(clock.now() + 1.0), promise=True)
    stage.limiter.check("users", "x", NEVER)

    assert await clock.run(stage.ask()) == "Ann"


async def test_promises_that_were_not_kept_refuse_nobody_for_long(env: Env, clock: ManualClock) -> None:
    """A breaker was open, so the calls never came: the free place is free again."""
    stage = Stage(env)
    await stage.known(clock)
    stage.limiter.check("users", "x", NEVER, promise=True)
    await clock.advance(0.03)
    stage.limiter.check("users", "x", NEVER, promise=True)

    assert await clock.run(stage.ask()) == "Ann"


async def test_a_promise_that_was_taken_back_is_held_against_nobody(env: Env, clock: ManualClock) -> None:
    """Who promised and was refused elsewhere takes its promise back: the free place is free again at once."""
    stage = Stage(env)
    await stage.known(clock)
    stage.limiter.check("users", "x", NEVER, promise=True)
    stage.limiter.withdraw()
    stage.limiter.withdraw()  # it came meanwhile, or was forgotten
    stage.limiter.check("users", "x", NEVER, promise=True)

    with pytest.raises(Overloaded):
        stage.limiter.check("users", "x", NEVER, promise=True)


async def test_o8_a_gate_refuses_what_the_limit_would_and_says_of_what(env: Env, clock: ManualClock) -> None:
    """O8: a flight that would find no place is not begun; one that would is let through, and takes none by that."""
    stage = Stage(env)
    await stage.known(clock)
    call = call_of(1)
    stage.limiter.gate(call)
    under_way = stage.ask()
    await settle()
    with pytest.raises(Overloaded) as refused:
        stage.limiter.gate(call)

    assert refused.value.operation == call.operation
    assert await clock.run(under_way) == "Ann"
