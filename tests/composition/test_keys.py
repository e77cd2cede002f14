"""Whatever stands between a caller and what compares keys: one payload is never answered with another's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import pytest

from stagedoor._cache.codec import RawCodec
from stagedoor._cache.memory import MemoryStore
from stagedoor._call import Call, Env, Policy, Send
from stagedoor._deadline import NEVER
from stagedoor._upstream import Upstream
from stagedoor.errors import ConfigError
from stagedoor.policies import Bulkhead, Cached, Deadline, Hedge, Retry, SingleFlight, Timeout
from stagedoor.policies._keys import keyed
from stagedoor.testing import ManualClock, ScriptedTransport

P = TypeVar("P")
R = TypeVar("R")
Cache = Callable[[Env], Any]


@dataclass(frozen=True)
class Around:
    """A policy of a user's own that puts others round a Send, and says nothing of keys."""

    policies: tuple[Any, ...]

    def wrap(self, send: Send[Any, bytes], env: Env, /) -> Send[Any, bytes]:
        for policy in reversed(self.policies):
            send = policy.wrap(send, env)
        return send


@dataclass(frozen=True)
class Denying(Around):
    """One that claims to need no key."""

    keyed: ClassVar[bool] = False


class Inherited(Retry):
    """One of the kit's, with a cache inside."""

    def wrap(self, send: Send[P, R], env: Env, /) -> Send[P, R]:
        return super().wrap(kept(env).wrap(send, env), env)


class Own:
    """A cache of a user's own, which reads the key as it comes."""

    def wrap(self, send: Send[Any, bytes], env: Env, /) -> Send[Any, bytes]:
        held: dict[bytes, bytes] = {}

        async def asking(call: Call[Any]) -> bytes:
            if call.key not in held:
                held[call.key] = await send(call)
            return held[call.key]

        return asking


class Keeping:
    """A transport that keeps answers itself."""

    def __init__(self, script: "ScriptedTransport[Any, bytes]", env: Env) -> None:
        self._script = script
        self.send = kept(env).wrap(script.send, env)
        self.idempotent, self.key_of, self.aclose = script.idempotent, script.key_of, script.aclose


@dataclass(frozen=True)
class Changed:
    """A policy that changes what is sent, and not the key."""

    change: Callable[[Any], Any]

    def wrap(self, send: Send[Any, bytes], env: Env, /) -> Send[Any, bytes]:
        return lambda call: send(replace(call, payload=self.change(call.payload)))


@dataclass(frozen=True)
class Marked:
    """A policy that puts something of its own into the key."""

    mark: bytes

    def wrap(self, send: Send[Any, bytes], env: Env, /) -> Send[Any, bytes]:
        return lambda call: send(replace(call, key=call.key + self.mark))


def kept(env: Env, **more: Any) -> "Cached[Any, Any]":
    return Cached(store=MemoryStore(env=env), codec=RawCodec(), lifetime=30.0, **more)


def script_of(clock: ManualClock) -> "ScriptedTransport[Any, bytes]":
    """Answer with what was sent, after a while in which equal calls would meet."""
    return ScriptedTransport[Any, bytes](clock).does(lambda call: repr(call.payload).encode(), 0.01)


def readable(call: Call[Any]) -> str:
    return f"user:{call.key.hex()}"


def joined(_: Env) -> SingleFlight:
    return SingleFlight()


def stacks(env: Env) -> dict[str, tuple[Any, ...]]:
    return {
        "cached": (kept(env),),
        "coalesced": (joined(env),),
        "cached inside": (Around((kept(env),)),),
        "coalesced inside": (Around((joined(env),)),),
        "both, twice inside": (Around((Around((kept(env), joined(env))),)),),
        "a name made of the key": (Around((kept(env, key=readable),)),),
        "a name made of the key, denied": (Denying((kept(env, key=readable),)),),
        "both, denied": (Denying((kept(env), joined(env))),),
        "among others": (Deadline(), Denying((Timeout(attempt=1.0), joined(env)))),
        "hedged": (Hedge(delay=0.005), Denying((kept(env),))),
        "inherited": (Bulkhead(), Inherited()),
        "a cache of one's own": (Around((Own(),)),),
    }


