"""One writer at a time, on one machine and on several."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from cinema.database import DatabaseUnavailable, open_database
from cinema.database.engine import PostgresDatabase
from cinema.database.migrate import migrate
from cinema.etl.lock import Tell, sole_writer, sole_writer_anywhere
from cinema.etl.report import Lines
from cinema.etl.run import job_of
from cinema.indices import INDICES
from cinema.settings import Settings
from stagedoor._clock import SystemClock
from stagedoor.search.memory import MemorySearch


class Turn:
    """One writer that wants in, and what it has heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.waits = asyncio.Event()
        self.inside = asyncio.Event()
        self.leave = asyncio.Event()

    def hear(self, holder: str) -> None:
        self.heard.append(holder)
        self.waits.set()

    async def take(self, lock: AbstractAsyncContextManager[None]) -> None:
        async with lock:
            self.inside.set()
            await self.leave.wait()


async def assert_turns(first: Turn, second: Turn, one: asyncio.Task[None], two: asyncio.Task[None]) -> None:
    """Assert that the second waits, says so once, and comes in when the first has left."""
    async with asyncio.timeout(20):
        await second.waits.wait()
        was_inside = second.inside.is_set()
        first.leave.set()
        await second.inside.wait()
        second.leave.set()
        await asyncio.gather(one, two)

    assert not was_inside
    assert len(second.heard) == 1
    assert first.heard == []


async def test_one_writer_a_folder(tmp_path: Path) -> None:
    """Contract 14.7: the second waits, and says for whom."""
    path = tmp_path / "new" / "lock"
    first, second = Turn(), Turn()
    one = asyncio.create_task(first.take(sole_writer(path, SystemClock(), first.hear)))
    await first.inside.wait()
    two = asyncio.create_task(second.take(sole_writer(path, SystemClock(), second.hear)))

    await assert_turns(first, second, one, two)
    assert second.heard == [path.read_text()]


@pytest.fixture
async def machines(database_url: str) -> AsyncIterator[tuple[PostgresDatabase, PostgresDatabase]]:
    """Give one database as two machines have it."""
    opened = [open_database(database_url, 3) for _ in range(2)]
    first, second = opened
    assert isinstance(first, PostgresDatabase)
    assert isinstance(second, PostgresDatabase)
    yield first, second
    for database in opened:
        await database.close()


def anywhere(database: PostgresDatabase, tell: Tell) -> AbstractAsyncContextManager[None]:
    return sole_writer_anywhere(database, SystemClock(), tell)


async def test_one_writer_a_source(machines: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    """Contract 14.7, where several machines fill one cluster: PostgreSQL keeps them apart, and names the first."""
    first, second = Turn(), Turn()
    one = asyncio.create_task(first.take(anywhere(machines[0], first.hear)))
    await first.inside.wait()
    two = asyncio.create_task(second.take(anywhere(machines[1], second.hear)))

    await assert_turns(first, second, one, two)
    assert second.heard[0].startswith("cinema etl ")


async def test_a_writer_that_loses_its_connection_stops_and_the_next_one_begins(
    machines: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    """The lock lives with its connection: a machine that is cut off must not go on as if it had it."""
    first, second = Turn(), Turn()
    one = asyncio.create_task(first.take(anywhere(machines[0], first.hear)))
    await first.inside.wait()
    two = asyncio.create_task(second.take(anywhere(machines[1], second.hear)))
    cut = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")

    await machines[1].read(lambda connection: connection.execute(cut).all())

    async with asyncio.timeout(20):
        with pytest.raises(DatabaseUnavailable):
            await one
        await second.inside.wait()
        second.leave.set()
        await two


async def test_a_writer_that_fails_gives_the_lock_back(
    machines: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    """Its own error passes as it is, and the connection with the lock does not go back to the pool."""

    async def fail() -> None:
        async with anywhere(machines[0], print):
            raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await fail()

    async with asyncio.timeout(20), anywhere(machines[1], print):
        pass


async def test_an_etl_over_a_cluster_takes_both_locks_and_says_that_it_waits(
    database_url: str, machines: tuple[PostgresDatabase, PostgresDatabase], tmp_path: Path
) -> None:
    """Contract 14.7: one line, and then its turn."""
    await machines[0].write(migrate)
    lines: list[bytes] = []
    said = asyncio.Event()

    def write(line: bytes) -> None:
        lines.append(line)
        said.set()

    settings = Settings(
        database_url=database_url,
        search_url="http://127.0.0.1:1",
        search_dir=tmp_path,
        search_etl_state=tmp_path / "state.json",
    )
    job = job_of(settings, Lines(write, SystemClock()))
    engine = MemorySearch(INDICES, clock=SystemClock())
    first = Turn()
    one = asyncio.create_task(first.take(anywhere(machines[0], first.hear)))
    await first.inside.wait()

    async with asyncio.timeout(20):
        two = asyncio.create_task(replace(job, open_writer=lambda: engine).once())
        await said.wait()
        first.leave.set()
        await asyncio.gather(one, two)
    await job.aclose()

    told = [json.loads(line) for line in lines]
    assert [line["event"] for line in told if line["event"].startswith("etl_q")] == ["etl_queues"]
    assert told[0]["behind"].startswith("cinema etl ")
    assert two.result() == 0
