"""Cached, before an answer ends: renewal ahead of time, age from the start, and one answer for several processes."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from stagedoor import _context as context
from stagedoor._cache.codec import RawCodec
from stagedoor._cache.entry import Entry
from stagedoor._cache.memory import MemoryStore
from stagedoor._cache.shared import Shared
from stagedoor._cache.store import Store
from stagedoor._cache.tiered import Tiered
from stagedoor._call import Call, Env
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import NEVER
from stagedoor._events import RefreshFailed
from stagedoor.errors import ConfigError, UpstreamError, UpstreamUnavailable
from stagedoor.policies._cached import Cached, CachedSend
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.testing import Events, ManualClock, settle
from stagedoor.testing.stores import FakeServer

CALL = Call(operation="films.get", payload="p", key=b"k", identity="", deadline=NEVER, idempotent=True)


@dataclass
class Process:
    """A cache of 60 seconds that renews from the 50th on, over an upstream that takes its time."""

    clock: ManualClock
    name: str = "one"
    store: Store | None = None
    taking: float = 0.0
    fails: bool = False
    asked: int = 0
    events: Events = field(default_factory=Events)

    def __post_init__(self) -> None:
        self.env = Env(self.clock, lambda: 0.5, self.events)
        self.store = self.store or MemoryStore(env=self.env)
        policy: Cached[str, bytes] = Cached(
            store=self.store,
            codec=RawCodec(),
            lifetime=60.0,
            renew_after=50.0,
            from_start=True,
            refresh_deadline=3.0,
            storable=lambda value: value != b"private",
        )
        self.send: CachedSend[str, bytes] = policy.wrap(
            SingleFlight().wrap(self.upstream, self.env), self.env
        )
        self.says: bytes | None = None

    async def upstream(self, call: Call[str], /) -> bytes:
        self.asked += 1
        said = self.says or b"%s %d" % (self.name.encode(), self.asked)
        await self.clock.sleep(self.taking)
        if self.fails:
            raise UpstreamUnavailable(call.operation)
        return said

    async def ask(self) -> tuple[bytes, Record]:
        record = Record()
        token = context.enter(RequestContext(record=record))
        try:
            return await self.send(CALL), record
        finally:
            context.leave(token)

    async def answer(self) -> tuple[bytes, Record]:
        return await self.clock.run(self.ask())

    async def value(self) -> bytes:
        return (await self.answer())[0]


@pytest.fixture
def one() -> Process:
    return Process(ManualClock())


@pytest.fixture
async def pair() -> tuple[Process, Process]:
    """Two processes over one server, each with a memory of its own."""
    clock = ManualClock()
    server = FakeServer(clock)
    env = Env(clock, lambda: 0.5, lambda _: None)
    tiers = [Tiered(Shared(one, env=env), env=env) for one in (server, server.partner())]
    for each in tiers:
        await each.start()
    return Process(clock, "one", tiers[0]), Process(clock, "two", tiers[1])


async def test_an_answer_is_renewed_ahead_of_its_end_while_it_is_used(one: Process) -> None:
    """Contract 7: in its first 50 seconds everybody sees one answer; from then on the next is fetched behind."""
    one.taking = 1.0
    seen = [await one.value()]
    for wait in (48.9, 0.2, 1.1):  # ages 49.9, 50.1 and 51.2
        await one.clock.advance(wait)
        seen.append(await one.value())

    assert seen == [b"one 1", b"one 1", b"one 1", b"one 2"]
    assert one.asked == 2


async def test_without_traffic_nothing_is_renewed(one: Process) -> None:
    """Contract 7: while there is traffic."""
    await one.value()
    await one.clock.advance(59.9)

    assert one.asked == 1


async def test_an_answer_stands_to_its_end_where_it_cannot_be_renewed(one: Process) -> None:
    """Contract 7: and not a moment longer; the upstream that fails is asked once a second, not by every request."""
    await one.value()
    one.fails = True
    await one.clock.advance(50.0)
    for _ in range(99):  # until 59.9
        assert await one.value() == b"one 1"
        await one.clock.advance(0.1)
    tried = one.asked - 1
    await one.clock.advance(0.11)

    with pytest.raises(UpstreamUnavailable):
        await one.value()
    assert 9 <= tried <= 10
    assert len(one.events.of(RefreshFailed)) == tried


async def test_age_counts_from_when_asking_began(one: Process) -> None:
    """Contract 7: never older than 60 s, however long the upstream took."""
    one.taking = 3.0
    first = await one.answer()
    await one.clock.advance(46.0)  # age 49
    second = await one.answer()
    one.fails = True
    await one.clock.advance(10.9)  # age 59.9
    third = await one.answer()
    await one.clock.advance(0.1)

    assert first == (b"one 1", Record(lookup="miss", ttl=57.0, stored=True))
    assert second == (b"one 1", Record(hits=1, lookup="hit", ttl=11.0))
    assert (third[0], third[1].lookup) == (b"one 1", "hit")
    with pytest.raises(UpstreamError):
        await one.answer()


async def test_who_joins_a_flight_sees_the_age_of_its_start(one: Process) -> None:
    """The first of them began it."""
    one.taking = 2.0

    async def later() -> tuple[bytes, Record]:
        await one.clock.sleep(1.5)
        return await one.ask()

    first, second = await one.clock.run(asyncio.gather(one.ask(), later()))

    assert (first[1].ttl, second[1].ttl) == (58.0, 58.0)
    assert (first[0], second[0], one.asked) == (b"one 1", b"one 1", 1)


async def test_five_hundred_callers_cause_one_fetch_and_one_agreement(pair: tuple[Process, Process]) -> None:
    """K4: also where the answer has to be agreed on with others."""
    one, _ = pair
    one.taking = 0.1
    answers = await one.clock.run(asyncio.gather(*(one.ask() for _ in range(500))))
    assert isinstance(one.store, Tiered)
    server = one.store.far._server  # noqa: SLF001 - what it was asked
    assert isinstance(server, FakeServer)

    assert {value for value, _ in answers} == {b"one 1"}
    assert one.asked == 1
    assert server.asked.count("settle") == 1


async def test_processes_that_start_at_once_agree_on_one_answer(pair: tuple[Process, Process]) -> None:
    """Contract 7: one timestamp also in several processes over Redis; the first that is kept is everybody's."""
    one, two = pair
    one.taking, two.taking = 0.2, 0.1
    answers = await one.clock.run(asyncio.gather(one.ask(), two.ask()))
    later = [await process.value() for process in pair]

    assert [value for value, _ in answers] == [b"two 1", b"two 1"]
    assert (answers[0][1].lookup, answers[0][1].stored) == ("miss", True)
    assert answers[0][1].ttl == pytest.approx(59.8, abs=0.01)
    assert later == [b"two 1", b"two 1"]
    assert (one.asked, two.asked) == (1, 1)


