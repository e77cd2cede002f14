"""Health that asks."""

import asyncio
from typing import cast

import pytest

from stagedoor._call import Env
from stagedoor._face import operations
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._upstream import Upstream
from stagedoor._web.answer import WebAnswer
from stagedoor._web.health import Component, Health, overall, probe_of
from stagedoor._web.request import Request
from stagedoor._web.routes import RequestRefused
from stagedoor.errors import UpstreamTimeout, UpstreamUnavailable
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.testing import Events, ManualClock, ScriptedTransport

ASKED = HttpRequest(target=b"/health")
OK = HttpResponse(status=200)


async def test_a_probe_moves_no_breaker_and_counts_as_no_attempt(
    clock: ManualClock, env: Env, events: Events
) -> None:
    """Looking at a sick service must not make it look sicker."""
    script = ScriptedTransport[HttpRequest, HttpResponse](clock).fails(UpstreamTimeout)
    upstream = Upstream("users", script, CircuitBreaker(consecutive=1), env=env)

    found = await probe_of(upstream, script, ASKED, clock)()

    assert found == Component("unhealthy", detail="not answering in time")
    assert list(events) == []


async def test_what_is_not_well_says_why_in_the_words_of_the_log(clock: ManualClock, env: Env) -> None:
    """F6: who looks at health while it is dark need not look for the log."""
    said = HttpResponse(status=503, body=b"{}")
    error = UpstreamUnavailable("users.health", "its certificate has expired", response=said)
    script = ScriptedTransport[HttpRequest, HttpResponse](clock).fails(error)

    found = await probe_of(Upstream("users", script, env=env), script, ASKED, clock)()

    assert found.detail == "not reachable, or failing: its certificate has expired"
    assert found.response is said
    assert "response" not in found.as_json()


async def test_all_probes_together_take_a_second_at_most(clock: ManualClock) -> None:
    """A service that hangs is unhealthy, and the others are told all the same."""

    async def hangs() -> Component:
        await clock.sleep(60)
        raise AssertionError

    async def well() -> Component:
        return Component("healthy", 1.0)

    asked = clock.run(Health({"a": hangs, "b": well}, clock).components())
    before = clock.now()

    found = await asked

    assert found == {"a": Component("unhealthy", detail="not answering"), "b": Component("healthy", 1.0)}
    assert clock.now() - before == pytest.approx(1.0)
    assert overall(found) == "degraded"


async def test_f1_a_probe_that_falls_is_one_component_that_is_not_well(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """F1: a transport of somebody's own raises what it likes; the page was 500, and told nothing of the others."""

    async def falls() -> Component:
        raise ConnectionResetError("canary")

    async def well() -> Component:
        return Component("healthy", 1.0)

    found = await Health({"queue": falls, "b": well}, clock).components()

    fallen = Component("unhealthy", detail="its probe fell of ConnectionResetError")
    assert found == {"queue": fallen, "b": Component("healthy", 1.0)}
    assert [record.getMessage() for record in caplog.records] == ["the probe of queue failed"]


async def test_an_answer_serves_for_two_seconds(clock: ManualClock) -> None:
    """Many monitors must not become a load on what they watch."""
    asked = 0

    async def counting() -> Component:
        nonlocal asked
        asked += 1
        return Component("healthy")

    health = Health({"a": counting}, clock)
    await health.components()
    await health.components()
    await clock.advance(2.0)
    await health.components()

    assert asked == 2


async def test_a_half_open_breaker_is_degraded(clock: ManualClock, env: Env) -> None:
    """The service answers the probe, and traffic is only being tried."""
    script = (
        ScriptedTransport[HttpRequest, HttpResponse](clock).fails(UpstreamTimeout).after(5.0, OK).then(OK)
    )
    upstream = Upstream("users", script, CircuitBreaker(consecutive=1, open_for=1.0, jitter=0.0), env=env)
    with pytest.raises(UpstreamTimeout):
        await upstream.call("get", HttpRequest(target=b"/"))
    await clock.advance(1.5)
    trying = asyncio.create_task(upstream.call("get", HttpRequest(target=b"/")))
    await clock.advance(0.1)

    found = await probe_of(upstream, script, ASKED, clock)()

    assert found.status == "degraded"
    await clock.advance(5.0)
    await trying


async def test_a_breaker_that_is_held_open_is_unhealthy(clock: ManualClock, env: Env) -> None:
    """Contract 8: the service is well, and all that needs it is refused until an operator lets go."""
    script = ScriptedTransport[HttpRequest, HttpResponse](clock).then(OK)
    upstream = Upstream("users", script, CircuitBreaker(), env=env)
    probe = probe_of(upstream, script, ASKED, clock)
    upstream.hold("open")
    held = await probe()
    upstream.hold("auto")
    let_go = await probe()

    assert (held.status, held.detail) == ("unhealthy", "not asked: its circuit breaker is held open by hand")
    assert let_go.status == "healthy"


async def test_o3_operations_answer_in_time_whatever_they_ask(clock: ManualClock) -> None:
    """O3: a page that shows how things are must come while they are bad."""

    async def forever(_: Request) -> WebAnswer:
        await clock.sleep(1_000.0)
        raise AssertionError

    bounded = operations._bounded(forever, clock)  # noqa: SLF001
    asked = asyncio.ensure_future(bounded(cast("Request", None)))
    await clock.advance(3.1)

    with pytest.raises(RequestRefused) as refused:
        await asked
    assert refused.value.problem.status == 504
