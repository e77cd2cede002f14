"""The whole cache against a map of allowed values: two processes, one shared store, and everything that happens."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stagedoor._cache.codec import RawCodec
from stagedoor._cache.shared import Shared
from stagedoor._cache.tags import key_name, tag
from stagedoor._cache.tiered import Tiered
from stagedoor._call import Call, Env
from stagedoor._deadline import NEVER
from stagedoor.errors import UpstreamUnavailable
from stagedoor.policies._cached import Cached
from stagedoor.testing import Events, ManualClock, settle
from stagedoor.testing.stores import FakeServer

pytestmark = pytest.mark.slow
LIFETIME, REVALIDATE, ON_ERROR, DEAF = 30.0, 10.0, 60.0, 5.0
HEARING = 0.5 + 0.25 + 0.1  # a probe, an interval, and some
SLOW = 0.4  # an answer is as old as its arrival
items = st.sampled_from(["a", "b"])
people = st.sampled_from(["", "anna"])
processes = st.sampled_from([0, 1])


@dataclass
class Truth:
    """What an upstream says of each item: a version that grows, told apart by who asks."""

    clock: ManualClock
    versions: dict[str, int] = field(default_factory=lambda: {"a": 0, "b": 0})
    changed: dict[tuple[str, int], float] = field(
        default_factory=dict
    )  # when a version ceased to be the newest
    down: bool = False
    slow: float = 0.0

    def change(self, item: str) -> None:
        self.changed[item, self.versions[item]] = self.clock.now()
        self.versions[item] += 1

    async def send(self, call: Call[str], /) -> bytes:
        said = f"{call.payload}/{call.identity}/{self.versions[call.payload]}".encode()
        if self.slow:
            await self.clock.sleep(self.slow)  # the answer was true when it was made
        if self.down:
            raise UpstreamUnavailable(call.operation)
        return said


class Caches(RuleBasedStateMachine):
    """Get, change, purge, break and heal, let time pass, give up; each answer must be one that is allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.truth = Truth(self.clock)
        first = FakeServer(self.clock)
        self.servers = [first, first.partner()]
        self.stores: list[Tiered] = []
        self.sends: list[Any] = []
        self.flights: list[tuple[asyncio.Future[bytes], bytes]] = []
        self.purged: dict[str, tuple[int, float]] = {}  # item -> versions below are out, and since when
        for server in self.servers:
            env = Env(self.clock, lambda: 0.5, Events())
            store = Tiered(Shared(server, env=env), env=env, deaf=DEAF)
            policy: Cached[str, bytes] = Cached(
                store=store,
                codec=RawCodec(),
                lifetime=LIFETIME,
                stale_while_revalidate=REVALIDATE,
                stale_if_error=ON_ERROR,
                tags=lambda value: [value.decode().partition("/")[0]],
                key=lambda call: f"item:{call.payload}",
            )
            self.stores.append(store)
            self.sends.append(policy.wrap(self.truth.send, env))
            self.run(store.start())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        task = self.loop.create_task(work)
        self.loop.run_until_complete(settle())
        for _ in range(200):
            if task.done():
                return task.result()
            self.loop.run_until_complete(self.clock.advance(0.05))
        raise AssertionError("an answer did not come")

    def call(self, item: str, who: str) -> Call[str]:
        return Call(
            operation="items.get",
            payload=item,
            key=item.encode(),
            identity=who,
            deadline=NEVER,
            idempotent=True,
        )

    @rule(first=processes, item=items, who=people)
    def get(self, first: int, item: str, who: str) -> None:
        """Ask one process, then the other."""
        for process in (first, 1 - first):
            self.ask(process, item, who)

    def ask(self, process: int, item: str, who: str) -> None:
        asked = self.clock.now()
        try:
            value = self.run(self.sends[process](self.call(item, who)))
        except UpstreamUnavailable:
            assert self.truth.down
            return
        name, identity, version = value.decode().split("/")
        assert (name, identity) == (item, who), "another's answer"
        ceased = self.truth.changed.get((item, int(version)))
        if ceased is not None:
            window = max(REVALIDATE, ON_ERROR if self.truth.down else 0.0)
            assert asked - ceased < LIFETIME + window + SLOW, "older than allowed"
        below, since = self.purged.get(item, (0, 0.0))
        assert int(version) >= below or asked - since < DEAF + HEARING, "a purged answer"

    @rule(process=processes, item=items, who=people, give_up=st.booleans())
    def begin(self, process: int, item: str, who: str, give_up: bool) -> None:
        """Start a look-up that goes on while other things happen, or whose caller leaves at once."""
        task = asyncio.ensure_future(self.sends[process](self.call(item, who)), loop=self.loop)
        self.flights.append((task, f"{item}/{who}/".encode()))
        self.loop.run_until_complete(settle())
        if give_up:
            task.cancel()
            self.loop.run_until_complete(asyncio.wait([task]))

    @rule(item=items)
    def change(self, item: str) -> None:
        self.truth.change(item)

    @rule(process=processes, item=items, by_key=st.booleans())
    def purge(self, process: int, item: str, by_key: bool) -> None:
        """Change an item and call it out; the process that did so sees no older answer from that moment on."""
        names = [tag(item), *([key_name(f"item:{item}".encode())] if by_key else [])]
        self.truth.change(item)
        version = self.truth.versions[item]
        if self.run(self.stores[process].purge(names)):
            self.purged[item] = (version, self.clock.now())
        if not self.truth.down:
            value = self.run(self.sends[process](self.call(item, "")))
            assert int(value.decode().split("/")[2]) >= version, "purged here, used here"

    @rule(seconds=st.sampled_from([0.3, 1.0, 6.0, 21.0]))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @rule(process=processes, kind=st.sampled_from(["kill", "hang", "lag", "OOM", "flip", "mix", "lose"]))
    def trouble(self, process: int, kind: str) -> None:
        server = self.servers[process]
        match kind:
            case "kill":
                server.fail()
            case "hang":
                server.hang()
            case "lag":
                server.lag(0.015)
            case "OOM":
                server.read_only("OOM")
            case "flip":
                server.garble(lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
            case "mix":
                others = list(server.entries().values())
                server.garble(lambda data: next((other for other in others if other != data), b""))
            case _:
                self.restart_empty()

    @rule(process=processes)
    def heal(self, process: int) -> None:
        self.servers[process].heal()

    def restart_empty(self) -> None:
        for server in self.servers:
            server.fail()
        self.servers[0].lose()
        self.loop.run_until_complete(self.clock.advance(1.0))
        for server in self.servers:
            server.heal()

    @rule(down=st.booleans(), slow=st.sampled_from([0.0, SLOW]))
    def upstream(self, down: bool, slow: float) -> None:
        self.truth.down = down
        self.truth.slow = slow

    @rule(item=items)
    def change_unseen(self, item: str) -> None:
        """Change an item right after everybody has seen it: what is kept is out of date from now on."""
        for who in ("", "anna"):
            self.get(0, item, who)
        self.truth.change(item)

    @invariant()
    def nobody_gets_anothers_answer(self) -> None:
        for task, begins in [flight for flight in self.flights if flight[0].done()]:
            self.flights.remove((task, begins))
            if not task.cancelled() and task.exception() is None:
                assert task.result().startswith(begins)

    @invariant()
    def memory_is_bounded(self) -> None:
        assert all(store.near.stats().bytes <= store.near.stats().max_bytes for store in self.stores)

    def teardown(self) -> None:
        for server in self.servers:
            server.heal()
        self.loop.run_until_complete(self.clock.advance(2.0))
        self.nobody_gets_anothers_answer()
        for send, store in zip(self.sends, self.stores, strict=True):
            self.loop.run_until_complete(send.aclose())
            self.loop.run_until_complete(store.aclose())
            assert store.counts() == {"tasks": 0, "store_operations": 0}
        assert not asyncio.all_tasks(self.loop)
        self.loop.close()


Caches.TestCase.settings = settings(stateful_step_count=40, deadline=None)
TestCaches = Caches.TestCase
