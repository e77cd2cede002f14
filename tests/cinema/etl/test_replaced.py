"""Rows that go without a DELETE: replaced on SQLite, or in a session whose triggers hold still on PostgreSQL."""

import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import datetime
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

import cinema.database.migrations.versions
from cinema.database import open_database
from cinema.database.migrate import migrate, upgrade
from tests.cinema.etl.sources import FILMS, GENRES, PEOPLE, Bench, link, plant

NOW = "2026-01-05 10:00:00+00:00"
NEW = link(99)
ROLES = ("actor", "director", "writer")
SCRIPTS = Path(cinema.database.migrations.versions.__file__).parents[1]


@asynccontextmanager
async def benched(folder: Path, revision: str = "head") -> AsyncIterator[Bench]:
    """Give an ETL over four films in SQLite, all indexed."""
    database = open_database(f"sqlite+aiosqlite:///{folder}/cinema.db")
    await database.write(lambda connection: upgrade(connection, revision))
    await database.write(plant)
    bench = Bench(database, folder / "etl")
    await bench.run()
    try:
        yield bench
    finally:
        await database.close()


def run_by_another(folder: Path, statement: str, *pragmas: str) -> None:
    """Run a statement the way another program does, whose connection has settings of its own."""
    with closing(sqlite3.connect(folder / "cinema.db", isolation_level=None)) as connection:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(statement)


FILM = "film_work (id, title, type, created, modified) VALUES"
PERSON_LINK = "person_film_work (id, person_id, film_work_id, role, created) VALUES"
GENRE_LINK = "genre_film_work (id, genre_id, film_work_id, created) VALUES"
STATEMENTS = {
    "a genre of a name that is taken": f"REPLACE INTO genre VALUES ('{NEW}', 'Genre 0', NULL, '{NOW}', '{NOW}')",
    "a genre renamed to one that is there": f"UPDATE OR REPLACE genre SET name = 'Genre 0' WHERE id = '{GENRES[1]}'",
    "two genres of one name in one statement": "REPLACE INTO genre VALUES "
    f"('{NEW}', 'Genre 0', NULL, '{NOW}', '{NOW}'), ('{link(98)}', 'Genre 0', 'x', '{NOW}', '{NOW}')",
    "a link of people by its id": f"REPLACE INTO {PERSON_LINK} "
    f"('{link(10)}', '{PEOPLE[3]}', '{FILMS[3]}', 'actor', '{NOW}')",
    "a link of people by its ends": f"REPLACE INTO {PERSON_LINK} "
    f"('{NEW}', '{PEOPLE[0]}', '{FILMS[0]}', 'actor', '{NOW}')",
    "a link of people by its id and by its ends at once": f"REPLACE INTO {PERSON_LINK} "
    f"('{link(10)}', '{PEOPLE[2]}', '{FILMS[2]}', 'actor', '{NOW}')",
    "a link of people by its rowid": "REPLACE INTO person_film_work "
    "(rowid, id, person_id, film_work_id, role, created) "
    f"VALUES (1, '{NEW}', '{PEOPLE[3]}', '{FILMS[3]}', 'actor', '{NOW}')",
    "a link of genres by its id": f"REPLACE INTO {GENRE_LINK} ('{link(0)}', '{GENRES[1]}', '{FILMS[3]}', '{NOW}')",
    "a link that takes the id of another": f"UPDATE OR REPLACE genre_film_work SET id = '{link(0)}' "
    f"WHERE id = '{link(3)}'",
    "a link that takes the rowid of another": "UPDATE OR REPLACE person_film_work SET rowid = 1 WHERE rowid = 5",
    "a link that becomes another": f"UPDATE OR REPLACE person_film_work SET role = 'writer' WHERE id = '{link(10)}'",
    "a film": f"REPLACE INTO {FILM} ('{FILMS[0]}', 'Replaced', 'movie', '{NOW}', '{NOW}')",
    "a person": f"REPLACE INTO person VALUES ('{PEOPLE[0]}', 'Replaced', '{NOW}', '{NOW}')",
    "a film that takes the id of another": f"UPDATE OR REPLACE film_work SET id = '{FILMS[1]}' "
    f"WHERE id = '{FILMS[3]}'",
    "a genre that takes the id and the name of two others": "UPDATE OR REPLACE genre "
    f"SET id = '{NEW}', name = 'Genre 0' WHERE id = '{GENRES[1]}'",
    "an upsert that changes the id": "INSERT INTO genre "
    f"VALUES ('{NEW}', 'Genre 0', NULL, '{NOW}', '{NOW}') ON CONFLICT (name) DO UPDATE SET id = excluded.id",
    "a film less": f"DELETE FROM film_work WHERE id = '{FILMS[0]}'",
    "a genre less": f"DELETE FROM genre WHERE id = '{GENRES[0]}'",
    "a person less": f"DELETE FROM person WHERE id = '{PEOPLE[0]}'",
}


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_e4_what_is_replaced_leaves_the_index(tmp_path: Path, statement: str) -> None:
    """Contract 14.3, where foreign keys are not watched over, as in every connection that does not ask for it."""
    async with benched(tmp_path) as bench:
        run_by_another(tmp_path, STATEMENTS[statement])

        written = await bench.run()

        assert written > 0
        await bench.assert_equal()


