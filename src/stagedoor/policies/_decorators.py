"""Policies as decorators, round any `async def`: for code that is no service and no screen.

    @retry(attempts=3)
    @circuit_breaker(consecutive=5)
    async def rates() -> Rates: ...

What the function raises counts as a failure, but for mistakes in the code (`TypeError` and the like) and for problems
below 500 (`NotFound`), which are answers: they pass at once. The failure that is raised in the end is the function's
own. Inside a request its deadline holds. State is born with the decorated function, and is shared by all who call it.
"""

import random
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from stagedoor import _context as context
from stagedoor._call import Call, Env, Policy
from stagedoor._clock import SystemClock
from stagedoor._events import Event
from stagedoor.errors import Answered, UpstreamError, UpstreamRejected, UpstreamUnavailable
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.policies._retry import Retry

__all__ = ["BUGS", "circuit_breaker", "retry"]

P = ParamSpec("P")
T = TypeVar("T")
# Mistakes in the code, not failures of what it talks to: repeating them changes nothing.
BUGS = (TypeError, AttributeError, NameError, AssertionError, ImportError, NotImplementedError, IndexError)
_FAILED = 500  # a status


def retry(
    *,
    env: Env | None = None,
    **options: Any,  # noqa: ANN401 - the fields of `Retry`
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Repeat a function that fails; `options` are those of `Retry`. The function must be safe to repeat."""
    return _decorator(Retry(**options), env)


def circuit_breaker(
    *,
    env: Env | None = None,
    **options: Any,  # noqa: ANN401 - the fields of `CircuitBreaker`
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Refuse calls for a while after too many failures, as `CircuitBreaker` with these. Raises `CircuitOpen`."""
    return _decorator(CircuitBreaker(**options), env)


class _FunctionFailed(UpstreamUnavailable):
    """What a function raised, in words that policies understand."""


class _FunctionSaid(UpstreamRejected):
    """An answer that a function raised: it is there, whatever it says."""


def _decorator(
    policy: Policy[Any, Any], env: Env | None
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    world = env or Env(SystemClock(), random.random, _unobserved)

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        name = f"{function.__name__}.call"
        send = policy.wrap(_once, world)

        @wraps(function)
        async def call(*given: P.args, **named: P.kwargs) -> T:
            deadline = context.current().deadline
            try:
                found: T = await send(Call(name, lambda: function(*given, **named), b"", "", deadline, True))
            except (_FunctionFailed, _FunctionSaid) as failed:
                own = failed.__cause__ or failed
            else:
                return found
            raise own  # here, where nothing is added to it: it keeps its own cause

        return call

    return decorate


async def _once(call: Call[Callable[[], Awaitable[Any]]]) -> Any:  # noqa: ANN401 - whatever it returns
    """Call the function once."""
    try:
        return await call.payload()
    except (UpstreamError, *BUGS):
        raise
    except Exception as error:
        if isinstance(error, Answered) and error.status < _FAILED:
            raise _FunctionSaid(call.operation) from error
        raise _FunctionFailed(call.operation, type(error).__name__, retryable=True) from error


def _unobserved(_: Event) -> None:
    """Tell nobody."""
