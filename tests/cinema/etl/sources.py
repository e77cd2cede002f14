"""A small catalogue to change, and an ETL over it that a test runs pass by pass."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from cinema.data.rows import SNAPSHOT, Rows
from cinema.database import Database, open_database
from cinema.database.bulk import fill
from cinema.etl.changes import ChangeLog
from cinema.etl.extract import PIPELINES, IndexPipeline
from cinema.etl.feed import Feed
from cinema.etl.load import Loader
from cinema.etl.manifest import Manifest, read_manifest
from cinema.etl.passes import Etl, clear, found, update
from cinema.etl.purge import Invalidator, WithManifest
from cinema.etl.rebuild import rebuild
from cinema.etl.report import Lines
from cinema.etl.retrying import Retrying
from cinema.etl.unread import Unread
from cinema.indices import INDICES
from stagedoor._call import Call, Env
from stagedoor._clock import Clock
from stagedoor._deadline import DueTime
from stagedoor.search import Document, Engine, Query, Writer
from stagedoor.search.memory import MemorySearch
from stagedoor.testing.clock import ManualClock

T = TypeVar("T")

FILMS = [f"f{number:07}-0000-4000-8000-000000000000" for number in range(4)]
GENRES = [f"e{number:07}-0000-4000-8000-000000000000" for number in range(2)]
PEOPLE = [f"a{number:07}-0000-4000-8000-000000000000" for number in range(4)]


def link(number: int) -> str:
    return f"d{number:07}-0000-4000-8000-000000000000"


def small() -> Iterable[Rows]:
    """Return four films; the last has neither genres nor people, and the last person has no film."""
    when = SNAPSHOT
    yield Rows("genre", [(key, f"Genre {place}", None, when, when) for place, key in enumerate(GENRES)])
    yield Rows("person", [(key, f"Person {place}", when, when) for place, key in enumerate(PEOPLE)])
    ratings = (9.0, 7.0, 7.0, None)
    yield Rows(
        "film_work",
        [
            (key, f"Film {place}", None, None, rating, "movie", None, None, when, when)
            for place, (key, rating) in enumerate(zip(FILMS, ratings, strict=True))
        ],
    )
    genres = [(0, 0), (1, 0), (1, 1), (2, 1)]
    yield Rows(
        "genre_film_work",
        [(link(place), GENRES[genre], FILMS[film], when) for place, (film, genre) in enumerate(genres)],
    )
    people = [(0, 0, "actor"), (0, 0, "writer"), (0, 1, "director"), (1, 1, "actor"), (2, 2, "actor")]
    yield Rows(
        "person_film_work",
        [
            (link(10 + place), PEOPLE[person], FILMS[film], role, when)
            for place, (film, person, role) in enumerate(people)
        ],
    )


@dataclass
class Bench:
    """An ETL over a source; each `run` is one pass with nothing kept from the one before but what is stored."""

    database: Database
    folder: Path
    url: str = ""
    clock: Clock = field(default_factory=ManualClock)
    feed: Feed | None = None
    invalidator: Invalidator | None = None
    engine: Any = None
    batch: int = 2
    apart_from: int = 20_000
    lines: list[bytes] = field(default_factory=list)
    losses: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = self.engine or MemorySearch(INDICES, clock=self.clock)

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    def manifest(self) -> Manifest:
        return read_manifest(self.folder / "batch.json")

    async def write(self, statement: str, **values: object) -> None:
        """Change the source as any program would."""
        await self.database.write(lambda connection: run_sql(connection, statement, values))

    def etl(self) -> Etl:
        env = Env(self.clock, lambda: 0.0, lambda _: None)
        retrying = Retrying(env, lambda _, error, __: self.losses.append(error))
        return Etl(
            self.database,
            partial(open_database, self.url, mapped=True),
            self.feed or ChangeLog(self.clock),
            self.invalidator or WithManifest(self.folder / "batch.json"),
            retrying,
            Lines(self.lines.append, self.clock),
            self.state,
            self.batch,
            self.apart_from,
        )

    async def run(self, *, anew: bool = False) -> int:
        """Make one pass; return how many documents were written."""
        etl, writer = self.etl(), self.writer()
        loader = Loader(writer, etl.retrying, etl.report)
        state, _, source = await found(etl, writer)
        if state is None or anew:
            state = await rebuild(etl, loader, source, state.position if state else None)
        else:
            loader.set_aside.update(state.set_aside)
            await clear(writer)
        await update(etl, loader, state)
        return loader.written.total()

    def writer(self) -> Writer:
        writer: Writer = self.engine
        return writer

    async def held(self, index: str) -> dict[str, Document]:
        """Return what the index holds, by id."""
        return await documents_in(self.engine, index, self.clock)

    async def assert_equal(self) -> None:
        """Assert that the index equals the source."""
        for pipeline in PIPELINES:
            wanted = await self.database.read(partial(whole, pipeline=pipeline))
            assert await self.held(pipeline.name) == wanted, pipeline.name


async def documents_in(engine: Engine, index: str, clock: Clock) -> dict[str, Document]:
    call = Call(
        operation="search.all",
        payload=Query(index=index, limit=10_000),
        key=b"",
        identity="",
        deadline=DueTime(clock.now() + 60),
        idempotent=True,
    )
    result = await engine.send(call)
    return {document["id"]: document for document in result.documents}


def whole(connection: Connection, pipeline: IndexPipeline) -> dict[str, Document]:
    """Return every document of a pipeline as the source has it, by id, without what an index need not keep.

    Rows that cannot be read are left out.
    """
    found: dict[str, Document] = {}
    for span in pipeline.spans(connection, 500):
        for document in pipeline.page(connection, span):
            if isinstance(document, Unread):
                continue
            kept = {name: value for name, value in document.items() if name not in pipeline.index.unkept}
            found[document["id"]] = kept
    return found


def run_sql(connection: Connection, statement: str, values: dict[str, Any]) -> None:
    """Run SQL written for both databases: `content.` stands before tables on PostgreSQL only."""
    if connection.dialect.name == "sqlite":
        statement = statement.replace("content.", "")
    connection.execute(text(statement), values)


def plant(connection: Connection) -> None:
    fill(connection, small())


Work = Callable[[Connection], T]
