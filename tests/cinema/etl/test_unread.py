"""Rows that cannot be read: told, counted, left out, and nothing else with them."""

import json
import sqlite3
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import Pool

from cinema.database import open_database
from cinema.database.migrate import migrate
from cinema.etl.extract import PIPELINES
from cinema.etl.state import read_state
from cinema.etl.unread import Unread
from tests.cinema.etl.sources import FILMS, GENRES, PEOPLE, Bench, link, plant
from tests.live.platform import clean, run
from tests.servers import Server

BLOB, OCTETS = "x'00ff41'", "CAST(x'00ff41' AS TEXT)"
RENAMED = f"UPDATE content.film_work SET title = 'Changed' WHERE id = '{FILMS[1]}'"

SPOILT = {
    "a film's title": ("film_work", "title", FILMS[0], "movies"),
    "a film's description": ("film_work", "description", FILMS[0], "movies"),
    "a genre's name": ("genre", "name", GENRES[0], "genres"),
    "a genre's description": ("genre", "description", GENRES[0], "genres"),
    "a person's name": ("person", "full_name", PEOPLE[0], "persons"),
    "a link's role": ("person_film_work", "role", link(10), "person_film_work"),
}


@pytest.fixture
async def lenient(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give an ETL over an SQLite file in which anything may stand anywhere."""
    url = f"sqlite+aiosqlite:///{tmp_path}/cinema.db"
    database = open_database(url)
    await database.write(migrate)
    await database.write(plant)
    yield Bench(database, tmp_path / "etl", url, batch=3)
    await database.close()


def sql(bench: Bench, *statements: str) -> None:
    """Write as a program would that heeds neither checks nor keys."""
    with sqlite3.connect(bench.url.partition("///")[2]) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement.replace("content.", ""))
    connection.close()


def told(bench: Bench) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in bench.lines]
    return [line for line in lines if line["event"] == "etl_set_aside"]


def names(lines: list[dict[str, Any]]) -> set[str]:
    return {f"{line['index']}/{line['id']}" for line in lines}


@pytest.mark.parametrize("value", [BLOB, OCTETS], ids=["blob", "octets"])
@pytest.mark.parametrize("what", SPOILT)
async def test_e2_a_row_that_cannot_be_read_is_set_aside_and_the_others_go_on(
    lenient: Bench, what: str, value: str
) -> None:
    """E2: told once with its id, counted, and everything else is as the source has it, before and after."""
    table, column, key, place = SPOILT[what]
    await lenient.run()
    sql(lenient, f"UPDATE {table} SET {column} = {value} WHERE id = '{key}'", RENAMED)

    await lenient.run()
    await lenient.run()

    movies = await lenient.held("movies")
    assert movies[FILMS[1]]["title"] == "Changed"
    assert names(told(lenient)) == {f"{place}/{key}"}
    assert len(told(lenient)) == 1
    assert lenient.manifest().set_aside == 1


@pytest.mark.parametrize("apart_from", [20_000, 1], ids=["here", "apart"])
async def test_e2_a_rebuild_leaves_out_what_cannot_be_read_and_nothing_else(
    lenient: Bench, apart_from: int
) -> None:
    """E2: one of each kind at once, read here and in a process of its own."""
    lenient.apart_from = apart_from
    sql(
        lenient,
        f"UPDATE film_work SET title = {OCTETS} WHERE id = '{FILMS[0]}'",
        f"UPDATE film_work SET rating = {BLOB} WHERE id = '{FILMS[2]}'",
        f"UPDATE genre SET name = {BLOB} WHERE id = '{GENRES[1]}'",
        f"UPDATE person SET full_name = {OCTETS} WHERE id = '{PEOPLE[1]}'",
        f"UPDATE person_film_work SET role = {BLOB} WHERE id = '{link(14)}'",
    )

    await lenient.run()

    kept = {name: set(await lenient.held(name)) for name in ("movies", "genres", "persons")}
    assert kept == {
        "movies": {FILMS[1], FILMS[3]},
        "genres": {GENRES[0]},
        "persons": {PEOPLE[0], PEOPLE[2], PEOPLE[3]},
    }
    assert names(told(lenient)) == {
        f"movies/{FILMS[0]}",
        f"movies/{FILMS[2]}",
        f"genres/{GENRES[1]}",
        f"persons/{PEOPLE[1]}",
        f"person_film_work/{link(14)}",
    }
    await lenient.assert_equal()


async def test_e2_a_document_goes_on_without_the_name_that_cannot_be_read(lenient: Bench) -> None:
    """E2: a genre's row must not take its films along; they are found by its id."""
    sql(
        lenient,
        f"UPDATE genre SET name = {BLOB} WHERE id = '{GENRES[1]}'",
        f"UPDATE person SET full_name = {OCTETS} WHERE id = '{PEOPLE[1]}'",
        f"UPDATE person_film_work SET role = {BLOB} WHERE id = '{link(11)}'",
        f"UPDATE film_work SET title = {BLOB}, rating = {BLOB} WHERE id = '{FILMS[2]}'",
    )

    await lenient.run()

    movies, persons = await lenient.held("movies"), await lenient.held("persons")
    film, other = movies[FILMS[0]], movies[FILMS[1]]
    assert film["actors"] == [{"id": PEOPLE[0], "name": "Person 0"}]
    assert (film["writers"], film["directors"]) == ([], [])
    assert (other["genres"], other["actors"]) == (["Genre 0"], [])
    assert [entry["roles"] for entry in persons[PEOPLE[0]]["films"]] == [["actor"]]
    assert persons[PEOPLE[2]]["films"] == [
        {"id": FILMS[2], "title": None, "imdb_rating": None, "roles": ["actor"]}
    ]
    found = await lenient.database.read(lambda connection: PIPELINES[0].those(connection, [FILMS[1]]))
    assert [one["genre_ids"] for one in found if not isinstance(one, Unread)] == [[*reversed(GENRES)]]
    await lenient.assert_equal()


@pytest.mark.parametrize("value", [BLOB, OCTETS], ids=["blob", "octets"])
@pytest.mark.parametrize("what", SPOILT)
async def test_e2_what_is_mended_comes_back(lenient: Bench, what: str, value: str) -> None:
    """E2: and is forgotten, so that the count tells what is out now."""
    table, column, key, _ = SPOILT[what]
    mended = "director" if column == "role" else "Mended"
    sql(lenient, f"UPDATE {table} SET {column} = {value} WHERE id = '{key}'")
    await lenient.run()
    sql(lenient, f"UPDATE {table} SET {column} = '{mended}' WHERE id = '{key}'")

    await lenient.run()

    state = read_state(lenient.state)
    assert state is not None
    assert (state.set_aside, lenient.manifest().set_aside) == ({}, 0)
    await lenient.assert_equal()


@pytest.mark.parametrize("value", [BLOB, OCTETS], ids=["blob", "octets"])
@pytest.mark.parametrize("table", ["film_work", "genre", "person"])
@pytest.mark.parametrize("first", [True, False], ids=["rebuild", "change"])
async def test_e2_an_id_that_is_no_text_is_told_as_sqlite_writes_it(
    lenient: Bench, table: str, value: str, *, first: bool
) -> None:
    """E2: it is in the log of changes too, in links, and among the ends of pages; gone, it is forgotten."""
    lenient.batch = 1
    columns = {
        "film_work": ("title, type", "'T', 'movie'"),
        "genre": ("name", "'T'"),
        "person": ("full_name", "'T'"),
    }
    names_of, values = columns[table]
    odd = f"INSERT INTO {table} (id, {names_of}, created, modified) VALUES ({value}, {values}, '', '')"
    film = value if table == "film_work" else f"'{FILMS[3]}'"
    person = value if table == "person" else f"'{PEOPLE[3]}'"
    joined = f"INSERT INTO person_film_work VALUES ('{link(70)}', {person}, {film}, 'actor', '')"
    if not first:
        await lenient.run()
    sql(lenient, odd, joined, RENAMED)

    await lenient.run()
    await lenient.run()

    assert {line["id"] for line in told(lenient)} == {"x'00FF41'"}
    await lenient.assert_equal()
    sql(
        lenient,
        f"DELETE FROM {table} WHERE id = {value}",
        f"DELETE FROM person_film_work WHERE id = '{link(70)}'",
    )
    await lenient.run()
    assert lenient.manifest().set_aside == 0
    await lenient.assert_equal()


LOGGED = {
    "id": f"('film_work', {OCTETS}, 'update', '2026-01-05T10:00:00.000000+00:00')",
    "entity": f"({OCTETS}, '{FILMS[0]}', 'update', '2026-01-05T10:00:00.000000+00:00')",
    "blob": f"({BLOB}, {BLOB}, {BLOB}, {BLOB})",
    "moment": f"('film_work', '{FILMS[0]}', 'update', 'yesterday')",
    "empty moment": f"('film_work', '{FILMS[0]}', 'update', '')",
    "moment of octets": f"('film_work', '{FILMS[0]}', 'update', {OCTETS})",
}


@pytest.mark.parametrize("row", LOGGED)
async def test_e2_a_row_of_the_log_that_cannot_be_read_stops_no_change(lenient: Bench, row: str) -> None:
    """E2: changes before and behind it arrive, in one pass."""
    await lenient.run()
    renamed = f"UPDATE genre SET name = 'Before' WHERE id = '{GENRES[0]}'"
    written = f"INSERT INTO change_log (entity, entity_id, op, changed_at) VALUES {LOGGED[row]}"
    sql(lenient, renamed, written, RENAMED)

    await lenient.run()

    assert (await lenient.held("movies"))[FILMS[1]]["title"] == "Changed"
    assert await lenient.run() == 0
    await lenient.assert_equal()


async def test_e2_numbers_beyond_floats_and_in_place_of_text_are_read(lenient: Bench) -> None:
    """E2: what can be read is read, in the company of what cannot."""
    sql(
        lenient,
        f"UPDATE film_work SET rating = 9e999 WHERE id = '{FILMS[1]}'",
        f"UPDATE film_work SET rating = 'good' WHERE id = '{FILMS[2]}'",
        f"UPDATE film_work SET title = {BLOB} WHERE id = '{FILMS[3]}'",
    )

    await lenient.run()

    movies = await lenient.held("movies")
    assert {key: film["imdb_rating"] for key, film in movies.items()} == {
        FILMS[0]: 9.0,
        FILMS[1]: None,
        FILMS[2]: None,
    }


# --- PostgreSQL ---------------------------------------------------------------------------------------------


@pytest.fixture
async def ascii_bench(postgres: Server, tmp_path: Path) -> AsyncIterator[Bench]:
    """Give an ETL over a PostgreSQL that keeps any octets, as old databases do."""
    name = f"test_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(postgres.url.replace("postgresql+asyncpg", "postgresql"))
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    await admin.close()
    url = f"{postgres.url.rpartition('/')[0]}/{name}"
    database = open_database(url)
    await database.write(migrate)
    await database.write(plant)
    yield Bench(database, tmp_path / "etl", url, batch=3)
    await database.close()


async def test_e2_octets_in_postgresql_are_set_aside_and_the_others_go_on(ascii_bench: Bench) -> None:
    """E2: a database in SQL_ASCII takes any octets, and refuses to hand them to a client that speaks UTF-8."""
    octets = "convert_from('\\xff41'::bytea, 'SQL_ASCII')"
    places = {
        f"movies/{FILMS[0]}": "UPDATE content.film_work SET title",
        f"movies/{FILMS[2]}": "UPDATE content.film_work SET description",
        f"genres/{GENRES[0]}": "UPDATE content.genre SET name",
        f"persons/{PEOPLE[0]}": "UPDATE content.person SET full_name",
    }
    await ascii_bench.run()
    for name, spoils in places.items():
        await ascii_bench.write(f"{spoils} = {octets} WHERE id = '{name.partition('/')[2]}'")
    await ascii_bench.write(RENAMED)

    await ascii_bench.run()
    await ascii_bench.run()

    assert (await ascii_bench.held("movies"))[FILMS[1]]["title"] == "Changed"
    assert names(told(ascii_bench)) == set(places)
    await ascii_bench.run(anew=True)
    await ascii_bench.assert_equal()


async def test_e2_a_row_of_a_view_that_fails_is_set_aside(bench: Bench) -> None:
    """E2: a foreign database may show its films by a view whose columns are reckoned."""
    if "Postgres" not in repr(bench.database):
        pytest.skip("PostgreSQL only")
    await bench.run()
    await bench.write("ALTER TABLE content.film_work RENAME TO film_table")
    title = f"CASE id::text WHEN '{FILMS[2]}' THEN (1 / (length(title) - length(title)))::text ELSE title END"
    shown = f"SELECT id, {title} AS title, description, rating FROM content.film_table"
    await bench.write(f"CREATE VIEW content.film_work AS {shown}")

    await bench.run(anew=True)

    assert set(await bench.held("movies")) == {FILMS[0], FILMS[1], FILMS[3]}
    assert names(told(bench)) == {f"movies/{FILMS[2]}", f"persons/{PEOPLE[2]}"}


@pytest.fixture
def narrow() -> Iterator[None]:
    """Let SQLite read no value of more than 100,000 octets, in place of a billion."""

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)

    event.listen(Pool, "connect", limit)
    yield
    event.remove(Pool, "connect", limit)


