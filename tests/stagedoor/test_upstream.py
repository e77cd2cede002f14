"""A remote with its policies: the order, the call it makes, what it tells and what it holds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stagedoor import _context as context
from stagedoor._call import Call, Env, Send
from stagedoor._context import RequestContext
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._events import AttemptEnded
from stagedoor._requests import HttpRequest
from stagedoor._upstream import Upstream
from stagedoor.errors import CircuitOpen, ConfigError, UpstreamGarbled, UpstreamTimeout, UpstreamUnavailable
from stagedoor.policies._bulkhead import Bulkhead
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.policies._deadline import Deadline
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.policies._timeout import Timeout
from stagedoor.testing import Events, ManualClock, ScriptedTransport, settle


class Noting:
    """A policy that notes when calls pass it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    def wrap(self, send: Send[int, str], env: Env, /) -> Send[int, str]:
        async def marked(call: Call[int]) -> str:
            self.log.append(f"{self.name} in")
            value = await send(call)
            self.log.append(f"{self.name} out")
            return value

        return marked

    def __repr__(self) -> str:
        return f"Noting({self.name})"


async def test_policies_stand_outermost_first(env: Env, clock: ManualClock) -> None:
    """`Upstream("users", transport, A, B)` is `A(B(transport))`."""
    log: list[str] = []
    script = ScriptedTransport[int, str](clock).then("Ann")
    upstream = Upstream("users", script, Noting("A", log), Noting("B", log), env=env)
    value = await upstream.call("get", 1)

    assert value == "Ann"
    assert log == ["A in", "B in", "B out", "A out"]


async def test_what_is_made_of_an_answer_is_part_of_the_attempt(env: Env, clock: ManualClock) -> None:
    """A value is read inside the policies: one that makes no sense counts for the breaker, and observers hear why."""

    def read(call: Call[int], said: str) -> str:
        if said != "Ann":
            raise UpstreamGarbled(call.operation, f"{said!r} is nobody")
        return said.lower()

    events = Events()
    script = ScriptedTransport[int, Any](clock).then("Ann").then("Bob")
    told = Env(clock=clock, rng=env.rng, observe=events)
    upstream: Upstream[int, str] = Upstream(
        "users", script, CircuitBreaker(consecutive=1), env=told, read=read
    )
    value = await upstream.call("get", 1)
    with pytest.raises(UpstreamGarbled, match="'Bob' is nobody") as garbled:
        await upstream.call("get", 2)

    assert value == "ann"
    assert [one.error for one in events.of(AttemptEnded)] == [None, garbled.value]
    with pytest.raises(CircuitOpen):
        await upstream.call("get", 3)


async def test_a_call_carries_what_the_request_says(env: Env, clock: ManualClock) -> None:
    """Deadline, identity and attempt (R7) are the request's; idempotence is the transport's to know."""
    script = ScriptedTransport[int, str](clock).then("Ann")
    upstream = Upstream("users", script, env=env)
    token = context.enter(RequestContext(deadline=DueTime(1000.18), identity="ann", attempt=2))
    await upstream.call("get", 7)
    context.leave(token)

    assert script.calls == [
        Call(
            operation="users.get",
            payload=7,
            key=b"",  # nobody asks for one
            identity="ann",
            deadline=DueTime(1000.18),
            idempotent=True,
            attempt=2,
        )
    ]


async def test_a_key_is_made_where_a_policy_asks_for_one(env: Env, clock: ManualClock) -> None:
    """Keys cost; `SingleFlight` and `Cached` are told apart by them."""
    script = ScriptedTransport[int, str](clock).then("Ann")
    await Upstream("users", script, SingleFlight(), env=env).call("get", 7)

    assert script.calls[0].key == b"7"


@pytest.mark.parametrize(
    ("method", "said", "idempotent"),
    [("GET", None, True), ("POST", None, False), ("POST", True, True), ("GET", False, False)],
)
async def test_r1_only_the_author_of_a_call_overrides_the_protocol(
    env: Env, clock: ManualClock, method: str, said: bool | None, idempotent: bool
) -> None:
    """R1: a POST may be repeated only if somebody declared it safe."""
    script = ScriptedTransport[HttpRequest, str](clock).then("Ann")
    request = HttpRequest(method=method, target=b"/users")
    await Upstream("users", script, env=env).call("batch", request, idempotent=said)

    assert script.calls[0].idempotent is idempotent


