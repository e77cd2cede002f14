"""Policies round any function."""

import asyncio

import pytest

from stagedoor import NotFound, Problem
from stagedoor._call import Env
from stagedoor.errors import CircuitOpen, UpstreamUnavailable
from stagedoor.policies import circuit_breaker, retry
from stagedoor.testing import ManualClock


class Flaky:
    """Fails so many times with an error, then returns."""

    def __init__(self, times: int, error: Exception) -> None:
        self.times = times
        self.error = error
        self.calls = 0

    async def call(self, value: int) -> int:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return value


async def test_a_function_that_fails_for_a_moment_is_repeated(env: Env, clock: ManualClock) -> None:
    """Whatever its library raises."""
    flaky = Flaky(1, OSError("gone"))
    rates = retry(env=env, attempts=2)(flaky.call)

    assert await clock.run(rates(7)) == 7
    assert flaky.calls == 2


async def test_the_last_failure_is_the_functions_own(env: Env, clock: ManualClock) -> None:
    """Who calls it knows its errors, not the kit's."""
    flaky = Flaky(9, OSError("gone"))

    with pytest.raises(OSError, match="gone"):
        await clock.run(retry(env=env, attempts=3)(flaky.call)(7))

    assert flaky.calls == 3


async def test_a_mistake_in_the_code_is_not_repeated(env: Env, clock: ManualClock) -> None:
    """It would be the same mistake again."""
    flaky = Flaky(9, TypeError("str"))

    with pytest.raises(TypeError, match="str"):
        await clock.run(retry(env=env)(flaky.call)(7))

    assert flaky.calls == 1


async def test_c7_an_answer_that_a_function_raises_is_no_failure(env: Env, clock: ManualClock) -> None:
    """C7: five who asked for what there is not had closed it to everybody; and a probe that hears so finds it back."""
    away, lacking = OSError("away"), NotFound()
    flaky = Flaky(12, lacking)
    found = circuit_breaker(env=env, consecutive=2)(retry(env=env)(flaky.call))
    for error in (*[lacking] * 5, away, away, lacking, away):
        flaky.error = error
        await clock.advance(1.0)
        with pytest.raises(type(error)):
            await clock.run(found(7))

    assert flaky.calls == 5 + 2 * 2 + 1 + 2
    flaky.times = 0
    assert await found(7) == 7  # one failure alone: it had been closed


async def test_a_problem_of_the_functions_own_is_a_failure(env: Env, clock: ManualClock) -> None:
    """From 500 on it says so itself."""
    flaky = Flaky(1, Problem(503, "the bank is away"))

    assert await clock.run(retry(env=env)(flaky.call)(7)) == 7
    assert flaky.calls == 2


async def test_an_error_of_the_kit_says_itself_whether_it_may_be_repeated(
    env: Env, clock: ManualClock
) -> None:
    """A function may be made of services."""
    flaky = Flaky(9, UpstreamUnavailable("users.get", retryable=False))

    with pytest.raises(UpstreamUnavailable):
        await clock.run(retry(env=env)(flaky.call)(7))

    assert flaky.calls == 1


async def test_a_breaker_opens_round_a_function(env: Env, clock: ManualClock) -> None:
    """Decorators stack; what is refused is not called."""
    flaky = Flaky(9, OSError("gone"))
    guarded = circuit_breaker(env=env, consecutive=2, max_wait=0.0)(flaky.call)

    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            await guarded(7)
    with pytest.raises(CircuitOpen):
        await guarded(7)

    assert flaky.calls == 2


async def test_a_failure_keeps_its_own_cause(env: Env) -> None:
    """It was taken away, and with it the only line of the traceback that says what went wrong."""

    @retry(env=env, attempts=1)
    async def rates() -> int:
        raise ValueError("no rates") from KeyError("EUR")

    with pytest.raises(ValueError, match="no rates") as caught:
        await rates()

    assert isinstance(caught.value.__cause__, KeyError)


def test_a_decorated_function_keeps_its_name_and_runs_on_the_real_clock() -> None:
    """Without an Env of one's own it is the process's clock and chance."""

    @retry(attempts=2, base=0.0, cap=0.0)
    async def rates(value: int) -> int:
        """Return rates."""
        return await flaky.call(value)

    flaky = Flaky(1, OSError("gone"))

    assert asyncio.run(_asked(rates, 3)) == 3
    assert rates.__name__ == "rates"


async def _asked(function: object, value: int) -> object:
    assert callable(function)
    return await function(value)