@pytest.mark.usefixtures("narrow")
async def test_e2_rows_that_are_too_much_for_one_value_are_read_one_by_one(lenient: Bench) -> None:
    """E2: a page is one value, and a row may be too long for one with all that it is read in."""
    bench = lenient
    await bench.run()
    sql(bench, *(f"UPDATE film_work SET description = '{'x' * 40_000}' WHERE id = '{key}'" for key in FILMS))
    sql(bench, f"UPDATE film_work SET description = '{'x' * 99_990}' WHERE id = '{FILMS[3]}'")
    await bench.run()
    held = await bench.held("movies")
    await bench.run(anew=True)

    assert [len(held[key]["description"] or "") for key in FILMS] == [40_000, 40_000, 40_000, 0]
    assert names(told(bench)) == {f"movies/{FILMS[3]}"}
    assert set(await bench.held("movies")) == set(FILMS[:3])


async def test_e2_a_table_that_lacks_a_column_is_no_rows_fault(bench: Bench) -> None:
    """E2: else every film would be set aside, and an empty index put in the place of a full one."""
    await bench.run()
    await bench.write("ALTER TABLE content.film_work RENAME COLUMN title TO name")
    with pytest.raises(SQLAlchemyError):
        await bench.run(anew=True)

    assert len(await bench.held("movies")) == 4


