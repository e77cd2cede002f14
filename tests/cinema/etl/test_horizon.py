"""What holds changes back on PostgreSQL, what does not, and what is told of it while they wait (contracts 14.2, 15)."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from cinema.database import Database, open_database
from cinema.database.migrate import migrate
from stagedoor._clock import SystemClock
from stagedoor.search import WriterError
from tests.cinema.etl.sources import FILMS, GENRES, Bench, plant
from tests.servers import Server, create_database


@pytest.fixture
async def bench(database_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Give an ETL over four films in PostgreSQL, all indexed."""
    database: Database = open_database(database_url)
    await database.write(migrate)
    await database.write(plant)
    bench = Bench(database, tmp_path, database_url, clock=SystemClock())
    await bench.run()
    yield bench
    await database.close()


@asynccontextmanager
async def writing(url: str, statement: str, name: str = "") -> AsyncIterator[asyncpg.Connection]:
    """Keep a transaction open that has done this, and undo it."""
    plain = url.replace("postgresql+asyncpg", "postgresql")
    connection = await asyncpg.connect(plain, server_settings={"application_name": name})
    try:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await connection.execute(statement)
        yield connection
    finally:
        await connection.close()


async def rename(bench: Bench, title: str) -> None:
    await bench.write(f"UPDATE content.film_work SET title = '{title}' WHERE id = '{FILMS[0]}'")


def warnings(bench: Bench) -> list[dict[str, object]]:
    told = [json.loads(line) for line in bench.lines]
    return [line for line in told if line["event"] == "etl_held_up"]


OPEN = "UPDATE content.person SET full_name = 'open'"


async def test_e5_a_transaction_of_another_database_holds_nothing_back(
    bench: Bench, postgres: Server
) -> None:
    """Contract 14.2: it cannot write here, however long it stays open."""
    other = create_database(postgres, f"other_{uuid4().hex}")
    async with writing(other, "CREATE TABLE t (x int)"):
        await rename(bench, "New")
        await bench.run()

        await bench.assert_equal()
        assert warnings(bench) == []


async def test_e5_a_prepared_transaction_of_another_database_holds_nothing_back(
    bench: Bench, postgres: Server
) -> None:
    """Contract 14.2: no more than an open one does."""
    other, gid = create_database(postgres, f"other_{uuid4().hex}"), uuid4().hex
    async with writing(other, "CREATE TABLE t (x int)") as connection:
        await connection.execute(f"PREPARE TRANSACTION '{gid}'")
        await rename(bench, "New")
        await bench.run()
        await connection.execute(f"ROLLBACK PREPARED '{gid}'")

    await bench.assert_equal()


async def test_e5_a_reader_with_a_snapshot_holds_nothing_back(bench: Bench) -> None:
    """Contract 14.2: what has written nothing has nothing to commit."""
    async with writing(bench.url, "SELECT count(*) FROM content.film_work"):
        await rename(bench, "New")
        await bench.run()

        await bench.assert_equal()


async def test_e5_who_may_see_little_passes_nothing_over(bench: Bench, database_url: str) -> None:
    """Contract 14.2: an ETL with few rights knows of the transactions of others all the same."""
    role = f"low_{uuid4().hex}"
    await bench.write(f"CREATE ROLE {role} LOGIN")
    await bench.write(f"GRANT USAGE ON SCHEMA content TO {role}")
    await bench.write(f"GRANT SELECT ON ALL TABLES IN SCHEMA content TO {role}")
    low = open_database(database_url.replace("postgres@", f"{role}@"))
    reader = replace(bench, database=low)
    try:
        async with writing(bench.url, OPEN, "shop") as early:
            await rename(bench, "New")
            await reader.run()
            await early.execute("COMMIT")
        await reader.run()
    finally:
        await low.close()

    told = {json.loads(line)["event"] for line in bench.lines}
    assert warnings(bench)[0]["application_name"] == "shop"
    assert "etl_not_pruned" in told  # which it may not
    await bench.assert_equal()


async def test_e5_the_lag_grows_while_a_transaction_holds_changes_back(bench: Bench) -> None:
    """Contract 15: from the moment of the change, in every index it will reach; the warning names who it is."""
    async with writing(bench.url, OPEN, "shop") as holding:
        await rename(bench, "Waits")
        written = await bench.run()
        behind = bench.manifest().behind
        (told,) = warnings(bench)
        pid = holding.get_server_pid()

    assert written == 0
    assert set(behind) == {"movies", "persons"}
    assert 0 <= bench.clock.wall() - behind["movies"] < 10
    assert (told["level"], told["pid"], told["application_name"]) == ("WARNING", pid, "shop")
    assert str(told["since"]).endswith("+00:00")
    assert await bench.run() > 0
    assert bench.manifest().behind == {}
    assert bench.manifest().lags["movies"] > 0
    await bench.assert_equal()


async def test_e5_a_prepared_transaction_is_named_by_its_gid(bench: Bench) -> None:
    """Contract 14.2: it belongs to no session, and holds changes back until somebody decides."""
    gid = uuid4().hex
    async with writing(bench.url, OPEN) as connection:
        await connection.execute(f"PREPARE TRANSACTION '{gid}'")
        await rename(bench, "Waits")
        await bench.run()
        held = await bench.held("movies")
        await connection.execute(f"COMMIT PREPARED '{gid}'")

    await bench.run()

    assert held[FILMS[0]]["title"] == "Film 0"
    assert [line["gid"] for line in warnings(bench)] == [gid]
    await bench.assert_equal()


async def test_e5_changes_of_both_sides_of_an_obstacle_arrive_once(bench: Bench) -> None:
    """Contract 14.2: those of before are read while it lasts, those behind it when it has ended."""
    await rename(bench, "Before")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(writing(bench.url, OPEN))
        await bench.write(f"UPDATE content.genre SET name = 'After' WHERE id = '{GENRES[0]}'")
        await bench.run()
        titles, genres = await bench.held("movies"), await bench.held("genres")

    await bench.run()

    assert titles[FILMS[0]]["title"] == "Before"
    assert genres[GENRES[0]]["name"] == "Genre 0"
    assert await bench.run() == 0
    await bench.assert_equal()


async def test_e5_the_lag_grows_while_the_index_is_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 15: what waits is told before the index is asked for anything."""
    await rename(bench, "Waits")

    async def away(name: str) -> str | None:
        raise WriterError(f"{name} is away", retryable=True)

    monkeypatch.setattr(bench.engine, "current", away)
    with pytest.raises(WriterError):
        await bench.run()

    assert set(bench.manifest().behind) == {"movies", "persons"}
