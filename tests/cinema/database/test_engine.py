"""The database seam: what holds on SQLite holds on PostgreSQL."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from cinema.database import Database, DatabaseUnavailable, engine, open_database
from cinema.database.migrate import head, is_current, migrate
from cinema.database.tables import metadata, user
from tests.servers import Server

NOON = datetime(2026, 1, 5, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'new' / 'cinema.db'}"
    return str(request.getfixturevalue("database_url"))


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """Open it, with its tables."""
    opened = open_database(url)
    await opened.write(migrate)
    yield opened
    await opened.close()


def add(connection: Connection, user_id: str = "u1") -> None:
    row = {
        "id": user_id,
        "username": "n",
        "email": "e",
        "full_name": "f",
        "is_active": True,
        "created_at": NOON,
    }
    connection.execute(insert(user), [row])


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(user)).scalar_one()


async def test_migrating_is_done_once(database: Database) -> None:
    """A start that finds the newest tables changes nothing."""
    assert await database.write(migrate) is False
    assert await database.read(is_current) is True


async def test_two_starts_at_once_migrate_once(url: str) -> None:
    """Services started side by side wait for each other instead of failing half way."""
    first, second = open_database(url), open_database(url)

    changed = await asyncio.gather(first.write(migrate), second.write(migrate))
    await first.close()
    await second.close()

    assert sorted(changed) == [False, True]


async def test_f3_a_table_that_is_changed_under_what_was_prepared_of_it_is_no_fault_of_ours(
    database_url: str,
) -> None:
    """F3: a migration while services run; a read is asked again, a write is 503 once, and both were 500."""
    database = open_database(database_url, 1)
    await database.write(migrate)
    anybody = select(user)

    def prepared(connection: Connection) -> int:
        return len(connection.execute(anybody).all())

    async def changed(kind: str) -> None:
        other = open_database(database_url, 1)
        await other.write(
            lambda made: made.exec_driver_sql(f'ALTER TABLE content."user" ALTER id TYPE {kind}')
        )
        await other.close()

    try:
        await database.write(prepared)
        await changed("varchar(200)")
        assert await database.read(prepared) == 0
        await database.write(prepared)
        await changed("text")
        with pytest.raises(DatabaseUnavailable):
            await database.write(prepared)
        assert await database.write(prepared) == 0
    finally:
        await database.close()


async def test_whoever_comes_to_a_new_file_while_another_writes_it_waits(tmp_path: Path) -> None:
    """Services started side by side: SQLite changes no journal meanwhile, and refuses at once, time-out or not."""
    first = sqlite3.connect(tmp_path / "cinema.db", isolation_level=None, check_same_thread=False)
    first.execute("CREATE TABLE t (a)")
    first.execute("BEGIN IMMEDIATE")
    ends = threading.Timer(0.1, first.rollback)
    ends.start()
    second = open_database(f"sqlite+aiosqlite:///{tmp_path / 'cinema.db'}")

    assert await second.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar()) == 1
    await second.close()
    ends.join()
    first.close()


async def test_migrations_arrive_at_the_tables_we_declare(database: Database) -> None:
    """What the code reads is what the revisions have built."""

    def difference(connection: Connection) -> list[str]:
        missing = []
        for table in metadata.sorted_tables:
            columns = connection.execute(select(table).limit(0)).keys()
            missing += [f"{table.name}.{name}" for name in table.c.keys() if name not in columns]  # noqa: SIM118
        return missing

    assert await database.read(difference) == []


def test_the_head_is_the_one_alembic_finds() -> None:
    """`is_current` reads file names instead of loading Alembic; both must agree."""
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    import cinema.database.migrations as scripts  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(scripts.__file__).parent))
    config.set_main_option("path_separator", "os")

    assert ScriptDirectory.from_config(config).get_heads() == [head()]


async def test_a_moment_comes_back_in_utc(database: Database) -> None:
    """Contract 1.3: never naive, never another zone, no digit lost."""
    await database.write(add)

    moment = await database.read(
        lambda connection: connection.execute(select(user.c.created_at)).scalar_one()
    )

    assert moment == NOON
    assert moment.tzinfo is UTC


async def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    """One transaction: all or nothing."""

    def half(connection: Connection) -> None:
        add(connection)
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(half)

    assert await database.read(count) == 0


async def test_many_reads_at_once_are_all_answered(database: Database) -> None:
    """More readers than connections wait their turn."""
    await database.write(add)

    assert await asyncio.gather(*(database.read(count) for _ in range(100))) == [1] * 100


async def test_writers_wait_for_each_other(url: str, database: Database) -> None:
    """One writer at a time on SQLite, and no `database is locked` for the others."""
    other = open_database(url)

    await asyncio.gather(
        *((database, other)[number % 2].write(partial(add, user_id=f"u{number}")) for number in range(20))
    )
    seen = await database.read(count)
    await other.close()

    assert seen == 20


@pytest.mark.parametrize("statement", ["SELEKT 1", "SELECT 1 FROM nothing_of_this_name"])
async def test_a_fault_of_ours_is_not_called_an_outage(database: Database, statement: str) -> None:
    """A wrong statement is our bug (500), and no reason to ask again (503)."""
    with pytest.raises(DBAPIError):
        await database.read(lambda connection: connection.execute(text(statement)))


async def test_a_reader_cannot_write_to_sqlite(tmp_path: Path) -> None:
    """There is one writer; a read that writes is a mistake found at once."""
    database = open_database(f"sqlite+aiosqlite:///{tmp_path / 'c.db'}")
    await database.write(migrate)

    with pytest.raises(DatabaseUnavailable, match="readonly"):
        await database.read(add)
    await database.close()


async def test_nothing_connects_before_first_use() -> None:
    """Importing and building must work where no database is."""
    database = open_database("postgresql+asyncpg://nobody@127.0.0.1:1/none")

    assert "Connections in pool: 0" in repr(database)
    with pytest.raises(DatabaseUnavailable):
        await database.read(count)
    await database.close()


async def test_reads_go_on_after_the_server_has_restarted(postgres: Server, database_url: str) -> None:
    """Dead connections in the pool are replaced, and the read that finds them is repeated."""
    database = open_database(database_url)
    await database.write(migrate)
    await asyncio.gather(*(database.read(count) for _ in range(5)))

    await asyncio.to_thread(postgres.stop)
    await asyncio.to_thread(postgres.start)
    seen = [await database.read(count) for _ in range(5)]
    await database.close()

    assert seen == [0] * 5


async def test_the_first_write_after_a_restart_is_done(postgres: Server, database_url: str) -> None:
    """F3: a write is never repeated, so it is given no connection that the server has closed."""
    database = open_database(database_url)
    await database.write(migrate)
    await asyncio.gather(*(database.read(count) for _ in range(5)))

    await asyncio.to_thread(postgres.stop)
    await asyncio.to_thread(postgres.start)
    for number in range(5):
        await database.write(partial(add, user_id=f"u{number}"))
    seen = await database.read(count)
    await database.close()

    assert seen == 5


async def test_a_statement_that_an_operator_ends_is_an_outage(database_url: str) -> None:
    """F3: `pg_terminate_backend` in the middle of a read is repeated once, of a write it is told."""
    database = open_database(database_url)

    def ended(connection: Connection) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    for way in (database.read, database.write):
        with pytest.raises(DatabaseUnavailable, match="administrator command"):
            await way(ended)
    one = await database.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one())
    await database.close()

    assert one == 1


@pytest.mark.parametrize("fault", [LookupError, AssertionError, OverflowError])
async def test_a_fault_of_the_work_itself_passes_as_it_is(database: Database, fault: type[Exception]) -> None:
    """F3: only what the driver says can mean that the database is away."""

    def failing(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))
        raise fault

    for way in (database.read, database.write):
        with pytest.raises(fault):
            await way(failing)


@pytest.mark.parametrize("how", ["read", "write"])
async def test_who_is_told_to_leave_leaves_wherever_the_statement_is(database_url: str, how: str) -> None:
    """T1: SQLAlchemy calls a cancelled statement a connection that was lost; that was asked again, and nobody left."""
    database = open_database(database_url, 1)
    work = getattr(database, how)
    await work(lambda connection: connection.execute(text("SELECT 1")).all())
    for turns in range(40):  # of the loop, each of them another await of the statement
        asking = asyncio.create_task(
            work(lambda connection: connection.execute(text("SELECT pg_sleep(0.05)")).all())
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    for seconds in (0.001, 0.01, 0.03):
        asking = asyncio.create_task(
            work(lambda connection: connection.execute(text("SELECT pg_sleep(0.05)")).all())
        )
        await asyncio.sleep(seconds)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    assert await work(lambda connection: connection.execute(text("SELECT 2")).scalar_one()) == 2
    await database.close()


async def test_e6_a_file_that_is_put_in_the_place_of_another_is_read_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E6: a backup is moved to where a process has its database open; it would go on with the file that is gone."""
    monkeypatch.setattr(engine, "_LOOK_SECONDS", 0.0)
    database, backup = (open_database(f"sqlite+aiosqlite:///{tmp_path}/{name}.db") for name in ("one", "two"))
    await database.write(migrate)
    await backup.write(migrate)
    await backup.write(add)
    await backup.close()
    before = await database.read(count)
    for rest in ("-wal", "-shm", ""):
        (tmp_path / f"one.db{rest}").unlink(missing_ok=True)
    gone = await database.read(count)
    made = (tmp_path / "one.db").exists()
    (tmp_path / "two.db").rename(tmp_path / "one.db")
    found = await database.read(count)
    await database.write(partial(add, user_id="u2"))
    await database.close()

    assert (before, gone, found) == (0, 0, 1)
    assert not made  # an empty file in the way of the backup
    assert [row["id"] for row in rows_of(tmp_path / "one.db")] == ["u1", "u2"]


def rows_of(path: Path) -> list[sqlite3.Row]:
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute("SELECT id FROM user ORDER BY id").fetchall()
