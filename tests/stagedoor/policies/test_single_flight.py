"""Flights: one call for many, and nobody takes it away from the others."""

import asyncio
import traceback
from dataclasses import replace

import pytest

from stagedoor import _context as context
from stagedoor._call import Call, Env
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import LATE, DueTime, TimeoutScope
from stagedoor._events import CallJoined
from stagedoor.errors import UpstreamTimeout, UpstreamUnavailable
from stagedoor.policies._single_flight import SingleFlight, SingleFlightSend
from stagedoor.testing import Events, ManualClock, ScriptedTransport, call_of, settle

AT_REST = {"flights": 0}


def flights(
    script: ScriptedTransport[int, str], env: Env, rule: SingleFlight | None = None
) -> SingleFlightSend[int, str]:
    return (rule or SingleFlight()).wrap(script.send, env)


async def together(send: SingleFlightSend[int, str], calls: list[Call[int]]) -> list[asyncio.Task[str]]:
    tasks = [asyncio.create_task(send(call)) for call in calls]
    await settle()
    return tasks


async def test_k4_a_thousand_equal_calls_are_one(env: Env, clock: ManualClock, events: Events) -> None:
    """K4: 1,000 concurrent misses make one upstream call."""
    script = ScriptedTransport[int, str](clock).after(0.1, "Ann")
    send = flights(script, env)
    tasks = await together(send, [call_of(1)] * 1000)
    await clock.advance(0.1)

    assert {task.result() for task in tasks} == {"Ann"}
    assert len(script.calls) == 1
    assert events == [CallJoined("users.get")] * 999
    assert dict(send.counts()) == AT_REST


@pytest.mark.parametrize(
    "other",
    [
        replace(call_of(1), identity="eve"),
        replace(call_of(1), key=b"other"),
        replace(call_of(1), operation="users.list"),
    ],
    ids=["identity", "key", "operation"],
)
async def test_calls_that_differ_are_never_joined(env: Env, clock: ManualClock, other: Call[int]) -> None:
    """Never two identities, whatever the payload: what one may see is not for the other."""
    script = ScriptedTransport[int, str](clock).after(0.1, "for one").after(0.1, "for the other")
    send = flights(script, env)
    tasks = await together(send, [call_of(1), other])
    await clock.advance(0.1)

    assert [task.result() for task in tasks] == ["for one", "for the other"]


async def test_what_is_not_idempotent_is_never_joined(env: Env, clock: ManualClock) -> None:
    """Two equal orders are two orders."""
    script = ScriptedTransport[int, str](clock).after(0.1, "ordered")
    tasks = await together(flights(script, env), [call_of(1, idempotent=False)] * 2)
    await clock.advance(0.1)

    assert len(script.calls) == 2
    await asyncio.gather(*tasks)


async def test_calls_one_after_the_other_are_not_joined(env: Env, clock: ManualClock) -> None:
    """A flight is no cache."""
    script = ScriptedTransport[int, str](clock).then("Ann", "Bob")
    send = flights(script, env)

    assert [await send(call_of(1)), await send(call_of(1))] == ["Ann", "Bob"]


async def test_k4_one_failure_is_for_all_and_nobody_tries_again(env: Env, clock: ManualClock) -> None:
    """K4: followers get the error once; a thousand retries would be the herd that this policy is against."""
    error = UpstreamUnavailable("users.get", "reset", retryable=True)
    script = ScriptedTransport[int, str](clock).fails(error, after=0.1)
    send = flights(script, env)
    tasks = await together(send, [call_of(1)] * 100)
    await clock.advance(0.1)

    assert {task.exception() for task in tasks} == {error}
    assert len(script.calls) == 1
    assert dict(send.counts()) == AT_REST


async def test_a_shared_error_does_not_collect_the_frames_of_all_who_share_it(
    env: Env, clock: ManualClock
) -> None:
    """Its traceback tells where it came from and the way of one waiter, not of a hundred."""
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout, after=0.1)
    tasks = await together(flights(script, env), [call_of(1)] * 100)
    await clock.advance(0.1)
    errors = [task.exception() for task in tasks]

    assert errors[-1] is not None
    assert len(traceback.extract_tb(errors[-1].__traceback__)) < 10


