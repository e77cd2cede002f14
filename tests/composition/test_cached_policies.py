"""The cache over the other policies: who shares, who stores, and what an open breaker does not stop."""

import asyncio

import pytest

from stagedoor import _context as context
from stagedoor._cache.codec import RawCodec
from stagedoor._cache.memory import MemoryStore
from stagedoor._cache.tags import ALL
from stagedoor._call import Env
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import DueTime
from stagedoor._upstream import Upstream
from stagedoor.errors import CircuitOpen, UpstreamUnavailable
from stagedoor.policies._cached import Cached
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.policies._retry import Retry
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.policies._timeout import Timeout
from stagedoor.testing import Events, ManualClock, ScriptedTransport, settle

OUTAGE = UpstreamUnavailable("users.get", "refused", retryable=True)
AT_REST = {"tasks": 0, "flights": 0, "probes": 0, "waiting": 0}


class Stage:
    """Users behind a cache and what belongs under it."""

    def __init__(self, *, revalidate: float = 0.0, on_error: float = 0.0) -> None:
        self.clock = ManualClock()
        self.events = Events()
        env = Env(self.clock, lambda: 0.5, self.events)
        self.store = MemoryStore(env=env)
        self.encoded = 0
        self.script: ScriptedTransport[str, bytes] = ScriptedTransport(self.clock)
        cached: Cached[str, bytes] = Cached(
            store=self.store,
            codec=self,
            lifetime=30.0,
            stale_while_revalidate=revalidate,
            stale_if_error=on_error,
            refresh_deadline=0.5,
        )
        self.users: Upstream[str, bytes] = Upstream(
            "users",
            self.script,
            cached,
            SingleFlight(),
            Retry(),
            CircuitBreaker(),
            Timeout(attempt=0.08),
            env=env,
        )

    schema = "raw"

    def encode(self, value: bytes, /) -> bytes:
        self.encoded += 1
        return RawCodec().encode(value)

    def decode(self, body: bytes, /) -> bytes:
        return body

    async def ask(self, payload: str = "u1", *, identity: str = "") -> tuple[bytes, Record]:
        record = Record()
        deadline = DueTime(self.clock.now() + 0.18)
        token = context.enter(RequestContext(deadline=deadline, record=record, identity=identity))
        try:
            return await self.users.call("get", payload), record
        finally:
            context.leave(token)

    async def until_open(self) -> None:
        """Break the upstream, and ask for others until the breaker opens."""
        self.script.fails(OUTAGE)
        for number in range(40):
            flight = asyncio.create_task(self.ask(f"other{number}"))
            await self.clock.advance(0.05)
            with pytest.raises(UpstreamUnavailable):
                await flight
        flight = asyncio.create_task(self.ask("last"))
        await settle()
        with pytest.raises(CircuitOpen):
            await flight


async def test_k4_a_thousand_misses_make_one_call_and_one_entry() -> None:
    """K4: one is fetched, encoded and kept; all get it, and all know that it was kept."""
    stage = Stage()
    stage.script.after(0.05, b"anna")
    flights = [asyncio.create_task(stage.ask()) for _ in range(1000)]
    await stage.clock.advance(0.05)
    answers = await asyncio.gather(*flights)

    assert {value for value, _ in answers} == {b"anna"}
    assert len(stage.script.calls) == stage.encoded == stage.store.stats().items == 1
    assert sum(record.joined for _, record in answers) == 999
    assert all(record.stored and record.ttl == 30.0 for _, record in answers)
    assert stage.users.counts() == AT_REST


async def test_k4_a_leader_that_leaves_takes_nothing_along() -> None:
    """K4, D6: those who joined get the answer, and it is kept."""
    stage = Stage()
    stage.script.after(0.05, b"anna")
    leader, follower = (asyncio.create_task(stage.ask()) for _ in range(2))
    await settle()
    leader.cancel()
    await stage.clock.advance(0.05)

    assert (await follower)[0] == b"anna"
    assert (await stage.ask())[1].hits == 1


async def test_t4_no_two_identities_share_a_flight_or_an_entry() -> None:
    """T4: also when they ask at the same instant."""
    stage = Stage()
    stage.script.does(lambda call: f"{call.identity}'s".encode(), 0.05)
    flights = [asyncio.create_task(stage.ask(identity=f"user{n % 10}")) for n in range(100)]
    await stage.clock.advance(0.05)
    answers = [value for value, _ in await asyncio.gather(*flights)]

    assert answers == [b"user%d's" % (n % 10) for n in range(100)]
    assert len(stage.script.calls) == stage.store.stats().items == 10


async def test_g1_cached_answers_pass_an_open_breaker() -> None:
    """G1: the cache is asked first, and what it answers does not enter the breaker's window."""
    stage = Stage()
    stage.script.then(b"anna")
    await stage.ask()
    await stage.until_open()
    calls = len(stage.script.calls)

    assert (await stage.ask())[0] == b"anna"
    assert len(stage.script.calls) == calls


async def test_g1_k7_a_stale_answer_passes_an_open_breaker() -> None:
    """G1, K7: at once, without a call, and it says how old it is."""
    stage = Stage(on_error=60.0)
    stage.script.then(b"anna")
    await stage.ask()
    await stage.clock.advance(31.0)
    await stage.until_open()
    calls = len(stage.script.calls)
    value, record = await stage.ask()

    assert value == b"anna"
    assert record.lookup == "stale"
    assert record.stale == pytest.approx(3.0, abs=0.1)
    assert len(stage.script.calls) == calls


async def test_d1_a_renewal_ends_by_its_own_deadline() -> None:
    """D1, X1: the upstream hangs; nothing of the renewal is left when its time is over."""
    stage = Stage(revalidate=60.0)
    stage.script.then(b"anna").hangs()
    await stage.ask()
    await stage.clock.advance(31.0)
    value, record = await stage.ask()
    await settle()
    during = stage.users.counts()
    await stage.clock.advance(0.6)

    assert (value, record.stale) == (b"anna", 1.0)
    assert during["tasks"] == 1
    assert stage.users.counts() == AT_REST


async def test_x4_closing_an_upstream_ends_its_renewals() -> None:
    """X4, X6: background work ends with its owner."""
    stage = Stage(revalidate=60.0)
    stage.script.then(b"anna").hangs()
    await stage.ask()
    await stage.clock.advance(31.0)
    await stage.ask()
    await settle()
    await stage.users.aclose()

    assert stage.users.counts() == AT_REST
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("leaves", [False, True])
async def test_g4_who_joins_a_fetch_from_before_a_purge_does_not_keep_it(leaves: bool) -> None:
    """G4: the purge was known to who joined, and not to the fetch; also when who began it has left meanwhile."""
    stage = Stage()
    stage.script.after(0.05, b"old").then(b"new")
    first = asyncio.create_task(stage.ask())
    await stage.clock.advance(0.01)
    await stage.store.purge([ALL])
    second = asyncio.create_task(stage.ask())
    await settle()
    if leaves:
        first.cancel()
    await stage.clock.advance(0.05)
    joined, record = await second
    await asyncio.gather(first, return_exceptions=True)

    after, _ = await stage.ask()
    again, kept = await stage.ask()
    assert (joined, record.stored, after) == (b"old", False, b"new")
    assert (again, kept.lookup) == (b"new", "hit")
    assert not any(stage.users.counts().values())