async def test_processes_that_renew_at_once_agree_on_one_answer(pair: tuple[Process, Process]) -> None:
    """The same fifty seconds later: what is old enough is replaced once."""
    one, two = pair
    await one.value()
    await two.value()
    one.taking, two.taking = 0.2, 0.1
    await one.clock.advance(50.0)
    during = [await process.value() for process in pair]
    await one.clock.advance(0.3)
    after = [await process.value() for process in pair]

    assert during == [b"one 1", b"one 1"]
    assert after == [b"two 1", b"two 1"]


async def test_an_answer_that_another_renewed_is_taken_at_once(pair: tuple[Process, Process]) -> None:
    """From the 50th second on memory is not trusted to know the newest."""
    one, two = pair
    await one.value()
    await two.value()
    await one.clock.advance(50.0)
    await one.value()
    await one.clock.advance(0.1)

    assert await two.value() == b"one 2"
    assert two.asked == 0


async def test_the_same_object_fetched_later_is_kept_anew(one: Process) -> None:
    """K8: upstreams may answer with one object again and again, as with small numbers and True."""
    one.says = b"yes"
    await one.value()
    await one.clock.advance(60.1)
    values = [await one.answer() for _ in range(2)]

    assert [(value, record.lookup) for value, record in values] == [(b"yes", "miss"), (b"yes", "hit")]
    assert (values[0][1].ttl, one.asked) == (60.0, 2)


