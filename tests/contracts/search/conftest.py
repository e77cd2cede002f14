"""Every engine, empty or with one library of films that tests only read."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stagedoor._call import Env
from stagedoor._clock import SystemClock
from stagedoor._transports.http import HttpTransport
from stagedoor._upstream import Upstream
from stagedoor.search import Document, Engine, Index, Put, Query, Result, Writer
from stagedoor.search.elastic import ElasticEngine, ElasticWriter
from stagedoor.search.memory import MemorySearch
from stagedoor.search.tantivy import TantivyEngine, TantivyOptions, TantivyWriter
from stagedoor.testing import Events, call_of
from tests.contracts.search.films import films, index_named
from tests.kinds import kinds

NODES = [
    pytest.param(name, marks=[pytest.mark.xdist_group("search nodes"), pytest.mark.timeout(400)])
    for name in kinds("opensearch", "elasticsearch")
]
KINDS = ["memory", "tantivy", *NODES]


@dataclass
class House:
    """One engine and its writer, over one index."""

    kind: str
    index: Index
    engine: Engine
    writer: Writer

    async def fill(self, documents: list[Document]) -> str:
        """Put documents into a new version and let the index's name stand for it."""
        version = await self.writer.create(self.index)
        assert await self.writer.write(version, [Put(document) for document in documents]) == ()
        await self.writer.commit(version)
        await self.writer.switch(self.index.name, version)
        await self.engine.reload()
        return version

    async def ask(self, query: Query) -> Result:
        """Answer a query."""
        return await self.engine.send(call_of(query, operation="search.test"))


@asynccontextmanager
async def opened(kind: str, index: Index, place: object) -> AsyncIterator[House]:
    """Open an engine at its place: a folder, an address, or the engine in memory itself."""
    async with AsyncExitStack() as stack:
        if isinstance(place, MemorySearch):
            yield House(kind, index, place, place)
            return
        if isinstance(place, Path):
            engine: Engine = TantivyEngine(place, [index], options=TantivyOptions(look=0))
            writer: Writer = TantivyWriter(place, [index])
        else:
            env = Env(SystemClock(), lambda: 0.5, Events())
            # So short that the pages of 400 films lie between landmarks.
            engine = ElasticEngine(HttpTransport(str(place), connect_timeout=5), [index], stretch=16)
            writer = ElasticWriter(
                Upstream("nodes", HttpTransport(str(place), connect_timeout=5), env=env), [index]
            )
        stack.push_async_callback(writer.aclose)
        stack.push_async_callback(engine.aclose)
        yield House(kind, index, engine, writer)


def place_of(kind: str, index: Index, request: pytest.FixtureRequest) -> object:
    """Return where an engine of a kind may keep an index."""
    if kind == "memory":
        return MemorySearch([index])
    if kind == "tantivy":
        factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        return factory.mktemp("index")
    return request.getfixturevalue(kind).url


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
async def house(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Give an engine without any index."""
    index = index_named(f"films{uuid.uuid4().hex}")
    async with opened(kind, index, place_of(kind, index, request)) as house:
        yield house


@pytest.fixture(scope="session")
def places() -> dict[str, tuple[Index, object]]:
    """Remember where each engine has its library."""
    return {}


@pytest.fixture
async def library(
    kind: str, places: dict[str, tuple[Index, object]], request: pytest.FixtureRequest
) -> AsyncIterator[House]:
    """Give an engine with the library: 400 films, written once a run."""
    fresh = kind not in places
    if fresh:
        index = index_named(f"library{uuid.uuid4().hex}")
        places[kind] = index, place_of(kind, index, request)
    index, place = places[kind]
    async with opened(kind, index, place) as house:
        if fresh:
            await house.fill(films(400, seed=1))
        yield house
