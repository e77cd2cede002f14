"""Right and forbidden uses of the core, checked by mypy and pyright and never run.

An expected error carries an ignore, which both checkers honour, and which both report when it is not needed.
"""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportUnusedCoroutine=false, reportUnusedExpression=false

from typing import assert_type

from stagedoor._aggregate.verdict import PartVerdict
from stagedoor._call import Call, Env, Policy, Send, Transport
from stagedoor._clock import SystemClock
from stagedoor._context import RequestContext
from stagedoor._deadline import NEVER
from stagedoor._events import CallJoined, Event
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._upstream import Upstream
from stagedoor.policies._budget import Account, Budget
from stagedoor.policies._bulkhead import Bulkhead
from stagedoor.policies._circuit_breaker import CircuitBreaker, CircuitBreakerSend
from stagedoor.policies._deadline import Deadline
from stagedoor.policies._hedge import Hedge
from stagedoor.policies._retry import Retry
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.policies._timeout import Timeout
from stagedoor.testing import Faults, ManualClock, ScriptedTransport, call_of


def observe(event: Event) -> None: ...


env = Env(SystemClock(), lambda: 0.5, observe)


async def a_policy_keeps_the_types_of_what_it_wraps(send: Send[HttpRequest, HttpResponse]) -> None:
    retrying = Retry().wrap(send, env)
    assert_type(retrying, Send[HttpRequest, HttpResponse])
    breaker = CircuitBreaker().wrap(retrying, env)
    assert_type(breaker, CircuitBreakerSend[HttpRequest, HttpResponse])
    assert_type(await breaker(call_of(HttpRequest(target=b"/"))), HttpResponse)
    await breaker(call_of(7))  # type: ignore[arg-type]


async def every_policy_fits_every_upstream(
    http: Transport[HttpRequest, HttpResponse], numbers: Transport[int, str]
) -> None:
    users = Upstream(
        "users",
        http,
        SingleFlight(),
        Deadline(limit=0.2),
        Retry(),
        Hedge(delay=0.05),
        CircuitBreaker(),
        Bulkhead(),
        Timeout(attempt=0.08),
        Faults(rate=0.1),
        env=env,
    )
    assert_type(users, Upstream[HttpRequest, HttpResponse])
    assert_type(await users.call("get", HttpRequest(target=b"/users/1")), HttpResponse)
    await users.call("get", b"/users/1")  # type: ignore[arg-type]

    words = Upstream("words", numbers, Retry(), env=env)
    assert_type(await words.call("get", 7), str)


class ForNumbers:
    """A policy that is not generic: it knows what it wraps."""

    def wrap(self, send: Send[int, str], env: Env, /) -> Send[int, str]:
        return send


def a_policy_of_other_types_does_not_fit(http: Transport[HttpRequest, HttpResponse]) -> None:
    fits: Policy[int, str] = ForNumbers()
    fits.wrap
    Upstream("users", http, ForNumbers(), env=env)  # type: ignore[misc]


def options_are_frozen_and_named() -> None:
    Retry(2)  # type: ignore[call-arg]
    Retry(tries=2)  # type: ignore[call-arg]
    Timeout()  # type: ignore[call-arg]
    Retry().attempts = 3  # type: ignore[misc]


def a_budget_is_a_rule_or_an_account() -> None:
    shared = Account(Budget(share=0.1))
    assert_type(Budget().account(), Account)
    assert_type(shared.account(), Account)
    Retry(budget=shared)
    Hedge(delay=0.05, budget=Budget())
    Retry(budget=0.2)  # type: ignore[arg-type]


async def fakes_have_the_types_of_the_real_things() -> None:
    clock = ManualClock()
    script = ScriptedTransport[HttpRequest, HttpResponse](clock).then(HttpResponse(status=200))
    transport: Transport[HttpRequest, HttpResponse] = script
    assert_type(await clock.run(transport.send(call_of(HttpRequest(target=b"/")))), HttpResponse)
    assert_type(call_of(7), Call[int])
    script.then("Ann")  # type: ignore[arg-type]


def a_call_is_complete() -> None:
    Call(operation="users.get", payload=1, key=b"", identity="", deadline=NEVER)  # type: ignore[call-arg]


def values_of_the_hot_path_are_frozen_here() -> None:
    """They are plain at run time (see `stagedoor._value`); this file is what holds them."""
    call_of(1).deadline = NEVER  # type: ignore[misc]
    HttpRequest(target=b"/").target = b"/other"  # type: ignore[misc]
    HttpResponse(status=200).status = 500  # type: ignore[misc]
    CallJoined("users.get").operation = "orders.get"  # type: ignore[misc]
    RequestContext().identity = "ann"  # type: ignore[misc]
    NEVER.at = 0.0  # type: ignore[misc]
    PartVerdict("fresh").status = "cached"  # type: ignore[misc]
