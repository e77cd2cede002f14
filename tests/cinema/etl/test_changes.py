"""The log on PostgreSQL: nothing of an open transaction is passed over, however the numbers fall."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from cinema.database import Database, open_database
from cinema.database.migrate import migrate
from tests.cinema.etl.sources import FILMS, GENRES, PEOPLE, Bench, plant


@pytest.fixture
async def bench(database_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Give an ETL over four films in PostgreSQL, all indexed."""
    database: Database = open_database(database_url)
    await database.write(migrate)
    await database.write(plant)
    bench = Bench(database, tmp_path)
    await bench.run()
    yield bench
    await database.close()


@asynccontextmanager
async def program(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Connect the way another program does."""
    connection = await asyncpg.connect(database_url.replace("postgresql+asyncpg", "postgresql"))
    try:
        yield connection
    finally:
        await connection.close()


async def title(bench: Bench, film: str) -> object:
    return (await bench.held("movies"))[film]["title"]


async def test_a_late_commit_with_an_early_number_is_not_passed_over(bench: Bench, database_url: str) -> None:
    """Contract 14.2: the first transaction to write is the last to commit."""
    async with program(database_url) as early, program(database_url) as late:
        slow = early.transaction()
        await slow.start()
        await early.execute("UPDATE content.film_work SET title = 'slow' WHERE id = $1", FILMS[0])
        await late.execute("UPDATE content.film_work SET title = 'fast' WHERE id = $1", FILMS[1])

        await bench.run()
        await slow.commit()
        await bench.run()

    assert await title(bench, FILMS[0]) == "slow"
    assert await title(bench, FILMS[1]) == "fast"
    await bench.assert_equal()


async def test_a_late_number_of_an_early_transaction_is_not_passed_over(
    bench: Bench, database_url: str
) -> None:
    """Numbers and transactions may be in opposite order; a position by numbers alone would lose the second."""
    async with program(database_url) as first, program(database_url) as second:
        one, two = first.transaction(), second.transaction()
        await one.start()
        await first.execute("SELECT pg_current_xact_id()")
        await two.start()
        await second.execute("UPDATE content.film_work SET title = 'two' WHERE id = $1", FILMS[1])
        await first.execute("UPDATE content.film_work SET title = 'one' WHERE id = $1", FILMS[0])
        await one.commit()
        await bench.run()
        await two.commit()
        await bench.run()

    assert (await title(bench, FILMS[0]), await title(bench, FILMS[1])) == ("one", "two")


async def test_a_rebuild_misses_no_open_transaction(bench: Bench, database_url: str) -> None:
    """What was written before the rebuild and is committed after it comes by the log."""
    async with program(database_url) as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("UPDATE content.person SET full_name = 'open' WHERE id = $1", PEOPLE[0])
        await bench.run(anew=True)
        await transaction.commit()

        await bench.run()

    await bench.assert_equal()


async def test_what_is_undone_changes_nothing(bench: Bench, database_url: str) -> None:
    """A transaction that fails takes its rows of the log with it."""
    async with program(database_url) as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("DELETE FROM content.genre WHERE id = $1", GENRES[0])
        await transaction.rollback()

    assert await bench.run() == 0


@pytest.mark.parametrize("seed", range(3))
async def test_random_transactions_all_arrive(bench: Bench, database_url: str, seed: int) -> None:
    """Four programs write, wait, commit or undo at random while passes go on; in the end nothing is missing."""
    rng = random.Random(seed)

    async def writing(number: int) -> None:
        async with program(database_url) as other:
            for step in range(12):
                transaction = other.transaction()
                await transaction.start()
                film = FILMS[rng.randrange(len(FILMS))]
                name = f"{number}-{step}"
                await other.execute("UPDATE content.film_work SET title = $1 WHERE id = $2", name, film)
                await asyncio.sleep(rng.random() * 0.004)  # a race between real processes has no other clock
                await (transaction.commit() if rng.random() < 0.8 else transaction.rollback())

    async def passing() -> None:
        while not done.is_set():
            await bench.run()

    done = asyncio.Event()
    passes = asyncio.create_task(passing())
    await asyncio.gather(*(writing(number) for number in range(4)))
    done.set()
    await passes
    await bench.run()

    await bench.assert_equal()


async def test_more_documents_at_once_than_values_in_a_statement_are_read(bench: Bench) -> None:
    """A genre with 40,000 films is renamed, for instance; PostgreSQL takes 32,767 values at a time."""
    bench.batch = 100_000
    many = {f"movies/{uuid4()}": "reason" for _ in range(40_000)}
    bench.state.write_text(json.dumps({**json.loads(bench.state.read_text()), "set_aside": many}))

    await bench.run()

    assert json.loads(bench.state.read_text())["set_aside"] == {}
    await bench.assert_equal()