async def test_a_bug_inside_reaches_everybody_as_itself(env: Env, clock: ManualClock) -> None:
    """X5: no wrapping, no waiting until the deadline."""

    def bug(call: Call[int]) -> str:
        raise ZeroDivisionError

    script = ScriptedTransport[int, str](clock).does(bug, 0.1)
    tasks = await together(flights(script, env), [call_of(1)] * 2)
    await clock.advance(0.1)

    assert [type(task.exception()) for task in tasks] == [ZeroDivisionError] * 2


async def test_k4_the_first_caller_may_leave(env: Env, clock: ManualClock) -> None:
    """K4: leader cancelled, the work goes on."""
    script = ScriptedTransport[int, str](clock).after(0.1, "Ann")
    send = flights(script, env)
    leader, follower = await together(send, [call_of(1)] * 2)
    leader.cancel()
    await clock.advance(0.1)

    assert (leader.cancelled(), follower.result()) == (True, "Ann")
    assert (len(script.calls), script.cancelled) == (1, 0)


async def test_d6_when_the_last_one_left_the_flight_is_cancelled(env: Env, clock: ManualClock) -> None:
    """D6: nobody wants the answer any more; a newcomer starts anew."""
    script = ScriptedTransport[int, str](clock).hangs().then("Ann")
    send = flights(script, env)
    tasks = await together(send, [call_of(1)] * 3)
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)
    counts = dict(send.counts())
    newcomer = await together(send, [call_of(1)])

    assert (counts, script.cancelled, script.active) == (AT_REST, 1, 0)
    assert newcomer[0].result() == "Ann"


async def test_d6_a_flight_that_ends_slowly_takes_nothing_from_its_successor(
    env: Env, clock: ManualClock
) -> None:
    """The cancelled one still cleans up when a newcomer has started anew under the same key."""

    async def lingering(call: Call[int]) -> str:
        try:
            await clock.sleep(10)
        except asyncio.CancelledError:
            await clock.sleep(1)
            raise
        return "Ann"

    send = SingleFlight().wrap(lingering, env)
    [gone] = await together(send, [call_of(1)])
    gone.cancel()
    await settle()
    [newcomer] = await together(send, [call_of(1)])
    await clock.advance(2)
    counts = dict(send.counts())
    await clock.advance(10)

    assert counts == {"flights": 1}
    assert newcomer.result() == "Ann"


async def test_each_waits_no_longer_than_its_own_deadline(env: Env, clock: ManualClock) -> None:
    """D1: an impatient follower leaves; the others get their answer."""
    script = ScriptedTransport[int, str](clock).after(0.1, "Ann")
    calls = [call_of(1, deadline=DueTime(at)) for at in (1000.2, 1000.05)]
    patient, impatient = await together(flights(script, env), calls)
    await clock.advance(0.05)
    early = impatient.exception()
    await clock.advance(0.06)

    assert isinstance(early, UpstreamTimeout)
    assert not early.retryable
    assert patient.result() == "Ann"
    assert clock.pending() == 0


async def test_d5_a_flight_keeps_the_routes_deadline(env: Env, clock: ManualClock) -> None:
    """D5: the first caller's impatience must not cut the others off; inside, nothing is shortened."""
    script = ScriptedTransport[int, str](clock).after(0.1, "Ann")
    send = flights(script, env)
    inside: list[RequestContext] = []

    async def spy(call: Call[int]) -> str:
        inside.append(context.current())
        return await script.send(call)

    send = SingleFlight().wrap(spy, env)

    async def impatient() -> str:
        context.enter(RequestContext(deadline=DueTime(1000.05), route_deadline=DueTime(1000.18)))
        return await send(call_of(1, deadline=DueTime(1000.05)))

    first = asyncio.ensure_future(impatient())
    await settle()
    [second] = await together(send, [call_of(1, deadline=DueTime(1000.18))])
    await clock.advance(0.1)

    assert isinstance(first.exception(), UpstreamTimeout)
    assert second.result() == "Ann"
    assert script.calls[0].deadline == DueTime(1000.18)
    assert (inside[0].deadline, inside[0].route_deadline) == (DueTime(1000.18), None)