async def test_an_agreement_is_about_one_fetch(pair: tuple[Process, Process]) -> None:
    """K8: what another process said a minute ago is no answer to the fetch of now."""
    one, two = pair
    one.says, two.says = b"yes", b"no"
    one.taking, two.taking = 0.2, 0.1
    first = await one.clock.run(asyncio.gather(one.ask(), two.ask()))
    await one.clock.advance(61.0)

    assert [value for value, _ in first] == [b"no", b"no"]
    assert await one.value() == b"yes"


async def test_an_agreement_that_nobody_can_read_is_none(pair: tuple[Process, Process]) -> None:
    """K8: another form of the value is a miss, and is replaced."""
    one, _ = pair
    assert one.store is not None
    look = await one.store.get(one.send._policy.name_of(CALL), 60.0)  # noqa: SLF001 - the key is the policy's
    one.store.set(Entry(one.send._policy.name_of(CALL), b"{}", 60.0, "other1"), look.mark)  # noqa: SLF001
    await settle()
    values = [await one.value(), await one.value()]

    assert (values, one.asked) == ([b"one 1", b"one 1"], 1)


async def test_what_is_not_kept_is_agreed_on_with_nobody(one: Process) -> None:
    """An answer that must not be stored is its caller's own."""
    one.says = b"private"

    assert await one.ask() == (b"private", Record(lookup="miss", ttl=None, stored=False))


async def test_a_caller_that_leaves_takes_no_agreement_along(pair: tuple[Process, Process]) -> None:
    """X2: those who share the flight still get their answer, and closing waits for it."""
    one, _ = pair
    assert isinstance(one.store, Tiered)
    server = one.store.far._server  # noqa: SLF001 - the fault is the server's
    assert isinstance(server, FakeServer)
    server.lag(0.005)
    leaving, staying = (asyncio.create_task(one.send(CALL)) for _ in range(2))
    await one.clock.advance(0.006)
    leaving.cancel()
    value = await one.clock.run(staying)
    await one.send.aclose()

    assert value == b"one 1"
    assert leaving.cancelled()
    assert one.send.counts() == {"tasks": 0}


@pytest.mark.parametrize("keys", [(b"a", b"b", b"c"), (b"a", b"a", b"a")])
async def test_x4_every_agreement_is_counted_and_waited_for(
    pair: tuple[Process, Process], keys: tuple[bytes, ...]
) -> None:
    """X1, X4: also where its callers have left, and where others have begun since, for this key or another."""
    one, _ = pair
    assert isinstance(one.store, Tiered)
    server = one.store.far._server  # noqa: SLF001 - the fault is the server's
    assert isinstance(server, FakeServer)
    one.taking = 0.001
    send = CachedSend(one.send._policy, one.upstream, one.env)  # noqa: SLF001 - without flights: each has a value
    callers = []
    for key in keys:
        server.lag(0.0)
        callers.append(asyncio.create_task(send(replace(CALL, key=key))))
        await settle()
        server.lag(0.015)  # for the agreement alone
        await one.clock.advance(0.001)
    for caller in callers:
        caller.cancel()
    await settle()
    counts = dict(send.counts())
    await one.clock.run(send.aclose())

    assert counts == {"tasks": 3}
    assert send.counts() == {"tasks": 0}


@pytest.mark.parametrize("seconds", [0.0, -1.0, 60.0, 61.0])
def test_renewal_begins_within_the_lifetime(seconds: float) -> None:
    """A setting that cannot work ends the start."""
    store = MemoryStore(env=Env(ManualClock(), lambda: 0.5, lambda _: None))

    with pytest.raises(ConfigError, match="renew_after"):
        Cached[str, bytes](store=store, codec=RawCodec(), lifetime=60.0, renew_after=seconds)
