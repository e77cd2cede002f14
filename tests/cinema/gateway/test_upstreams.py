"""The composition of the remotes, pinned: what an operator sets is what they do."""

from typing import Any

import pytest

from cinema.gateway.app import build
from cinema.settings import Settings
from stagedoor._call import Env
from stagedoor._requests import HttpRequest
from stagedoor._upstream import Upstream
from stagedoor.errors import UpstreamError, UpstreamUnavailable
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.testing import ManualClock, ScriptedTransport


def remotes(env: Env, clock: ManualClock, **settings: Any) -> tuple[Upstream[Any, Any], ...]:
    failing: ScriptedTransport[Any, Any] = ScriptedTransport(clock).fails(UpstreamUnavailable)
    declared = build(Settings(**settings))
    behind: list[Any] = [*declared.services, *declared.backends]
    return tuple(Upstream(one.name, failing, *one.policies, env=env) for one in behind)


def test_every_remote_has_the_same_policies_in_the_same_order(env: Env, clock: ManualClock) -> None:
    """Outermost first: the breaker sees every attempt, and a refusal takes no place."""
    orders = {tuple(type(one).__name__ for one in remote.policies) for remote in remotes(env, clock)}

    # Writes of memes are neither repeated nor cut short, and its word about media is no failure of its own.
    memes = ("Reads", "CircuitBreaker", "MediaAway", "Bulkhead", "Reads")
    assert orders == {("Retry", "CircuitBreaker", "AdaptiveLimit", "Timeout"), memes}


@pytest.mark.parametrize(("failures", "minimum"), [(1, 20), (5, 20), (6, 24), (1_000_000, 4_000_000)])
def test_the_breaker_follows_its_setting(env: Env, clock: ManualClock, failures: int, minimum: int) -> None:
    """CONTRACTS 10: 5 in a row, or half of at least 20 calls; who sets more means it for both."""
    for remote in remotes(env, clock, gateway_breaker_failures=failures):
        (breaker,) = (one for one in remote.policies if isinstance(one, CircuitBreaker))

        assert (breaker.consecutive, breaker.failure_rate, breaker.minimum) == (failures, 0.5, minimum)


async def test_a_breaker_that_is_set_high_stays_closed(env: Env, clock: ManualClock) -> None:
    """A thousand failures and nothing else: every call is still made."""
    users = remotes(env, clock, gateway_breaker_failures=1_000_000, gateway_retry_attempts=1)[0]
    reasons: set[str] = set()
    for _ in range(1_000):
        try:
            await users.call("get", HttpRequest(target=b"/users/1"))
        except UpstreamError as error:
            reasons.add(error.reason)

    assert reasons == {"unavailable"}