@pytest.mark.parametrize(
    ("later", "calls"), [(1000.05, 1), (1000.29, 1), (1000.8, 2)], ids=["as short", "a little", "much"]
)
async def test_d5_whose_time_is_not_over_goes_on_without_who_began(
    env: Env, clock: ManualClock, later: float, calls: int
) -> None:
    """D5: a part with little time left began a call, and who joined it with much was refused with it."""
    script = ScriptedTransport[int, str](clock).hangs().after(0.2, "Ann")

    async def within(call: Call[int]) -> str:
        with TimeoutScope(clock, call.deadline):
            return await script.send(call)

    async def keeping(call: Call[int]) -> str:
        try:
            return await within(call)
        except TimeoutError as error:
            raise UpstreamTimeout(call.operation) from error

    send = SingleFlight().wrap(keeping, env)
    deadlines = [1000.2, *([later] * 3)]
    short, *others = await together(send, [call_of(1, deadline=DueTime(at)) for at in deadlines])
    await clock.advance(0.2)
    await clock.advance(0.7)

    assert isinstance(short.exception(), UpstreamTimeout)
    assert [one.result() if one.exception() is None else "late" for one in others] == [
        "Ann" if calls == 2 else "late"
    ] * 3
    assert len(script.calls) == calls
    assert dict(send.counts()) == AT_REST


@pytest.mark.parametrize(("route_deadline", "message"), [(None, (LATE,)), (DueTime(1009.0), ())])
async def test_d5_the_flight_learns_why_its_last_waiter_left(
    env: Env, clock: ManualClock, route_deadline: DueTime | None, message: tuple[str, ...]
) -> None:
    """D5: late by the route's own measure is the upstream's fault; late for an impatient caller is not."""
    seen: list[tuple[object, ...]] = []

    async def deaf(call: Call[int]) -> str:
        try:
            await clock.sleep(60)
        except asyncio.CancelledError as error:
            seen.append(error.args)
            raise
        return "too late"

    send = SingleFlight().wrap(deaf, env)

    async def caller() -> None:
        context.enter(RequestContext(route_deadline=route_deadline))
        with pytest.raises(UpstreamTimeout):
            await send(call_of(1, deadline=DueTime(1000.1)))

    await clock.run(caller())
    await settle()

    assert seen == [message]


async def test_a_guard_outside_tells_the_flight_that_it_was_late(env: Env, clock: ManualClock) -> None:
    """The same moment, noticed first by a guard round the caller: still lateness, not a caller who left."""
    seen: list[tuple[object, ...]] = []

    async def deaf(call: Call[int]) -> str:
        try:
            await clock.sleep(60)
        except asyncio.CancelledError as error:
            seen.append(error.args)
            raise
        return "too late"

    send = SingleFlight().wrap(deaf, env)

    async def guarded() -> None:
        with pytest.raises(TimeoutError), TimeoutScope(clock, DueTime(1000.1)):
            await send(call_of(1))

    await clock.run(guarded())
    await settle()

    assert seen == [(LATE,)]


async def test_a_flight_is_made_in_its_first_callers_context(env: Env, clock: ManualClock) -> None:
    """Headers to forward, and the record of what was done, are the leader's."""
    record = Record()

    async def send_inside(call: Call[int]) -> str:
        context.current().record.calls += 1
        return context.current().request_id

    send = SingleFlight().wrap(send_inside, env)

    async def caller() -> str:
        context.enter(RequestContext(request_id="r1", record=record))
        return await send(call_of(1))

    assert await clock.run(caller()) == "r1"
    assert record.calls == 1


async def test_k5_an_answer_that_may_not_be_shared_sends_the_followers_themselves(
    env: Env, clock: ManualClock
) -> None:
    """K5: a private answer is for the one who asked."""
    script = (
        ScriptedTransport[int, str](clock)
        .after(0.1, "private: 1")
        .after(0.1, "private: 2")
        .after(0.1, "private: 3")
    )
    rule = SingleFlight(shareable=lambda value: not value.startswith("private"))
    tasks = await together(flights(script, env, rule), [call_of(1)] * 3)
    await clock.advance(0.2)

    assert [task.result() for task in tasks] == ["private: 1", "private: 2", "private: 3"]


