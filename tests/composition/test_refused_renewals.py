"""An answer whose renewal is refused is over: in every tier, in every process, for every stale window."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import pytest

from stagedoor._cache.codec import HttpCodec
from stagedoor._cache.memory import MemoryStore
from stagedoor._cache.shared import Shared
from stagedoor._cache.store import Store
from stagedoor._cache.tiered import Tiered
from stagedoor._call import Call, Env
from stagedoor._deadline import NEVER
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports.statuses import refusal
from stagedoor._upstream import Upstream
from stagedoor.errors import UpstreamError, UpstreamRejected
from stagedoor.policies import Cached, SingleFlight
from stagedoor.testing import Events, ManualClock, ScriptedTransport, settle
from stagedoor.testing.stores import FakeServer

T = TypeVar("T")
Kind = Literal["memory", "shared", "tiered"]
KINDS: tuple[Kind, ...] = ("memory", "shared", "tiered")
FINAL = (400, 401, 403, 404, 405, 406, 409, 410, 414, 422, 451, 499)


@dataclass
class Truth:
    """What the upstream says at the moment."""

    status: int = 200
    letter: bytes = b"letter"
    seconds: float = 0.01

    def answer(self, call: Call[HttpRequest]) -> HttpResponse:
        said = HttpResponse(status=self.status, body=self.letter)
        refused = refusal(call.operation, said, 0.0)
        if refused is not None:
            raise refused
        return said


@dataclass
class Process:
    """A process with a cache of one kind before the upstream."""

    clock: ManualClock
    truth: Truth
    server: FakeServer
    kind: Kind
    window: str
    events: Events = field(default_factory=Events)

    def __post_init__(self) -> None:
        self.env = env = Env(self.clock, lambda: 0.5, self.events)
        script = ScriptedTransport[HttpRequest, HttpResponse](self.clock).does(
            self.truth.answer, self.truth.seconds
        )
        kept: Cached[HttpRequest, HttpResponse] = Cached(
            store=self._store(env),
            codec=HttpCodec(),
            lifetime=10.0,
            stale_while_revalidate=0.0 if self.window == "stale_if_error" else 300.0,
            stale_if_error=0.0 if self.window == "stale_while_revalidate" else 300.0,
        )
        self.upstream = Upstream("letters", script, kept, SingleFlight(), env=env)

    def _store(self, env: Env) -> Store:
        self.far = Shared(self.server, env=env)
        if self.kind == "memory":
            return MemoryStore(env=env)
        return self.far if self.kind == "shared" else Tiered(self.far, env=env)

    async def start(self) -> None:
        if self.kind != "memory":
            await self.far.start()

    async def ask(self) -> str:
        """Return the letter, or what was raised; then let everything in the background come to rest."""
        try:
            said = (await self.run(self.upstream.call("get", HttpRequest(target=b"/7")))).body.decode()
        except UpstreamError as error:
            said = type(error).__name__.removeprefix("Upstream")
        await self.run(self.clock.sleep(1.0))
        return said

    async def run(self, work: Awaitable[T]) -> T:
        return await self.clock.run(work)


@pytest.fixture(params=["stale_while_revalidate", "stale_if_error", "both"])
def window(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def process_of(
    kind: Kind, window: str, server: FakeServer, clock: ManualClock, truth: Truth
) -> Process:
    made = Process(clock, truth, server, kind, window)
    await made.start()
    return made


@pytest.fixture
async def truth() -> Truth:
    return Truth()


@pytest.fixture(params=KINDS)
async def one(
    request: pytest.FixtureRequest, clock: ManualClock, truth: Truth, window: str
) -> AsyncIterator[Process]:
    made = await process_of(request.param, window, FakeServer(clock), clock, truth)
    yield made
    await made.run(made.upstream.aclose())
    assert set(made.upstream.counts().values()) == {0}


async def refuse(process: Process, truth: Truth, status: int) -> None:
    """Let an answer be kept, and its renewal be answered with a status."""
    assert await process.ask() == "letter"
    await process.clock.advance(20.0)
    truth.status = status
    await process.ask()


@pytest.mark.parametrize("status", FINAL)
async def test_k7_what_was_refused_does_not_come_back(one: Process, truth: Truth, status: int) -> None:
    """K9, K7: not while it is renewed, not when the upstream fails later."""
    await refuse(one, truth, status)
    later = await one.ask()
    truth.status = 503

    assert (later, await one.ask()) == ("Rejected", "Unavailable")


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_k7_what_speaks_of_the_moment_ends_nothing(one: Process, truth: Truth, status: int) -> None:
    """K9, K7: too slow, too many, or broken: the answer may still stand in."""
    await refuse(one, truth, status)

    assert await one.ask() == "letter"


async def test_a_new_answer_is_kept_after_the_refusal(one: Process, truth: Truth) -> None:
    """The end is that of one answer, not of its key; an equal one is a new one."""
    await refuse(one, truth, 404)
    truth.status = 200
    again = await one.ask()
    truth.status = 503

    assert (again, await one.ask()) == ("letter", "letter")


@pytest.mark.parametrize("kind", ["shared", "tiered"])
async def test_the_end_reaches_every_process(
    clock: ManualClock, truth: Truth, window: str, kind: Kind
) -> None:
    """K9: what one process was refused, another does not give out of its memory or the shared store."""
    server = FakeServer(clock)
    one = await process_of(kind, window, server, clock, truth)
    two = await process_of(kind, window, server.partner(), clock, truth)
    three = await process_of(kind, window, server.partner(), clock, truth)
    await one.ask()
    await two.ask()
    await clock.advance(20.0)
    truth.status = 404
    await one.ask()
    truth.status = 503

    assert [await process.ask() for process in (two, three, one)] == ["Unavailable"] * 3


@pytest.mark.parametrize("fault", ["fail", "hang"])
async def test_the_end_is_told_when_the_store_is_back(
    clock: ManualClock, truth: Truth, window: str, fault: str
) -> None:
    """K9, K2: the shared store is away when the refusal comes; nobody waits for it, and nothing is forgotten."""
    server = FakeServer(clock)
    one = await process_of("tiered", window, server, clock, truth)
    two = await process_of("shared", window, server.partner(), clock, truth)
    await one.ask()
    await clock.advance(20.0)
    truth.status = 404
    getattr(server, fault)()
    await one.ask()
    during = await one.ask()
    server.heal()
    await clock.advance(2.0)
    truth.status = 503

    assert (during, await one.ask(), await two.ask()) == ("Rejected", "Unavailable", "Unavailable")


async def test_the_refusal_does_not_wait_for_the_shared_store(clock: ManualClock, truth: Truth) -> None:
    """K9, K1: from this moment nothing is given, while the store is being told."""
    server = FakeServer(clock)
    one = await process_of("tiered", "stale_if_error", server, clock, truth)
    await one.ask()
    await clock.advance(20.0)
    truth.status = 404
    asked = asyncio.ensure_future(one.upstream.call("get", HttpRequest(target=b"/7")))
    await settle()
    server.lag(0.4)
    await clock.advance(0.01)
    with pytest.raises(UpstreamError):
        await asked
    telling = one.upstream.counts()["tasks"]
    truth.status = 503
    asked = asyncio.ensure_future(one.upstream.call("get", HttpRequest(target=b"/7")))
    await settle()
    await clock.advance(0.05)

    assert (telling, type(asked.exception()).__name__) == (1, "UpstreamUnavailable")
    await one.run(one.upstream.aclose())


async def test_one_refusal_counts_for_all_who_are_asking(clock: ManualClock, truth: Truth) -> None:
    """K9: two ask at once without a flight in common; one is refused, the other's failure brings nothing back."""
    env = Env(clock, lambda: 0.5, Events())
    steps = [(0.0, 200), (0.1, 404), (0.2, 503)]

    async def send(call: Call[HttpRequest]) -> HttpResponse:
        seconds, status = steps.pop(0)
        await clock.sleep(seconds)
        truth.status = status
        return truth.answer(call)

    kept: Cached[HttpRequest, HttpResponse] = Cached(
        store=MemoryStore(env=env), codec=HttpCodec(), lifetime=10.0, stale_if_error=300.0
    )
    asked = Call("letters.get", HttpRequest(target=b"/7"), b"7", "", NEVER, True)
    caching = kept.wrap(send, env)
    await clock.run(caching(asked))
    await clock.advance(20.0)
    ends = await clock.run(asyncio.gather(caching(asked), caching(asked), return_exceptions=True))

    assert [type(end).__name__ for end in ends] == ["UpstreamRejected", "UpstreamUnavailable"]


async def test_d2_those_who_share_a_refusal_end_the_answer_once(clock: ManualClock, truth: Truth) -> None:
    """K9, K4: they come back in one tick, and the shared store is told once."""
    server = FakeServer(clock)
    process = await process_of("shared", "stale_if_error", server, clock, truth)
    await process.ask()
    await clock.advance(20.0)
    truth.status = 404
    calls = [process.upstream.call("get", HttpRequest(target=b"/7")) for _ in range(2)]
    said = await process.run(asyncio.gather(*calls, return_exceptions=True))

    assert [type(one) for one in said] == [UpstreamRejected, UpstreamRejected]
    assert server.asked.count("purge") == 1
    await process.upstream.aclose()
    await process.far.aclose()
