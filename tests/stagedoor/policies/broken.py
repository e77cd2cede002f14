"""An upstream behind a breaker."""

import pytest

from stagedoor._call import Env
from stagedoor.errors import (
    UpstreamError,
)
from stagedoor.policies._circuit_breaker import CircuitBreaker, CircuitBreakerSend
from stagedoor.testing import ScriptedTransport, call_of


def guarded(
    script: ScriptedTransport[int, str], env: Env, rule: CircuitBreaker | None = None
) -> CircuitBreakerSend[int, str]:
    """Guard a script; the first probe comes after a second if nothing else is said."""
    return (rule or CircuitBreaker(consecutive=2, probe_after=1.0, jitter=0)).wrap(script.send, env)


async def fail(breaker: CircuitBreakerSend[int, str], times: int) -> None:
    for _ in range(times):
        with pytest.raises(UpstreamError):
            await breaker(call_of(1))
