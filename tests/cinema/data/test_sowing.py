"""The first films of a catalogue, on SQLite and PostgreSQL."""

import asyncio
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select, text

from cinema.data.sowing import has_catalogue, sow_films
from cinema.database import Database, open_database
from cinema.database.migrate import migrate
from cinema.database.tables import change_log, film_work, genre, person, person_film_work


def counts(connection: Connection) -> list[int]:
    tables = (film_work, genre, person)
    return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


def log(connection: Connection) -> list[tuple[Any, ...]]:
    found = connection.execute(select(change_log.c.entity, change_log.c.op).order_by(change_log.c.seq))
    return [tuple(row) for row in found]


async def test_sowing_twice_changes_nothing(catalogue: Database) -> None:
    """A catalogue that holds anything is somebody's."""
    first = await catalogue.write(partial(sow_films, films=30))
    second = await catalogue.write(partial(sow_films, films=30))

    assert (first, second) == (30, 0)
    assert await catalogue.read(counts) == [30, 120, 60]
    assert await catalogue.read(has_catalogue) is True


async def test_the_log_says_in_one_row_that_all_is_new(catalogue: Database) -> None:
    """Millions of rows in the log would be written, read and thrown away for nothing."""
    await catalogue.write(partial(sow_films, films=30))

    assert await catalogue.read(log) == [("source", "begin"), ("source", "reload")]


async def test_changes_are_logged_again_afterwards(catalogue: Database) -> None:
    """The triggers were quiet for the load alone, and the indexes are back."""
    await catalogue.write(partial(sow_films, films=3))
    await catalogue.write(
        lambda connection: connection.execute(film_work.update().values(title="new")).rowcount
    )

    assert (await catalogue.read(log))[2:] == [("film_work", "update")] * 3


async def test_moments_come_back_as_they_went_in(catalogue: Database) -> None:
    """What the fast path writes is what the slow path would have written."""
    await catalogue.write(partial(sow_films, films=3))

    def look(connection: Connection) -> Any:
        return connection.execute(select(film_work.c.created, film_work.c.creation_date)).first()

    created, released = await catalogue.read(look)
    assert created.isoformat() == "2026-10-18T00:00:00+00:00"
    assert 1940 <= released.year <= 2014


async def test_links_are_kept_apart_by_role(catalogue: Database) -> None:
    """Contract 12: unique over film, person and role together."""
    await catalogue.write(partial(sow_films, films=300))
    pair = select(func.count()).select_from(person_film_work)
    pair = pair.group_by(person_film_work.c.film_work_id, person_film_work.c.person_id)

    assert await catalogue.read(lambda connection: max(connection.execute(pair).scalars())) > 1


async def test_indexes_are_there_again(catalogue: Database) -> None:
    """A load that forgot one would be slow for ever after."""

    def names(connection: Connection) -> set[str]:
        sqlite = "SELECT name FROM sqlite_master WHERE type = 'index'"
        postgres = "SELECT indexname FROM pg_indexes WHERE schemaname = 'content'"
        statement = sqlite if connection.dialect.name == "sqlite" else postgres
        return set(connection.execute(text(statement)).scalars())

    before = await catalogue.read(names)
    await catalogue.write(partial(sow_films, films=3))

    assert await catalogue.read(names) == before
    assert {"ix_person_film_work_person_id", "ix_genre_film_work_genre_id"} < before


async def test_postgres_knows_at_once_how_much_there_is(database_url: str) -> None:
    """Issue 15: it looks by itself after a minute, and plans until then as if each table had a few rows."""
    asked = text(
        "SELECT relname FROM pg_class WHERE relnamespace = 'content'::regnamespace AND reltuples > 0"
    )
    database = open_database(database_url, 1)
    try:
        await database.write(migrate)
        await database.write(partial(sow_films, films=300))
        known = await database.read(lambda connection: set(connection.execute(asked).scalars()))
    finally:
        await database.close()

    assert {"film_work", "genre", "person", "genre_film_work", "person_film_work"} <= known


async def test_who_seeds_an_empty_catalogue_at_the_same_time_waits_and_finds_it_full(
    database_url: str,
) -> None:
    """E8: two machines may start on one server: the second fell over the rows of the first."""
    began, opened = asyncio.Event(), open_database(database_url)
    await opened.write(migrate)

    def slowly(connection: Connection) -> int:
        added = sow_films(connection, films=3)
        began.set()
        connection.exec_driver_sql("SELECT pg_sleep(0.3)")
        return added

    async def late() -> int:
        await began.wait()
        return await opened.write(partial(sow_films, films=3))

    try:
        first, second = await asyncio.gather(opened.write(slowly), late())
    finally:
        await opened.close()

    assert (first, second) == (3, 0)
