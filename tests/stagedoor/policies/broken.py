"""An upstream behind a breaker."""

import pytest

from stagedoor.call import Env
from stagedoor.errors import (
    UpstreamError,
)
from stagedoor.policies.breaker import Breaker, Guard
from stagedoor.testing import Script, call_of


def guarded(script: Script[int, str], env: Env, rule: Breaker | None = None) -> Guard[int, str]:
    """Guard a script; the first probe comes after a second if nothing else is said."""
    return (rule or Breaker(consecutive=2, probe_after=1.0, jitter=0)).wrap(script.send, env)


async def fail(guard: Guard[int, str], times: int) -> None:
    for _ in range(times):
        with pytest.raises(UpstreamError):
            await guard(call_of(1))
