"""Cached: what it answers from, what it keeps, and what it does behind the caller's back."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor import context
from stagedoor.cache.codec import RawCodec
from stagedoor.cache.entry import Entry
from stagedoor.cache.memory import MemoryStore
from stagedoor.cache.tags import ALL, key_name, tag
from stagedoor.call import Call, Env, Send
from stagedoor.context import Record, RequestContext
from stagedoor.deadline import NEVER, Deadline
from stagedoor.errors import (
    BreakerOpen,
    ConfigError,
    Overloaded,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.events import CacheLookup, Event, RefreshFailed
from stagedoor.policies.cached import Cached, Caching, full_key, readable_key
from stagedoor.testing import ManualClock, settle
from stagedoor.value import MaybePartial

Answer = bytes | UpstreamError


class JsonCodec:
    schema = "json1"

    def encode(self, value: object, /) -> bytes:
        return json.dumps(value).encode()

    def decode(self, body: bytes, /) -> object:
        return json.loads(body)


@dataclass
class Stage:
    """An upstream that answers what a test says, with a cache in front."""

    clock: ManualClock = field(default_factory=ManualClock)
    events: list[Event] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    calls: list[Call[str]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    seen: list[RequestContext] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.env = Env(self.clock, lambda: 0.5, self.events.append)
        self.store = MemoryStore(env=self.env)

    async def upstream(self, call: Call[str], /) -> bytes:
        self.calls.append(call)
        self.seen.append(context.current())
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else b"v%d" % len(self.calls)
        if isinstance(answer, UpstreamError):
            raise answer
        return answer

    def cached(
        self,
        lifetime: float = 30.0,
        revalidate: float = 0.0,
        on_error: float = 0.0,
        tags: Callable[[bytes], Iterable[str]] | tuple[str, ...] = (),
        storable: Callable[[bytes], bool] | None = None,
        key: Callable[[Call[str]], str] | None = None,
        refreshes: int = 64,
    ) -> Caching[str, bytes]:
        policy: Cached[str, bytes] = Cached(
            store=self.store,
            codec=RawCodec(),
            lifetime=lifetime,
            stale_while_revalidate=revalidate,
            stale_if_error=on_error,
            tags=tags,
            storable=storable,
            key=key,
            refreshes=refreshes,
        )
        return policy.wrap(self.upstream, self.env)

    def lookups(self) -> list[str]:
        return [event.result for event in self.events if isinstance(event, CacheLookup)]


def call(key: bytes = b"k", identity: str = "", operation: str = "users.get") -> Call[str]:
    return Call(operation=operation, payload="p", key=key, identity=identity, deadline=NEVER, idempotent=True)


async def asked(send: Send[str, bytes], what: Call[str]) -> tuple[bytes, Record]:
    """Send as one request of its own would, and return what its record says."""
    record = Record()
    token = context.enter(RequestContext(record=record))
    try:
        return await send(what), record
    finally:
        context.leave(token)


def refused(operation: str = "users.get") -> list[UpstreamError]:
    return [
        UpstreamTimeout(operation),
        UpstreamUnavailable(operation),
        BreakerOpen(operation),
        Overloaded(operation),
        UpstreamGarbled(operation),
    ]


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
    asked_by = RequestContext(request_id="r1", deadline=Deadline(stage.clock.now() + 0.1), identity="")
    token = context.enter(asked_by)
    await send(call())
    context.leave(token)
    await settle()

    renewal = stage.seen[1]
    assert renewal.request_id == "r1"
    assert renewal.deadline == stage.calls[1].deadline == Deadline(stage.clock.now() + 1.0)
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


@pytest.mark.parametrize("names", [[tag("film:1")], [tag("films")], [key_name(b"film")], [ALL]])
async def test_g4_purged_answers_are_not_used(names: list[bytes]) -> None:
    """G4: by a tag of the value, by a fixed one, by key, and all."""
    stage = Stage()
    by_value = stage.cached(tags=lambda _: ["film:1", "films"], key=lambda _: "film")
    await by_value(call())
    await stage.store.purge(names)

    assert await by_value(call()) == b"v2"


async def test_g4_fixed_tags() -> None:
    """G4: where every answer has the same tags they need no function."""
    stage = Stage()
    send = stage.cached(tags=("films",))
    await send(call())
    await stage.store.purge([tag("films")])

    assert await send(call()) == b"v2"


@pytest.mark.parametrize("stale", [False, True])
async def test_g4_an_answer_computed_before_a_purge_is_not_kept_after_it(stale: bool) -> None:
    """G4: the fetch began before the purge; what it brings may be what the purge calls out."""
    stage = Stage()
    send = stage.cached(lifetime=30.0, revalidate=10.0, tags=("films",))
    if stale:
        await send(call())
        await stage.clock.advance(35.0)
    stage.gate = asyncio.Event()
    flight = asyncio.ensure_future(send(call()))
    await settle()
    await stage.store.purge([tag("films")])
    stage.gate.set()
    await flight
    await settle()
    before = len(stage.calls)

    await send(call())
    assert len(stage.calls) == before + 1


async def test_t4_identities_never_share_an_answer() -> None:
    """T4: with full keys and with readable ones."""
    stage = Stage()
    for send in (stage.cached(), stage.cached(key=lambda _: "profile:me")):
        stage.calls.clear()
        answers = [await send(call(identity=who)) for who in ("", "anna", "ben", "anna")]
        assert answers == [b"v1", b"v2", b"v3", b"v2"]


async def test_k8_a_value_of_another_schema_is_a_miss() -> None:
    """K8: an older release wrote it."""
    stage = Stage()
    stage.store.set(Entry(b"k", b"old", 30.0, "raw0"), stage.store.purges.mark)
    send = stage.cached(key=lambda _: "k")

    assert await send(call()) == b"v1"


async def test_k8_a_value_that_cannot_be_decoded_is_a_miss_and_reading_changes_nothing() -> None:
    """K8: broken is a miss, never an error; and what one reader does to a value no other sees."""
    stage = Stage()
    stage.store.set(Entry(b"k", b"{", 30.0, "json1"), stage.store.purges.mark)

    async def upstream(what: Call[str], /) -> object:
        return [1]

    policy: Cached[str, object] = Cached(
        store=stage.store, codec=JsonCodec(), lifetime=30.0, key=lambda _: "k"
    )
    send = policy.wrap(upstream, stage.env)
    await send(call())
    value = await send(call())
    assert isinstance(value, list)
    value.append(2)

    assert await send(call()) == [1]
    assert stage.lookups() == ["miss", "hit", "hit"]


async def test_x2_a_cancelled_call_keeps_nothing() -> None:
    """X2: cancellation passes through, and leaves no trace."""
    stage = Stage(gate=asyncio.Event())
    send = stage.cached()
    flight = asyncio.ensure_future(send(call()))
    await settle()
    flight.cancel()

    with pytest.raises(asyncio.CancelledError):
        await flight
    assert stage.store.stats().items == 0
    assert send.counts() == {"tasks": 0}


parts = st.tuples(st.binary(max_size=6), st.binary(max_size=6), st.binary(max_size=6))


@given(parts, parts)
def test_t6_full_keys_are_equal_only_if_all_parts_are(
    one: tuple[bytes, bytes, bytes], two: tuple[bytes, bytes, bytes]
) -> None:
    """T6: ("ab", "c") is not ("a", "bc")."""
    assert (full_key(*one) == full_key(*two)) == (one == two)


names = st.tuples(st.text("\0:0123ab", max_size=8), st.text("\0:0123ab", max_size=4))


@given(names, names, parts)
def test_t6_readable_keys_meet_neither_each_other_nor_full_ones(
    one: tuple[str, str], two: tuple[str, str], full: tuple[bytes, bytes, bytes]
) -> None:
    """T6: a readable key can be anything, also what a full key looks like."""
    assert (readable_key(*one) == readable_key(*two)) == (one == two)
    assert not full[0] or readable_key(*one) != full_key(*full)


def test_a_readable_key_stands_as_it_is() -> None:
    """Contract 9: `profile:{user_id}` after the prefix."""
    assert readable_key("profile:user123", "") == b"profile:user123"
    assert readable_key(full_key(b"", b"anna", b"x").decode(), "") != readable_key("x", "anna")


@pytest.mark.parametrize(
    "options",
    [
        {"lifetime": 0.0},
        {"lifetime": float("inf")},
        {"lifetime": float("nan")},
        {"stale_while_revalidate": -1.0},
        {"stale_if_error": float("inf")},
        {"refresh_deadline": 0.0},
        {"refreshes": 0},
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    """A bad option stops the start, not a request."""
    with pytest.raises(ConfigError, match=next(iter(options))):
        Cached[str, bytes](store=Stage().store, codec=RawCodec(), **{"lifetime": 30.0, **options})


class Partial(bytes, MaybePartial):
    """An answer that knows that it is not whole."""

    complete = False


@pytest.mark.parametrize(
    ("first", "within", "expected"),
    [(True, True, b"whole"), (False, True, b"partial"), (True, False, b"partial")],
)
async def test_a_whole_answer_may_go_before_a_new_partial_one(
    first: bool, within: bool, expected: bytes
) -> None:
    """P1, K7: in its stale-if-error window, where the route chose so; the partial one is never kept."""
    stage = Stage(answers=[b"whole", Partial(b"partial"), b"new"])
    policy: Cached[str, bytes] = Cached(
        store=stage.store, codec=RawCodec(), lifetime=10.0, stale_if_error=20.0, stale_before_partial=first
    )
    cached = policy.wrap(stage.upstream, stage.env)
    await cached(call())
    await stage.clock.advance(15.0 if within else 40.0)

    value, record = await asked(cached, call())
    after, _ = await asked(cached, call())

    assert (value, after) == (expected, b"new")
    assert record.lookup == ("stale" if expected == b"whole" else "miss")
    assert stage.lookups()[-2:] == [record.lookup, "miss"]


async def test_an_answer_that_ended_goes_before_nothing() -> None:
    """A refusal meanwhile called it out: what is partial is what there is to say."""
    stage = Stage(answers=[b"whole"])
    policy: Cached[str, bytes] = Cached(
        store=stage.store, codec=RawCodec(), lifetime=10.0, stale_if_error=20.0, stale_before_partial=True
    )
    cached = policy.wrap(stage.upstream, stage.env)
    await cached(call())
    await stage.clock.advance(15.0)
    stage.gate = asyncio.Event()
    stage.answers = [UpstreamRejected("users.get"), Partial(b"partial")]
    refused, partial = (asyncio.ensure_future(cached(call())) for _ in range(2))
    await settle()
    stage.gate.set()

    with pytest.raises(UpstreamRejected):
        await refused
    assert await partial == b"partial"
