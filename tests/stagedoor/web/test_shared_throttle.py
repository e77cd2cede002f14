"""One limit over several processes: on a fake tally, on a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stagedoor._cache.limit_counter import ClientCount, SharedLimit
from stagedoor._web.shared_throttle import SharedThrottle
from stagedoor._web.throttle import Allowance, Quota
from stagedoor.testing import ManualClock, settle
from stagedoor.testing.limit_counter import FakeLimitCounter

LIMIT = Quota(requests=1000, seconds=60)


@asynccontextmanager
async def processes(
    clock: ManualClock, number: int, quota: Quota = LIMIT
) -> AsyncIterator[tuple[list[SharedThrottle], list[FakeLimitCounter]]]:
    first = FakeLimitCounter(clock)
    tallies = [first, *(first.partner() for _ in range(number - 1))]
    throttles = [SharedThrottle(quota, tally, clock) for tally in tallies]
    for throttle in throttles:
        await throttle.start()
    await clock.advance(3.0)  # all have heard of all
    yield throttles, tallies
    for throttle in throttles:
        await throttle.aclose()


async def asked(throttle: SharedThrottle, key: str = "a") -> Allowance:
    return throttle.take(key) or await throttle.ask(key)


async def passed(throttle: SharedThrottle, times: int, key: str = "a") -> int:
    return sum([(await asked(throttle, key)).allowed for _ in range(times)])


async def test_t17_one_process_gives_out_the_limit_exactly(clock: ManualClock) -> None:
    """T17: with nobody to leave room for, there is no reserve."""
    async with processes(clock, 1) as ((one,), _):
        allowed = [await asked(one) for _ in range(1001)]

    assert [told.allowed for told in allowed] == [True] * 1000 + [False]
    assert allowed[0].remaining == 999
    assert (allowed[-1].remaining, allowed[-1].reset) == (0, 61)


async def test_t17_two_processes_share_the_limit(clock: ManualClock) -> None:
    """T17: whoever asks where; at most the share of the other stays unused."""
    async with processes(clock, 2) as ((one, two), _):
        total = 0
        for _ in range(1200):
            total += await passed(one, 1) + await passed(two, 1)
            await settle()

    assert 975 <= total <= 1000


async def test_t17_a_limit_too_small_to_divide_is_exact(clock: ManualClock) -> None:
    """T17: each request is asked for, so nothing is kept back."""
    async with processes(clock, 3, Quota(requests=5, seconds=60)) as (throttles, _):
        total = 0
        for _ in range(3):
            for throttle in throttles:
                total += await passed(throttle, 1)

    assert total == 5


async def test_an_ordinary_request_asks_nobody(clock: ManualClock) -> None:
    """The answer is there at once, and what passed is told once a second in one question."""
    async with processes(clock, 2) as ((one, _), (tally, _two)):
        await clock.advance(61.0)
        before = tally.asked
        told = [one.take(f"client{number}") for number in range(100)]
        at_once = tally.asked
        await clock.advance(1.0)

        assert None not in told
        assert (at_once - before, tally.asked - at_once) == (0, 1)


async def test_what_one_tells_the_other_hears_when_it_matters(clock: ManualClock) -> None:
    """A process that never saw a client refuses it as soon as it has used up its own share."""
    async with processes(clock, 2) as ((one, two), _):
        await clock.advance(61.0)
        used = await passed(one, 1100)
        more = await passed(two, 1100)

    assert used == 975
    assert more == 25


def untold(throttle: SharedThrottle) -> int:
    """Let requests pass until one would have to ask, and return how many did."""
    return next(number for number in range(1_000) if throttle.take("a") is None)


async def test_t17_never_is_more_than_the_share_untold(clock: ManualClock) -> None:
    """T17: what was sent and not yet answered counts as untold; an answer settles what it was asked with, no more."""
    async with processes(clock, 2) as ((one, _), (tally, _two)):
        await clock.advance(61.0)
        tally.lag(0.010)
        first = [one.take("a") for _ in range(13)]  # so many are told of soon: the answer comes in 10 ms
        await clock.advance(0.005)
        more = untold(one)
        await clock.advance(0.006)
        after = untold(one)
        tally.heal()

    assert None not in first
    assert (more, after) == (12, 13)


async def test_t17_while_it_asks_nothing_passes_untold(clock: ManualClock) -> None:
    """T17: the server grants what leaves room for the others, and takes it that the one who asks has told all."""
    async with processes(clock, 2) as ((one, _), (tally, _two)):
        await clock.advance(61.0)
        tally.lag(0.010)
        for _ in range(13):
            one.take("a")
        await clock.advance(0.005)
        untold(one)
        question = asyncio.create_task(one.ask("a"))
        await clock.advance(0.006)  # the answer of before is here
        during = untold(one)
        await clock.advance(0.010)
        tally.heal()

        assert (await question).allowed
        assert (during, untold(one)) == (0, 25)


async def test_t17_a_process_that_joins_asks_before_it_lets_anybody_pass(clock: ManualClock) -> None:
    """T17: a restart forgives nobody."""
    async with processes(clock, 1) as ((one,), (tally,)):
        await passed(one, 1000)
        late = SharedThrottle(LIMIT, tally.partner(), clock)
        await late.start()

        assert await passed(late, 10) == 0
        await late.aclose()


async def test_t17_a_process_that_joins_has_no_share_until_all_know_of_it(clock: ManualClock) -> None:
    """T17: for two seconds the others may still have what will be its own."""
    async with processes(clock, 1) as ((one,), (tally,)):
        late = SharedThrottle(LIMIT, tally.partner(), clock)
        await late.start()
        await late.ask("a")
        at_once = late.take("a")
        await clock.advance(2.1)
        then = late.take("a")
        await late.aclose()

    assert one.quota is LIMIT
    assert at_once is None
    assert then is not None


async def test_a_client_that_others_brought_to_its_limit_is_refused_without_a_question(
    clock: ManualClock,
) -> None:
    """O8: one question is enough to learn until when."""
    async with processes(clock, 2) as ((one, two), (_, tally)):
        await passed(one, 1000)
        first = await asked(two)
        before = tally.asked
        refused = [two.take("a") for _ in range(100)]
        questions = tally.asked - before

    assert not first.allowed
    assert questions == 0
    assert {told and (told.allowed, told.remaining, told.reset) for told in refused} == {
        (False, 0, first.reset)
    }


async def test_a_client_at_its_limit_is_refused_without_a_question(clock: ManualClock) -> None:
    """O8: until the moment that the server named."""
    async with processes(clock, 1) as ((one,), (tally,)):
        await passed(one, 1001)
        before = tally.asked
        refused = [one.take("a") for _ in range(100)]
        questions = tally.asked - before
        await clock.advance(62.0)
        after = await asked(one)

    assert questions == 0
    assert all(told is not None and not told.allowed for told in refused)
    assert after.allowed


async def test_k1_a_tally_that_hangs_costs_one_time_out(clock: ManualClock) -> None:
    """K1: after it the process decides alone, up to the limit and no further."""
    async with processes(clock, 1, Quota(requests=5, seconds=60)) as ((one,), (tally,)):
        tally.hang()
        began = clock.now()
        first = await clock.run(asked(one))
        waited = clock.now() - began
        allowed = [one.take("a") for _ in range(5)]

        assert first.allowed
        assert waited == pytest.approx(0.02)
        assert [told is not None and told.allowed for told in allowed] == [True] * 4 + [False]
        assert repr(one) == "<SharedThrottle 5/60 s, alone, 1 clients>"
        tally.heal()


async def test_k2_a_tally_that_returns_is_used_again(clock: ManualClock) -> None:
    """K2: within a second, found by the background task; nothing is trusted that was heard before."""
    async with processes(clock, 2, Quota(requests=100, seconds=60)) as ((one, two), (tally, _)):
        await asked(one)
        tally.fail()
        await clock.advance(1.1)
        alone = repr(one)
        tally.heal()
        await clock.advance(3.1)
        await passed(two, 200)

        assert "alone" in alone
        assert "one of 2" in repr(one)
        assert one.take("a") is None
        assert not (await asked(one)).allowed


async def test_a_tally_that_is_not_there_at_the_start_is_no_error(clock: ManualClock) -> None:
    """Each process then gives out the limit by itself."""
    tally = FakeLimitCounter(clock)
    tally.fail()
    throttle = SharedThrottle(Quota(requests=3, seconds=60), tally, clock)
    await throttle.start()
    allowed = [throttle.take("a") for _ in range(4)]
    await throttle.aclose()

    assert [told is not None and told.allowed for told in allowed] == [True, True, True, False]


async def test_what_is_untold_at_the_end_is_told(clock: ManualClock) -> None:
    """The next process to come finds it counted."""
    async with processes(clock, 1) as ((one,), (tally,)):
        await clock.advance(61.0)
        await passed(one, 7)
    late = SharedThrottle(LIMIT, tally, clock)
    await late.start()
    told = await asked(late)
    await late.aclose()

    assert told.remaining == 992


async def test_a_caller_who_gives_up_leaves_nothing_behind(clock: ManualClock) -> None:
    """X3: the question goes on at the server, and the next one is asked as before."""
    async with processes(clock, 1, Quota(requests=5, seconds=60)) as ((one,), (tally,)):
        tally.lag(0.01)
        task = asyncio.create_task(one.ask("a"))
        await settle()
        task.cancel()
        await asyncio.wait([task])
        tally.heal()

        assert (await asked(one)).remaining == 3


moves = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 40), st.sampled_from([0.0, 0.001, 0.01, 0.5, 3.0, 20.0])),
    max_size=40,
)


@given(moves, st.sampled_from([7, 60, 400]), st.sampled_from([0.0, 0.004, 0.015]))
async def test_t17_no_window_holds_more_than_the_limit_over_all_processes(
    bursts: list[tuple[int, int, float]], limit: int, lag: float
) -> None:
    """T17: three processes whose questions are slow, in any order, bursts at once; against a list of time stamps."""
    clock = ManualClock()
    stamps: list[float] = []

    async def one_request(throttle: SharedThrottle) -> None:
        if (await asked(throttle)).allowed:
            stamps.append(clock.now())

    async with processes(clock, 3, Quota(requests=limit, seconds=10)) as (throttles, tallies):
        under_way: list[asyncio.Task[None]] = []
        for number, (tally, delay) in enumerate(zip(tallies, (lag, 0.0, lag / 2), strict=True)):
            tally.lag(delay * (number + 1) / 3)
        for which, times, pause in bursts:
            under_way += [asyncio.create_task(one_request(throttles[which])) for _ in range(times)]
            await clock.advance(pause)
        await clock.advance(0.1)
        await asyncio.gather(*under_way)
        for tally in tallies:
            tally.heal()

    for begin in stamps:
        assert sum(begin <= moment < begin + 10.0 for moment in stamps) <= limit


async def test_t17_what_passed_while_the_server_was_away_counts_on(clock: ManualClock) -> None:
    """T17, contract 17: the server never hears of it, and whoever spent the limit alone has none left at its return."""
    async with processes(clock, 2, Quota(requests=20, seconds=60)) as (throttles, tallies):
        for tally in tallies:
            tally.fail()
        alone = [await passed(throttle, 30) for throttle in throttles]
        for tally in tallies:
            tally.heal()
        await clock.advance(3.0)
        after = [await passed(throttle, 5) for throttle in throttles]

    assert (alone, after) == ([20, 20], [0, 0])


@settings(max_examples=25)
@given(
    st.integers(1, 2),
    st.sampled_from([(10, 60), (40, 10), (3, 1)]),
    st.floats(0.0, 1.0),
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.01, 0.3, 1.7])), min_size=1, max_size=20),
)
@example(1, (3, 1), 0.0, [(0, 0.0), (0, 0.0), (0, 0.01)])  # waits until the very beginning of a bucket
async def test_h11_whoever_waits_as_told_is_admitted_whatever_the_servers_clock_says(
    number: int, rate: tuple[int, int], ahead: float, steps: list[tuple[int, float]]
) -> None:
    """H11, T17: its buckets begin at other moments than ours, and some of what counts it has not been told yet."""
    clock, quota = ManualClock(), Quota(requests=rate[0], seconds=rate[1])
    first = FakeLimitCounter(clock, ahead=ahead * quota.seconds)
    tallies = [first, *(first.partner() for _ in range(number - 1))]
    throttles = [SharedThrottle(quota, tally, clock) for tally in tallies]
    for throttle in throttles:
        await throttle.start()
    await clock.advance(3.0 + 2 * quota.seconds)

    for which, pause in steps * 8:
        told = await asked(throttles[which % number])
        await settle()
        if not told.allowed:
            await clock.advance(told.reset)
            assert (await asked(throttles[(which + 1) % number])).allowed
        await clock.advance(pause)

    for throttle in throttles:
        await throttle.aclose()


class Odd(FakeLimitCounter):
    """Answers in a way that nobody foresaw, until told otherwise."""

    odd = False

    async def sync(
        self, spent: Mapping[str, int], terms: SharedLimit, /, *, want: bool = False
    ) -> tuple[int, list[ClientCount]]:
        if self.odd:
            raise OverflowError("cannot convert float infinity to integer")
        return await super().sync(spent, terms, want=want)


async def test_f1_an_answer_that_nobody_foresaw_is_an_outage_that_ends(clock: ManualClock) -> None:
    """F1: no request fails of it, and the process shares the limit again afterwards."""
    tally = Odd(clock)
    throttle = SharedThrottle(LIMIT, tally, clock)
    await throttle.start()
    tally.odd = True
    alone = await throttle.ask("a")
    await clock.advance(5.0)
    during = repr(throttle)
    tally.odd = False
    await clock.advance(0.5)

    assert alone.allowed
    assert "alone" in during
    assert "one of 1" in repr(throttle)
    await throttle.aclose()


async def test_t17_what_passed_alone_counts_where_the_server_answers_after_all(clock: ManualClock) -> None:
    """T17: questions under way as the server fails are answered late, and by then the limit of a process is used up."""
    async with processes(clock, 2, Quota(requests=10, seconds=60)) as ((one, _), (tally, _two)):
        tally.lag(0.010)
        asking = [asyncio.ensure_future(asked(one)) for _ in range(10)]
        await settle()
        tally.fail()
        alone = await passed(one, 30)
        await clock.advance(0.011)
        late = [await one for one in asking]
        tally.heal()

    assert alone + sum(one.allowed for one in late) == 10
    assert all(one.reset >= 1 for one in late)


class Asleep(ManualClock):
    """The clock of a process that can be stopped: nothing of it runs until some time after it goes on."""

    def wake(self, seconds: float) -> None:
        self._now += seconds


async def test_t17_a_process_that_was_stopped_passes_nothing_untold(clock: ManualClock) -> None:
    """T17: the others have taken it for gone, and given out its share as well (SIGSTOP, a machine that is moved)."""
    own, first = Asleep(), FakeLimitCounter(clock)
    one, two = SharedThrottle(LIMIT, first, own), SharedThrottle(LIMIT, first.partner(), clock)
    await one.start()
    await two.start()
    for _ in range(65):
        await clock.advance(1.0)
        await own.advance(1.0)
    awake = one.take("b") is not None
    await clock.advance(12.0)
    used = await passed(two, 1_100)
    own.wake(12.0)
    more = await passed(one, 100)
    untold = one.take("c")
    await one.aclose()
    await two.aclose()

    assert awake
    assert (used, more) == (1_000, 0)
    assert untold is None


async def test_t17_a_process_that_is_back_has_its_share_again(clock: ManualClock) -> None:
    """T17: as soon as the others have heard of it."""
    own, first = Asleep(), FakeLimitCounter(clock)
    one, two = SharedThrottle(LIMIT, first, own), SharedThrottle(LIMIT, first.partner(), clock)
    await one.start()
    await two.start()
    await clock.advance(12.0)
    own.wake(12.0)
    for _ in range(65):
        await clock.advance(1.0)
        await own.advance(1.0)
    told = one.take("b")
    await one.aclose()
    await two.aclose()

    assert told is not None


async def test_t17_who_has_come_to_the_limit_gains_nothing_by_a_late_answer(clock: ManualClock) -> None:
    """T17: a server that is in time now and then would else give each process's limit out, over and over."""
    async with processes(clock, 2) as ((one, two), (_one, tally)):
        await clock.advance(61.0)
        used = await passed(one, 1_100) + await passed(two, 1_100)
        tally.fail()
        await clock.advance(1.0)  # by now it has been noticed
        refused = await asked(two)
        alone = [await asked(two) for _ in range(50)]
        told = two.refusal("a")
        await clock.advance(refused.reset)
        later = await passed(two, 1_100)
        tally.heal()

    assert used == 1_000
    assert not any(one.allowed for one in (refused, *alone))
    assert told is not None
    assert later == 1_000