@pytest.mark.parametrize(
    "statement", [name for name in STATEMENTS if "changes the id" not in name and "takes" not in name]
)
async def test_e4_what_is_replaced_leaves_the_index_with_its_links(tmp_path: Path, statement: str) -> None:
    """Contract 14.3, where foreign keys take the links along, and triggers may run each other."""
    async with benched(tmp_path) as bench:
        run_by_another(tmp_path, STATEMENTS[statement], "foreign_keys = ON", "recursive_triggers = ON")

        await bench.run()

        await bench.assert_equal()


async def test_e4_a_genre_and_a_link_that_are_replaced_leave_no_ghosts(tmp_path: Path) -> None:
    """The case as it was met: a genre by its name, and a link by its id, with foreign keys watched over."""
    async with benched(tmp_path) as bench:
        genre, ends = link(99), f"'{PEOPLE[3]}', '{FILMS[3]}'"
        for statement in (
            f"INSERT OR REPLACE INTO genre VALUES ('{genre}', 'Genre 0', NULL, '{NOW}', '{NOW}')",
            f"INSERT OR REPLACE INTO {PERSON_LINK} ('{link(12)}', {ends}, 'actor', '{NOW}')",
        ):
            run_by_another(tmp_path, statement, "foreign_keys = ON")

        await bench.run()

        assert set(await bench.held("genres")) == {genre, GENRES[1]}
        assert (await bench.held("movies"))[FILMS[0]]["directors"] == []
        assert FILMS[0] not in [film["id"] for film in (await bench.held("persons"))[PEOPLE[1]]["films"]]
        await bench.assert_equal()


def anything(rng: random.Random) -> str:
    """Return a statement that may replace several rows at once."""
    film, person, genre, some = (rng.choice(keys) for keys in (FILMS, PEOPLE, GENRES, [*GENRES, NEW]))
    own, other = (link(rng.randrange(16)) for _ in range(2))
    role, name, end = rng.choice(ROLES), f"Genre {rng.randrange(3)}", rng.choice(PEOPLE)
    return rng.choice(
        [
            f"REPLACE INTO {PERSON_LINK} ('{own}', '{person}', '{film}', '{role}', '{NOW}')",
            f"REPLACE INTO {GENRE_LINK} ('{own}', '{genre}', '{film}', '{NOW}')",
            f"UPDATE OR REPLACE person_film_work SET id = '{other}', person_id = '{end}' WHERE id = '{own}'",
            f"UPDATE OR REPLACE person_film_work SET film_work_id = '{film}' WHERE person_id = '{person}'",
            f"UPDATE OR REPLACE genre_film_work SET film_work_id = '{film}' WHERE genre_id = '{genre}'",
            f"UPDATE OR REPLACE genre_film_work SET rowid = {rng.randrange(6)} WHERE genre_id = '{genre}'",
            f"REPLACE INTO genre VALUES ('{some}', '{name}', NULL, '{NOW}', '{NOW}')",
            f"UPDATE OR REPLACE genre SET name = '{name}', id = '{some}' WHERE id = '{genre}'",
            f"UPDATE OR REPLACE person SET id = '{end}' WHERE id = '{person}'",
            f"REPLACE INTO person VALUES ('{person}', 'Person {rng.random()}', '{NOW}', '{NOW}')",
            f"REPLACE INTO {FILM} ('{film}', 'Film {rng.random()}', 'movie', '{NOW}', '{NOW}')",
        ]
    )