async def test_who_gives_an_answer_hears_that_several_will_get_it(env: Env, clock: ManualClock) -> None:
    """K4: before the first of them has it; of an answer for one alone it hears nothing."""
    script = ScriptedTransport[int, str](clock).after(0.1, "one").after(0.1, "many")
    told: list[str] = []
    send = flights(script, env, SingleFlight(sharing=told.append))
    for callers in (1, 2):
        tasks = await together(send, [call_of(1)] * callers)
        await clock.advance(0.1)
        assert all(task.done() for task in tasks)

    assert told == ["many"]


async def test_x4_closing_ends_flights_and_waiters(env: Env, clock: ManualClock) -> None:
    """X4: background work is cancelled and awaited at shutdown, and nobody waits for what will not come."""
    script = ScriptedTransport[int, str](clock).hangs()
    send = flights(script, env)
    waiters = await together(send, [call_of(1), call_of(1), call_of(2)])
    await send.aclose()
    active = script.active
    await settle()

    assert (active, dict(send.counts())) == (0, AT_REST)
    assert [waiter.cancelled() for waiter in waiters] == [True] * 3


async def test_x4_closing_ends_a_flight_that_has_not_begun(env: Env, clock: ManualClock) -> None:
    """X1, X4: a task that is cancelled before its first turn runs nothing of it, nor what would wake its waiters."""
    script = ScriptedTransport[int, str](clock).hangs()
    send = flights(script, env)
    waiter = asyncio.ensure_future(send(call_of(1)))
    await asyncio.sleep(0)
    await send.aclose()
    await settle()

    assert (script.calls, dict(send.counts())) == ([], AT_REST)
    assert waiter.cancelled()


async def test_an_answer_in_the_tick_of_the_deadline_is_taken(env: Env, clock: ManualClock) -> None:
    """It is there: throwing it away helps nobody, and its waiter is woken once."""
    gate = asyncio.get_running_loop().create_future()
    clock.call_at(1000.1, lambda: gate.set_result("Ann"))

    async def gated(call: Call[int]) -> str:
        answer: str = await gate
        return answer

    [task] = await together(SingleFlight().wrap(gated, env), [call_of(1, deadline=DueTime(1000.1))])
    await clock.advance(0.1)

    assert task.result() == "Ann"


async def test_a_late_waiter_is_gone_when_the_answer_comes(env: Env, clock: ManualClock) -> None:
    """The deadline struck first: nobody is left, and the flight is cancelled although its answer is on the way."""
    [task] = await together(
        flights(ScriptedTransport[int, str](clock).after(0.1, "Ann"), env),
        [call_of(1, deadline=DueTime(1000.1))],
    )
    await clock.advance(0.1)

    assert isinstance(task.exception(), UpstreamTimeout)


async def test_flights_show_their_state(env: Env, clock: ManualClock) -> None:
    """How many flights, how many wait."""
    script = ScriptedTransport[int, str](clock).after(0.1, "Ann")
    send = flights(script, env)
    tasks = await together(send, [call_of(1), call_of(1), call_of(2)])
    shown = repr(send)
    await clock.advance(0.1)

    assert shown == "<SingleFlight 2 flights, 3 waiting>"
    await asyncio.gather(*tasks)


async def test_o8_a_flight_that_would_be_refused_is_not_begun(env: Env, clock: ManualClock) -> None:
    """O8: the refusal costs no task and no turn of the loop; who joins a flight under way passes no gate."""
    open_to = [True, False]

    def gate(call: Call[int]) -> None:
        if not open_to.pop(0):
            raise UpstreamUnavailable(call.operation)

    script = ScriptedTransport[int, str](clock).after(0.1, "Ann")
    send = flights(script, env, SingleFlight(gate=gate))
    tasks = await together(send, [call_of(1), call_of(1)])
    refused = send(replace(call_of(1), key=b"other"))
    with pytest.raises(UpstreamUnavailable):
        refused.send(None)
    await clock.advance(0.1)

    assert [task.result() for task in tasks] == ["Ann", "Ann"]
    assert dict(send.counts()) == AT_REST