@pytest.mark.parametrize("key", ["", "7", "None", "x'00FF41'", "' OR 1 = 1", FILMS[0].replace("-", "")])
async def test_e2_an_id_in_the_log_that_is_none_stops_no_change(bench: Bench, key: str) -> None:
    """E2: on PostgreSQL ids are uuids, and a question for anything else is an error."""
    await bench.run()
    statement = "INSERT INTO content.change_log (entity, entity_id, op) VALUES (:entity, :key, 'update')"
    for entity in ("film_work", "genre", "person"):
        await bench.write(statement, entity=entity, key=key)
    await bench.write(RENAMED)

    await bench.run()

    assert (await bench.held("movies"))[FILMS[1]]["title"] == "Changed"
    await bench.assert_equal()


# --- the process --------------------------------------------------------------------------------------------


def test_e2_later_changes_arrive_behind_a_row_that_cannot_be_read(tmp_path: Path) -> None:
    """E2: `cinema etl` ended with an error because of a BLOB, and waited for ever because of octets."""
    environment = clean() | {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/cinema.db",
        "SEARCH_DIR": str(tmp_path / "index"),
        "SEARCH_ETL_STATE": str(tmp_path / "state.json"),
    }

    def cinema(*words: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            run(*words), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=True
        )
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    cinema("migrate")
    with sqlite3.connect(tmp_path / "cinema.db") as database:
        for key in FILMS:
            database.execute(
                "INSERT INTO film_work (id, title, type, created, modified) VALUES (?, 'T', 'movie', '', '')",
                (key,),
            )
    cinema("etl")
    with sqlite3.connect(tmp_path / "cinema.db") as database:
        for key, value in ((FILMS[0], BLOB), (FILMS[2], OCTETS)):
            database.execute(f"UPDATE film_work SET description = {value} WHERE id = '{key}'")
        database.execute(RENAMED.replace("content.", ""))
    database.close()

    *_, done = lines = cinema("etl")

    aside = {line["id"] for line in lines if line["event"] == "etl_set_aside"}
    assert aside == {FILMS[0], FILMS[2]}
    assert (done["event"], done["documents"], done["set_aside"]) == ("etl_pass", 1, 2)
