"""One attempt's time-out: whose lateness it was, and what cannot work at all."""

import math

import pytest

from stagedoor._call import Env
from stagedoor._deadline import NEVER, DueTime
from stagedoor.errors import ConfigError, UpstreamTimeout
from stagedoor.policies._deadline import Deadline
from stagedoor.policies._retry import Retry
from stagedoor.policies._timeout import Timeout, check_attempts, repeatable
from stagedoor.testing import ManualClock, ScriptedTransport, call_of


def blame(attempt: float, whole: float, now: float, *, said: bool = False) -> bool:
    error = UpstreamTimeout("users.get", retryable=said)
    return repeatable(error, DueTime(attempt), DueTime(whole), now)


def test_only_the_attempt_was_late() -> None:
    """80 of 180 ms are gone: there is time to ask again."""
    assert blame(attempt=1.08, whole=1.18, now=1.08)


def test_the_whole_call_was_late() -> None:
    """The attempt ended because the deadline did, even if the loop woke a millisecond early."""
    assert not blame(attempt=1.18, whole=1.18, now=1.179)


def test_an_attempt_seen_to_be_late_only_after_the_deadline_is_not_repeated() -> None:
    """A blocked loop may notice both at once."""
    assert not blame(attempt=1.08, whole=1.18, now=1.2)


def test_d7_a_late_connection_may_be_tried_again_while_there_is_time() -> None:
    """D7: the transport's own limits say retryable, whichever deadline is sooner."""
    assert blame(attempt=1.18, whole=1.18, now=1.05, said=True)


async def test_an_attempt_gets_its_own_sooner_deadline(env: Env, clock: ManualClock) -> None:
    """The transport keeps it; the error may be repeated."""
    script = ScriptedTransport[int, str](clock).hangs()
    send = Timeout(attempt=0.08).wrap(script.send, env)
    with pytest.raises(UpstreamTimeout) as caught:
        await clock.run(send(call_of(1, deadline=DueTime(1000.18))))

    assert caught.value.retryable
    assert script.calls == [call_of(1, deadline=DueTime(1000.08))]
    assert clock.now() == 1000.08


async def test_an_attempt_never_gets_more_than_the_call_has(env: Env, clock: ManualClock) -> None:
    """D1: a deadline is never lengthened; what it cut is not repeated."""
    script = ScriptedTransport[int, str](clock).hangs()
    send = Timeout(attempt=0.08).wrap(script.send, env)
    with pytest.raises(UpstreamTimeout) as caught:
        await clock.run(send(call_of(1, deadline=DueTime(1000.03))))

    assert not caught.value.retryable
    assert clock.now() == 1000.03


async def test_an_answer_in_time_passes(env: Env, clock: ManualClock) -> None:
    """The policy costs a call nothing but its deadline."""
    script = ScriptedTransport[int, str](clock).after(0.05, "Ann")

    assert await clock.run(Timeout(attempt=0.08).wrap(script.send, env)(call_of(1))) == "Ann"


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan])
def test_an_attempt_needs_a_length(seconds: float) -> None:
    """The error names the field."""
    with pytest.raises(ConfigError, match=r"Timeout\(attempt="):
        Timeout(attempt=seconds)


@pytest.mark.parametrize("attempt", [0.18, 0.2])
def test_d3_an_attempt_as_long_as_the_deadline_is_refused(attempt: float) -> None:
    """D3: a late attempt could never be repeated; the error says where and how long."""
    with pytest.raises(
        ConfigError, match=r"users: Timeout\(attempt=0\.\d+\) must be below the deadline of 0\.18 s"
    ):
        check_attempts((Retry(), Timeout(attempt=attempt)), 0.18, "users")


def test_d3_a_limit_in_the_stack_counts_as_its_deadline() -> None:
    """D3: Within narrows what the route allows."""
    with pytest.raises(ConfigError, match=r"deadline of 0\.1 s"):
        check_attempts((Deadline(limit=0.1), Timeout(attempt=0.1)), 0.18, "users")


def test_d3_a_stack_that_can_repeat_passes() -> None:
    """D3: shorter attempts, no limit, no attempt time-out at all: all of these can work."""
    check_attempts((Deadline(), Timeout(attempt=0.08)), 0.18, "users")
    check_attempts((Deadline(limit=0.1), Retry()), NEVER.at, "users")
