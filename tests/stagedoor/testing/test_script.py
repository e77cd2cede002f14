"""The scripted transport keeps the contract of every transport, and remembers."""

import asyncio

import pytest

from stagedoor._call import Call, Transport
from stagedoor._deadline import DueTime
from stagedoor._requests import HttpRequest
from stagedoor.errors import UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from stagedoor.testing import ManualClock, ScriptedTransport, call_of, settle


async def test_each_call_takes_the_next_step_and_the_last_one_repeats(clock: ManualClock) -> None:
    """A script is read from the top."""
    script = ScriptedTransport[int, str](clock).then("a", "b")

    assert [await script.send(call_of(payload)) for payload in (1, 2, 3)] == ["a", "b", "b"]
    assert [call.payload for call in script.calls] == [1, 2, 3]


async def test_answers_and_failures_take_the_time_the_script_says(clock: ManualClock) -> None:
    """Time is the clock's, so a test never waits."""
    script = (
        ScriptedTransport[int, str](clock)
        .after(0.5, "a")
        .fails(UpstreamRejected, retryable=False, after=0.25)
    )
    value = await clock.run(script.send(call_of(1)))
    with pytest.raises(UpstreamRejected) as caught:
        await clock.run(script.send(call_of(1)))

    assert (value, clock.now()) == ("a", 1000.75)
    assert (caught.value.operation, caught.value.retryable) == ("users.get", False)


async def test_an_error_given_as_an_object_is_raised_as_that_object(clock: ManualClock) -> None:
    """So that a test can compare by identity."""
    error = UpstreamUnavailable("users.get", "reset")
    with pytest.raises(UpstreamUnavailable) as caught:
        await ScriptedTransport[int, str](clock).fails(error).send(call_of(1))

    assert caught.value is error


async def test_an_answer_may_be_made_of_the_call(clock: ManualClock) -> None:
    """One script can answer many different calls."""

    def double(call: Call[int]) -> int:
        return call.payload * 2

    script = ScriptedTransport[int, int](clock).does(double)

    assert [await script.send(call_of(payload)) for payload in (1, 21)] == [2, 42]


@pytest.mark.parametrize("steps", ["hangs", "slow"])
async def test_d1_it_ends_by_the_calls_deadline(clock: ManualClock, steps: str) -> None:
    """Like every transport; the error is not retryable, since it was not an attempt's own limit."""
    script = ScriptedTransport[int, str](clock)
    script = script.hangs() if steps == "hangs" else script.after(9.0, "late")
    with pytest.raises(UpstreamTimeout) as caught:
        await clock.run(script.send(call_of(1, deadline=DueTime(1000.1))))

    assert not caught.value.retryable
    assert (clock.now(), script.active, clock.pending()) == (1000.1, 0, 0)


async def test_d4_a_deadline_that_has_passed_needs_no_waiting(clock: ManualClock) -> None:
    """Even an answer that would be there at once is too late."""
    with pytest.raises(UpstreamTimeout):
        await ScriptedTransport[int, str](clock).then("a").send(call_of(1, deadline=DueTime(1000.0)))


async def test_x1_a_cancelled_call_leaves_nothing_and_is_counted(clock: ManualClock) -> None:
    """The upstream of a real transport would see it, too."""
    script = ScriptedTransport[int, str](clock).after(1.0, "a")
    tasks = [
        asyncio.create_task(script.send(call_of(payload, deadline=DueTime(1009.0)))) for payload in (1, 2)
    ]
    await settle()
    tasks[0].cancel()
    await settle()
    during = (script.active, script.peak, script.cancelled)
    await clock.advance(1.0)

    assert during == (1, 2, 1)
    assert (script.active, clock.pending(), tasks[1].result()) == (0, 0, "a")


async def test_an_empty_script_is_a_mistake_of_the_test(clock: ManualClock) -> None:
    """It says which call nobody thought of."""
    with pytest.raises(AssertionError, match=r"users\.get: the script says nothing"):
        await ScriptedTransport[int, str](clock).send(call_of(1))


async def test_keys_and_idempotence_are_those_of_the_protocol(clock: ManualClock) -> None:
    """T6: equal only for requests that upstream cannot tell apart; a POST is not safe to repeat."""
    http: Transport[HttpRequest, str] = ScriptedTransport[HttpRequest, str](clock)
    requests = [
        HttpRequest(target=b"/1"),
        HttpRequest(target=b"/2"),
        HttpRequest(method="POST", target=b"/1"),
    ]
    plain = ScriptedTransport[int, str](clock)

    assert len({http.key_of(request) for request in requests}) == 3
    assert [http.idempotent(request) for request in requests] == [True, True, False]
    assert (plain.key_of(1), plain.idempotent(1)) == (b"1", True)


async def test_a_script_shows_its_state(clock: ManualClock) -> None:
    """And whether somebody closed it."""
    script = ScriptedTransport[int, str](clock).then("a")
    await script.send(call_of(1))
    await script.aclose()

    assert repr(script) == "<Script 1 calls, 0 active>"
    assert script.closed