@pytest.mark.parametrize("seed", range(4))
async def test_e4_whatever_is_replaced_the_index_is_as_the_source(tmp_path: Path, seed: int) -> None:
    """Several conflicts at once, row after row, with and without foreign keys."""
    rng = random.Random(seed)
    async with benched(tmp_path) as bench:
        for _ in range(12):
            for _ in range(rng.randrange(1, 4)):
                with suppress(sqlite3.IntegrityError):  # a link to what is gone
                    run_by_another(tmp_path, anything(rng), f"foreign_keys = {rng.choice(('ON', 'OFF'))}")
            await bench.run()
            await bench.assert_equal()


async def test_e4_what_is_not_replaced_is_not_indexed_again(tmp_path: Path) -> None:
    """A program that inserts what is there, and leaves it, costs nothing."""
    async with benched(tmp_path) as bench:
        for statement in (
            f"INSERT OR IGNORE INTO {GENRE_LINK} ('{link(0)}', '{GENRES[0]}', '{FILMS[0]}', '{NOW}')",
            f"INSERT OR IGNORE INTO genre VALUES ('{GENRES[0]}', 'Genre 0', NULL, '{NOW}', '{NOW}')",
        ):
            run_by_another(tmp_path, statement)

        assert await bench.run() == 0


async def test_e4_a_database_of_the_version_before_is_completed(tmp_path: Path) -> None:
    """With what it holds, and with an index that goes on from where it stands."""
    async with benched(tmp_path, "0002") as bench:
        await bench.write(f"UPDATE genre SET description = 'Before' WHERE id = '{GENRES[1]}'")
        await bench.database.write(migrate)
        run_by_another(tmp_path, STATEMENTS["a link of people by its id"])

        written = await bench.run()

        assert 0 < written < 10
        await bench.assert_equal()


def downgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


async def test_e4_the_upgrade_can_be_undone(tmp_path: Path) -> None:
    """Down and up again, the log still tells of everything."""
    async with benched(tmp_path) as bench:
        await bench.database.write(lambda connection: downgrade(connection, "0002"))
        await bench.database.write(migrate)
        run_by_another(tmp_path, STATEMENTS["a genre of a name that is taken"])

        await bench.run()

        await bench.assert_equal()


COPIED = (link(97), "Copied", datetime.fromisoformat(NOW), datetime.fromisoformat(NOW))
POSTGRES = {
    "a film less": f"DELETE FROM content.film_work WHERE id = '{FILMS[0]}'",
    "a person's name": f"UPDATE content.person SET full_name = 'New' WHERE id = '{PEOPLE[1]}'",
    "a link less": f"DELETE FROM content.person_film_work WHERE id = '{link(12)}'",
    "another id": f"UPDATE content.film_work SET id = '{NEW}' WHERE id = '{FILMS[0]}'",
    "an upsert": "INSERT INTO content.genre (id, name, created, modified) "
    f"VALUES ('{NEW}', 'Genre 0', '{NOW}', '{NOW}') ON CONFLICT (name) DO UPDATE SET id = excluded.id",
    "an emptied table": "TRUNCATE content.genre CASCADE",
    "a merge": f"MERGE INTO content.person AS old USING (VALUES ('{PEOPLE[1]}'::uuid)) AS new (id) "
    "ON old.id = new.id WHEN MATCHED THEN DELETE",
}


@pytest.mark.parametrize("statement", POSTGRES)
async def test_e4_a_session_that_restores_is_followed_too(
    database_url: str, tmp_path: Path, statement: str
) -> None:
    """Contract 14.2: by any program, also one whose session runs no ordinary triggers and checks no foreign key."""
    database = open_database(database_url)
    await database.write(migrate)
    await database.write(plant)
    bench = Bench(database, tmp_path)
    await bench.run()
    other = await asyncpg.connect(database_url.replace("postgresql+asyncpg", "postgresql"))
    await other.execute("SET session_replication_role = replica")
    await other.execute(POSTGRES[statement])
    await other.copy_records_to_table(
        "genre", schema_name="content", columns=["id", "name", "created", "modified"], records=[COPIED]
    )
    await other.close()

    await bench.run()

    await bench.assert_equal()
    await database.close()
