"""What is kept under which key, and what calls it out."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._cache.codec import RawCodec
from stagedoor._cache.entry import Entry
from stagedoor._cache.tags import ALL, key_name, tag
from stagedoor._call import Call
from stagedoor._value import MaybePartial
from stagedoor.errors import ConfigError, UpstreamRejected, UpstreamTimeout
from stagedoor.policies._cached import Cached, full_key, readable_key
from stagedoor.testing import settle
from tests.stagedoor.policies.kept import Stage, asked, call


class JsonCodec:
    schema = "json1"

    def encode(self, value: object, /) -> bytes:
        return json.dumps(value).encode()

    def decode(self, body: bytes, /) -> object:
        return json.loads(body)


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


@pytest.mark.parametrize("key", [None, lambda _: "film:\ud800"])
async def test_t6_names_that_are_no_proper_text_are_names(key: Any) -> None:
    """T6, G4: JSON may spell half of a pair, in an id as in a subject; that fails no call, and no two are equal."""
    stage = Stage()
    send = stage.cached(tags=lambda _: ["film:\ud800"], key=key)
    answers = [await send(call(identity=who)) for who in ("\ud800", "\ud801", "\ud800")]
    await stage.store.purge([tag("film:\ud800")])

    assert answers == [b"v1", b"v2", b"v1"]
    assert await send(call(identity="\ud800")) == b"v3"


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


@pytest.mark.parametrize(
    "answer", [UpstreamTimeout("users.get"), Partial(b"partial")], ids=["error", "partial"]
)
async def test_g4_what_a_purge_calls_out_meanwhile_stands_in_for_nothing(answer: Any) -> None:
    """G4: it was found before the purge, and was to be used only after it, when a new one could not be had."""
    stage = Stage(answers=[b"whole"])
    policy: Cached[str, bytes] = Cached(
        store=stage.store,
        codec=RawCodec(),
        lifetime=10.0,
        stale_if_error=20.0,
        stale_before_partial=True,
        tags=("users",),
    )
    cached = policy.wrap(stage.upstream, stage.env)
    await cached(call())
    await stage.clock.advance(15.0)
    stage.gate, stage.answers = asyncio.Event(), [answer]
    asking = asyncio.ensure_future(cached(call()))
    await settle()
    await stage.store.purge([tag("users")])
    stage.gate.set()

    said = (await asyncio.gather(asking, return_exceptions=True))[0]
    assert said is answer
