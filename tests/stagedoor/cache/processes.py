"""Stores of several processes over one server."""

from dataclasses import dataclass, field

from stagedoor._cache.entry import Entry
from stagedoor._cache.shared import Shared
from stagedoor._cache.tags import tag
from stagedoor._call import Env
from stagedoor._events import StoreFailed
from stagedoor.testing import Events, ManualClock
from stagedoor.testing.stores import FakeServer

FILMS = (tag("films"),)


@dataclass
class Process:
    """One process with its way to the server."""

    clock: ManualClock
    server: FakeServer
    events: Events = field(default_factory=Events)
    queue: int = 1024

    def __post_init__(self) -> None:
        self.store = Shared(self.server, env=Env(self.clock, lambda: 0.5, self.events), queue=self.queue)

    async def get(self, key: bytes = b"k") -> bytes | None:
        held = (await self.store.get(key, 30.0)).held
        return None if held is None else held.entry.body

    async def keep(self, body: bytes = b"v", key: bytes = b"k", names: tuple[bytes, ...] = ()) -> bool:
        look = await self.store.get(key, 30.0)
        stored = self.store.set(Entry(key, body, 30.0, "", names), look.mark)
        await self.store.idle()
        return stored

    def outages(self) -> list[str]:
        return [event.error for event in self.events.of(StoreFailed)]


async def started(clock: ManualClock | None = None, *, queue: int = 1024) -> Process:
    clock = clock or ManualClock()
    process = Process(clock, FakeServer(clock), queue=queue)
    await process.store.start()
    return process


async def beside(process: Process) -> Process:
    other = Process(process.clock, process.server.partner())
    await other.store.start()
    return other


def refused(server: FakeServer) -> None:
    server.fail("ConnectionRefusedError")


def loading(server: FakeServer) -> None:
    server.fail("LOADING")


def read_only(server: FakeServer) -> None:
    server.read_only("READONLY")


def out_of_memory(server: FakeServer) -> None:
    server.read_only("OOM")


FAULTS = [refused, loading, FakeServer.hang, read_only, out_of_memory]