NAMES = (
    "cached", "coalesced", "cached inside", "coalesced inside", "both, twice inside", "a name made of the key",
    "a name made of the key, denied", "both, denied", "among others", "hedged", "inherited", "a cache of one's own",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
async def test_t6_whoever_wraps_a_cache_each_payload_gets_its_own_answer(
    env: Env, clock: ManualClock, name: str
) -> None:
    """K10, T6: side by side and one after the other; a key is there whenever somebody inside reads it."""
    upstream = Upstream("users", script_of(clock), *stacks(env)[name], env=env)
    calls = [upstream.call("get", payload) for payload in (1, 2, 1, 2)]
    answers = await clock.run(asyncio.gather(*calls))
    again = [await clock.run(upstream.call("get", payload)) for payload in (2, 1)]

    assert (answers, again) == ([b"1", b"2", b"1", b"2"], [b"2", b"1"])


async def test_t6_a_transport_that_keeps_answers_tells_payloads_apart(env: Env, clock: ManualClock) -> None:
    """K10, T6: the cache stands where no policy can announce it."""
    script = script_of(clock)
    upstream = Upstream("users", Keeping(script, env), Deadline(), env=env)
    answers = [await clock.run(upstream.call("get", payload)) for payload in (1, 2, 1)]

    assert (answers, len(script.calls)) == ([b"1", b"2", b"1"], 2)


@pytest.mark.parametrize("inside", [(), (Deadline(limit=1.0), Hedge(delay=0.5))])
@pytest.mark.parametrize("cache", [kept, joined])
async def test_t4_the_key_is_that_of_what_is_really_sent(
    env: Env, clock: ManualClock, inside: tuple[Policy[Any, bytes], ...], cache: Cache
) -> None:
    """K10, T4: a policy outside the cache changes the payload, by something that only it knows."""
    spoken = ["de", "fr", "de", "fr"]
    speaking = Changed(lambda payload: (payload, spoken.pop(0)))
    upstream = Upstream("users", script_of(clock), speaking, *inside, cache(env), env=env)
    answers = await clock.run(asyncio.gather(*[upstream.call("get", 1) for _ in range(3)]))
    later = await clock.run(upstream.call("get", 1))

    assert [*answers, later] == [b"(1, 'de')", b"(1, 'fr')", b"(1, 'de')", b"(1, 'fr')"]


@pytest.mark.parametrize("around", [Around, Denying])
async def test_t4_what_a_policy_adds_to_the_key_counts(
    env: Env, clock: ManualClock, around: Callable[[tuple[Any, ...]], Any]
) -> None:
    """K10, T4: of two upstreams with one cache, each with a mark of its own, also where the payload is changed too."""
    script, cache = script_of(clock), kept(env)
    same = Changed(lambda payload: (payload,))
    for mark in (b"a", b"b"):
        upstream = Upstream("users", script, around((Marked(mark), same, cache)), env=env)
        for payload in (1, 2, 1):
            await clock.run(upstream.call("get", payload))

    assert [call.payload for call in script.calls] == [(1,), (2,), (1,), (2,)]


@pytest.mark.parametrize("policy", [kept, joined])
async def test_a_call_without_a_key_is_an_error(env: Env, clock: ManualClock, policy: Cache) -> None:
    """K10: two of them would be equal, whatever they carry."""
    script = script_of(clock)
    send = policy(env).wrap(script.send, env)
    bare = Call(operation="users.get", payload=1, key=b"", identity="", deadline=NEVER, idempotent=True)
    with pytest.raises(ConfigError, match=r"users\.get: the call has no key"):
        await send(bare)

    assert script.calls == []


async def test_a_cache_with_keys_of_its_own_needs_no_other(env: Env, clock: ManualClock) -> None:
    """A readable key is made of the payload; a call made by hand may have none."""
    send = kept(env, key=lambda call: f"user:{call.payload}").wrap(script_of(clock).send, env)
    calls = [Call("users.get", payload, b"", "", NEVER, True) for payload in (1, 2, 1)]

    assert [await clock.run(send(call)) for call in calls] == [b"1", b"2", b"1"]


def test_a_transport_that_makes_no_key_is_an_error() -> None:
    """K10: an empty key is a missing one."""
    call = Call("users.get", 1, b"", "", NEVER, True, key_of=lambda _: b"")
    with pytest.raises(ConfigError, match="no key"):
        keyed(call)


@pytest.mark.parametrize("odd", ["user:1", bytearray(b"1"), memoryview(b"1"), 1])
def test_a_key_that_is_not_bytes_is_an_error_that_says_so(odd: Any) -> None:
    """K10: it failed with a word of Python's for each policy, or was joined with what is no equal of it."""
    own: Call[int] = Call("users.get", 1, odd, "", NEVER, True)
    made: Call[int] = Call("users.get", 1, b"", "", NEVER, True, key_of=lambda _: odd)
    for call in (own, made):
        with pytest.raises(ConfigError, match="is bytes, not"):
            keyed(call)


@pytest.mark.parametrize("odd", [b"user:1", None, 1])
async def test_a_readable_key_that_is_no_text_is_an_error_that_says_so(env: Env, odd: Any) -> None:
    """K10: `key=lambda call: b"k"` ended in "no attribute 'encode'"."""
    send = kept(env, key=lambda _: odd).wrap(script_of(ManualClock()).send, env)

    with pytest.raises(ConfigError, match="returns a str, not"):
        await send(Call("users.get", 1, b"k", "", NEVER, True))


def test_a_key_is_made_once() -> None:
    """Who asks next gets the same call."""
    call = keyed(Call("users.get", 1, b"", "", NEVER, True, key_of=lambda payload: b"%d" % payload))

    assert (call.key, keyed(call) is call) == (b"1", True)