async def test_each_attempt_is_one_event_and_one_in_the_record(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """A value, an error: with the time it took."""
    error = UpstreamUnavailable("users.get", "refused")
    script = ScriptedTransport[int, str](clock).after(0.02, "Ann").fails(error, after=0.01)
    upstream = Upstream("users", script, env=env)
    request = RequestContext()

    async def both() -> None:
        context.enter(request)
        await upstream.call("get", 1)
        with pytest.raises(UpstreamUnavailable):
            await upstream.call("get", 1)

    await clock.run(both())

    seen = [(event.attempt, round(event.seconds, 3), event.error) for event in events.of(AttemptEnded)]
    assert seen == [(1, 0.02, None), (1, 0.01, error)]
    assert request.record.calls == 2


async def test_an_attempt_cut_off_by_a_guard_is_told_as_late(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """The guard noticed the moment before the transport could: the attempt was late all the same."""
    upstream = Upstream("users", ScriptedTransport[int, str](clock).hangs(), env=env)

    async def guarded() -> None:
        with pytest.raises(TimeoutError), TimeoutScope(clock, DueTime(1000.1)):
            await upstream.call("get", 1)

    await clock.run(guarded())

    [ended] = events.of(AttemptEnded)
    assert isinstance(ended.error, UpstreamTimeout)
    assert ended.seconds == pytest.approx(0.1)


async def test_x2_an_attempt_whose_caller_left_is_no_failure(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """X2: a client that disconnects is not counted against the upstream."""
    upstream = Upstream("users", ScriptedTransport[int, str](clock).hangs(), env=env)
    task = asyncio.create_task(upstream.call("get", 1))
    await settle()
    task.cancel()
    await settle()

    assert events == []


async def test_an_upstream_made_of_others_tells_no_attempts(
    env: Env, clock: ManualClock, events: Events
) -> None:
    """Its parts tell them already: counted twice they would be wrong."""
    upstream = Upstream("profile", ScriptedTransport[int, str](clock).then("Ann"), env=env, observed=False)
    await upstream.call("get", 1)

    assert events == []


async def test_x1_what_the_layers_hold_is_summed(env: Env, clock: ManualClock) -> None:
    """X1: the gateway can show the counts, and they return to rest."""
    script = ScriptedTransport[int, str](clock).hangs()
    upstream = Upstream("users", script, SingleFlight(), CircuitBreaker(), Bulkhead(), env=env)
    tasks = [asyncio.create_task(upstream.call("get", payload)) for payload in (1, 1, 2)]
    await settle()
    busy = dict(upstream.counts())
    for task in tasks:
        task.cancel()
    await settle()

    assert busy == {"flights": 2, "probes": 0, "permits": 2, "waiting": 0}
    assert dict(upstream.counts()) == {"flights": 0, "probes": 0, "permits": 0, "waiting": 0}


async def test_breakers_are_held_from_outside(env: Env, clock: ManualClock) -> None:
    """An operator's word reaches every breaker of an upstream, and nothing else in it."""
    script = ScriptedTransport[int, str](clock).then("answer")
    upstream = Upstream("users", script, SingleFlight(), CircuitBreaker(), env=env)
    upstream.hold("open")
    with pytest.raises(CircuitOpen):
        await upstream.call("get", 1)
    upstream.hold("closed")

    assert await upstream.call("get", 1) == "answer"


async def test_a_half_open_breaker_is_seen_from_outside(env: Env, clock: ManualClock) -> None:
    """Health pages say "recovering" then."""
    script = ScriptedTransport[int, str](clock).fails(UpstreamTimeout).hangs()
    upstream = Upstream("users", script, Deadline(), CircuitBreaker(consecutive=1, jitter=0), env=env)
    seen = ["half_open" in upstream.circuits()]
    with pytest.raises(UpstreamTimeout):
        await upstream.call("get", 1)
    seen.append("half_open" in upstream.circuits())
    await clock.advance(1.0)
    probe = asyncio.create_task(upstream.call("get", 1))
    await settle()
    seen.append("half_open" in upstream.circuits())
    probe.cancel()
    await settle()

    assert seen == [False, False, True]


async def test_x4_closing_ends_what_the_layers_do_and_then_the_transport(
    env: Env, clock: ManualClock
) -> None:
    """X4: outermost first; the transport last, when nothing uses it any more."""
    script = ScriptedTransport[int, str](clock).hangs()
    upstream = Upstream("users", script, SingleFlight(), Bulkhead(), env=env)
    waiter = asyncio.create_task(upstream.call("get", 1))
    await settle()
    await upstream.aclose()
    await settle()

    assert (script.active, script.closed, waiter.cancelled()) == (0, True, True)


async def test_x4_the_transport_is_closed_whatever_becomes_of_a_layer(env: Env, clock: ManualClock) -> None:
    """X4, X6: a layer of one's own that cannot be closed leaves no connection open, nor does a stop cut short."""

    class Stuck:
        def __init__(self, end: Callable[[], Awaitable[None]]) -> None:
            self.aclose = end

        def wrap(self, send: Send[int, str], env: Env, /) -> Send[int, str]:
            return self

        async def __call__(self, call: Call[int]) -> str:
            raise AssertionError

    async def broken() -> None:
        raise ZeroDivisionError

    failing, hanging = ScriptedTransport[int, str](clock), ScriptedTransport[int, str](clock)
    with pytest.raises(ZeroDivisionError):
        await Upstream("users", failing, Stuck(broken), env=env).aclose()
    closing = asyncio.create_task(
        Upstream("users", hanging, Stuck(lambda: clock.sleep(9.0)), env=env).aclose()
    )
    await settle()
    closing.cancel()
    await settle()

    assert (failing.closed, hanging.closed, closing.cancelled()) == (True, True, True)


@pytest.mark.parametrize("name", ["", "user service", "users.get", "1st"])
def test_a_name_that_is_no_identifier_is_refused(env: Env, clock: ManualClock, name: str) -> None:
    """Operations, metrics and settings are made of it."""
    with pytest.raises(ConfigError, match="must be an identifier"):
        Upstream(name, ScriptedTransport[int, str](clock), env=env)


def test_d3_a_stack_that_can_never_repeat_is_refused(env: Env, clock: ManualClock) -> None:
    """D3: the error names the upstream."""
    with pytest.raises(ConfigError, match=r"upstream 'users': Timeout\(attempt=0\.2\)"):
        Upstream(
            "users", ScriptedTransport[int, str](clock), Deadline(limit=0.1), Timeout(attempt=0.2), env=env
        )


def test_an_upstream_shows_its_stack(env: Env, clock: ManualClock) -> None:
    """Production composition can be read, and pinned by a test."""
    upstream = Upstream(
        "users", ScriptedTransport[int, str](clock), Deadline(), Timeout(attempt=0.08), env=env
    )

    assert repr(upstream) == (
        "<Upstream users Deadline(limit=None) ▸ Timeout(attempt=0.08) ▸ <Script 0 calls, 0 active>>"
    )
