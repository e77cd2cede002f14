"""Fresh, stale, renewed, or standing in for a failure."""

import asyncio

import pytest

from stagedoor import _context as context
from stagedoor._cache.kept import Kept
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import DueTime
from stagedoor._events import CacheLookup, RefreshFailed
from stagedoor.errors import (
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from stagedoor.testing import settle
from tests.stagedoor.policies.kept import Stage, asked, call, refused


async def test_the_second_call_is_answered_from_the_cache() -> None:
    """One fetch for the whole lifetime, and the record says how it came about (HC15)."""
    stage = Stage()
    send = stage.cached(lifetime=30.0)
    first = await asked(send, call())
    await stage.clock.advance(10.0)
    second = await asked(send, call())
    await stage.clock.advance(20.0)
    third = await asked(send, call())

    assert first == (b"v1", Record(lookup="miss", ttl=30.0, stored=True))
    assert second == (b"v1", Record(hits=1, lookup="hit", ttl=20.0))
    assert third == (b"v2", Record(lookup="miss", ttl=30.0, stored=True))
    assert stage.events == [
        CacheLookup("users.get", "memory", "miss"),
        CacheLookup("users.get", "memory", "hit"),
        CacheLookup("users.get", "memory", "miss"),
    ]


async def test_k8_an_empty_value_is_a_hit() -> None:
    """K8: nothing found is an answer too."""
    stage = Stage(answers=[b""])
    send = stage.cached()
    await send(call())

    assert await send(call()) == b""
    assert len(stage.calls) == 1


@pytest.mark.parametrize("error", [*refused(), UpstreamRejected("users.get")], ids=lambda e: type(e).__name__)
async def test_hc14_errors_are_never_kept(error: UpstreamError) -> None:
    """HC14: the next call asks again; the error leaves as it came."""
    stage = Stage(answers=[error, b"good"])
    send = stage.cached(on_error=60.0)

    with pytest.raises(type(error)) as caught:
        await send(call())
    assert caught.value is error
    assert await send(call()) == b"good"
    assert stage.lookups() == ["miss", "miss"]


async def test_what_is_not_storable_is_not_kept() -> None:
    """P1: a partial answer is never stored as whole."""
    stage = Stage(answers=[b"partial", b"whole"])
    send = stage.cached(storable=lambda value: value == b"whole")
    first = await asked(send, call())
    await send(call())

    assert first == (b"partial", Record(lookup="miss", ttl=None, stored=False))
    assert await send(call()) == b"whole"
    assert len(stage.calls) == 2


async def test_k7_a_stale_answer_is_given_at_once_and_renewed_once() -> None:
    """K7: ten callers inside the window wait for nobody and cause one fetch."""
    stage = Stage()
    send = stage.cached(lifetime=30.0, revalidate=10.0)
    await send(call())
    await stage.clock.advance(33.0)
    stage.gate = asyncio.Event()
    stale = [await asked(send, call()) for _ in range(10)]
    await settle()
    stage.gate.set()
    await settle()

    assert stale == [(b"v1", Record(hits=1, stale=3.0, lookup="stale", ttl=-3.0))] * 10
    assert len(stage.calls) == 2
    assert await asked(send, call()) == (b"v2", Record(hits=1, lookup="hit", ttl=30.0))


async def test_k7_the_window_ends() -> None:
    """K7: past the window the caller waits for a new answer."""
    stage = Stage()
    send = stage.cached(lifetime=30.0, revalidate=10.0)
    await send(call())
    await stage.clock.advance(40.0)

    assert await send(call()) == b"v2"
    assert stage.lookups() == ["miss", "miss"]


async def test_a_renewal_has_a_deadline_and_a_record_of_its_own() -> None:
    """D6, X4: it belongs to nobody's request; the caller's deadline and record stay out of it."""
    stage = Stage()
    send = stage.cached(lifetime=30.0, revalidate=10.0)
    await send(call())
    await stage.clock.advance(35.0)
    asked_by = RequestContext(request_id="r1", deadline=DueTime(stage.clock.now() + 0.1), identity="")
    token = context.enter(asked_by)
    await send(call())
    context.leave(token)
    await settle()

    renewal = stage.seen[1]
    assert renewal.request_id == "r1"
    assert renewal.deadline == stage.calls[1].deadline == DueTime(stage.clock.now() + 1.0)
    assert renewal.record is not asked_by.record
    assert asked_by.record == Record(hits=1, stale=5.0, lookup="stale", ttl=-5.0)


async def test_k7_a_renewal_that_fails_leaves_the_stale_answer() -> None:
    """K7: it is told as an event, and the next caller tries again."""
    error = UpstreamTimeout("users.get")
    stage = Stage(answers=[b"old", error, b"new"])
    send = stage.cached(lifetime=30.0, revalidate=10.0)
    await send(call())
    await stage.clock.advance(35.0)
    answers = []
    for _ in range(3):
        answers.append(await send(call()))
        await settle()

    assert answers == [b"old", b"old", b"new"]
    assert RefreshFailed("users.get", error) in stage.events


async def test_x4_renewals_are_bounded_counted_and_end_at_close() -> None:
    """X4: background work has an owner."""
    stage = Stage()
    send = stage.cached(lifetime=30.0, revalidate=10.0, refreshes=2)
    for number in range(4):
        await send(call(b"%d" % number))
    await stage.clock.advance(35.0)
    stage.gate = asyncio.Event()
    for number in range(4):
        await send(call(b"%d" % number))
    await settle()

    assert send.counts() == {"tasks": 2}
    assert repr(send) == "<Caching 30.0 s, 2 renewals>"
    await send.aclose()
    assert send.counts() == {"tasks": 0}
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("error", refused(), ids=lambda e: type(e).__name__)
async def test_k7_a_stale_answer_stands_in_for_a_failure(error: UpstreamError) -> None:
    """K7, G1: connection failure, time-out, open breaker, shedding, an unreadable answer."""
    stage = Stage(answers=[b"old", error])
    send = stage.cached(lifetime=30.0, on_error=60.0)
    await send(call())
    await stage.clock.advance(50.0)

    assert await asked(send, call()) == (b"old", Record(hits=1, stale=20.0, lookup="stale", ttl=-20.0))
    assert stage.lookups() == ["miss", "stale"]


async def test_k7_a_refusal_is_an_answer_and_nothing_stands_in_for_it() -> None:
    """K7: the user is gone; to show the old one would be wrong."""
    stage = Stage(answers=[b"old", UpstreamRejected("users.get")])
    send = stage.cached(lifetime=30.0, on_error=60.0)
    await send(call())
    await stage.clock.advance(50.0)

    with pytest.raises(UpstreamRejected):
        await send(call())
    assert stage.lookups() == ["miss", "miss"]


async def test_k7_past_the_error_window_the_failure_shows() -> None:
    """K7: allowed staleness has an end."""
    stage = Stage(answers=[b"old", UpstreamTimeout("users.get")])
    send = stage.cached(lifetime=30.0, on_error=60.0)
    await send(call())
    await stage.clock.advance(90.0)

    with pytest.raises(UpstreamTimeout):
        await send(call())


async def test_a_new_answer_replaces_the_spare() -> None:
    """With a stale answer only for failures, the caller waits for the new one."""
    stage = Stage()
    send = stage.cached(lifetime=30.0, on_error=60.0)
    await send(call())
    await stage.clock.advance(50.0)

    assert await asked(send, call()) == (b"v2", Record(lookup="miss", ttl=30.0, stored=True))
    assert await send(call()) == b"v2"


async def test_a_hit_says_what_it_came_from_until_that_holds_no_more() -> None:
    """Who gives it again asks for the same entry, as long as it is fresh; a miss and a stale answer say nothing."""
    stage = Stage()
    send = stage.cached(lifetime=30.0, revalidate=30.0)
    _, missed = await asked(send, call())
    _, hit = await asked(send, call())
    assert isinstance(hit.kept, Kept)
    key = hit.kept.held.entry.key
    again = hit.kept.again(key)
    await stage.clock.advance(30.0)
    _, stale = await asked(send, call())

    assert missed.kept is stale.kept is hit.kept.again(b"another") is hit.kept.again(key) is None
    assert again is hit.kept.held
