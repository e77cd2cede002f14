"""Foreign sources as they are met: moments of any spelling, of the future, equal or missing; links without any."""

import asyncio
import copy
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
from sqlalchemy import Connection, event

from cinema.database import open_database
from cinema.etl.modified import Modified
from cinema.etl.moments import milliseconds
from tests.cinema.etl.sources import FILMS, GENRES, PEOPLE, Bench, link, run_sql

T = TypeVar("T")

TABLES = """
CREATE TABLE content.film_work (id {id} PRIMARY KEY, title text, description text, rating float, modified {moment});
CREATE TABLE content.genre (id {id} PRIMARY KEY, name text, description text, modified {moment});
CREATE TABLE content.person (id {id} PRIMARY KEY, full_name text, modified {moment});
CREATE TABLE content.genre_film_work (id {id} PRIMARY KEY, film_work_id {id}, genre_id {id});
CREATE TABLE content.person_film_work (id {id} PRIMARY KEY, film_work_id {id}, person_id {id}, role text)
"""
PAST = "2026-01-05T10:00:00+00:00"


async def foreign(url: str, folder: Path, moment: str) -> Bench:
    """Give an ETL over two films with a person and a genre each, all of one moment and not indexed yet."""
    database = open_database(url)
    await database.write(partial(create, moment=moment))
    bench = Bench(database, folder, url, feed=Modified())
    for place in range(2):
        await add(bench, place)
        await bench.write(f"INSERT INTO content.genre (id, name) VALUES ('{GENRES[place]}', 'Genre {place}')")
        await bench.write(
            f"INSERT INTO content.person (id, full_name) VALUES ('{PEOPLE[place]}', 'Person {place}')"
        )
        ends = f"'{link(place)}', '{FILMS[place]}'"
        await bench.write(f"INSERT INTO content.genre_film_work VALUES ({ends}, '{GENRES[place]}')")
        await bench.write(f"INSERT INTO content.person_film_work VALUES ({ends}, '{PEOPLE[place]}', 'actor')")
    return bench


def create(connection: Connection, moment: str) -> None:
    here = connection.dialect.name == "sqlite"
    if not here:
        run_sql(connection, "CREATE SCHEMA content", {})
    for statement in TABLES.format(id="text" if here else "uuid", moment=moment).split(";"):
        run_sql(connection, statement, {})


async def add(bench: Bench, film: int, moment: str = f"'{PAST}'") -> None:
    statement = "INSERT INTO content.film_work (id, title, modified) VALUES"
    await bench.write(f"{statement} ('{FILMS[film]}', 'Film {film}', {moment})")


async def retitle(bench: Bench, film: int, title: str, moment: str = "modified") -> None:
    await bench.write(
        f"UPDATE content.film_work SET title = '{title}', modified = {moment} WHERE id = '{FILMS[film]}'"
    )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a foreign SQLite, whose moments are whatever was put there, all indexed."""
    bench = await foreign(f"sqlite+aiosqlite:///{tmp_path}/foreign.db", tmp_path / "etl", "text")
    await bench.run()
    yield bench
    await bench.database.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a foreign source of each kind, all indexed."""
    here = request.param == "sqlite"
    url = f"sqlite+aiosqlite:///{tmp_path}/foreign.db" if here else request.getfixturevalue("database_url")
    bench = await foreign(url, tmp_path / "etl", "text" if here else "timestamptz")
    await bench.run()
    yield bench
    await bench.database.close()


async def followed(bench: Bench) -> list[int]:
    """Make two passes; return how many documents each has written."""
    written = [await bench.run(), await bench.run()]
    await bench.assert_equal()
    return written


# --- moments ------------------------------------------------------------------------------------------------


async def test_e3_a_moment_of_the_future_hides_nothing_and_is_written_once(either: Bench) -> None:
    """A clock that was wrong once: the row is there, and what comes later by the right clock is there too."""
    came: list[int] = []
    for film, moment in ((2, "2996-05-01T10:00:00+00:00"), (3, "2026-05-01T11:00:00+00:00")):
        await add(either, film, f"'{moment}'")
        came += await followed(either)

    await retitle(either, 2, "Changed, by the wrong clock")

    assert came == [1, 0, 1, 0]
    assert await followed(either) == [1, 0]


async def test_e3_the_case_of_the_future_as_it_was_met(tmp_path: Path) -> None:
    """One row from 2036 among others: each pass writes the one film that has come, however it is dated."""
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/foreign.db")
    await database.write(partial(create, moment="text"))
    bench = Bench(database, tmp_path / "etl", feed=Modified())
    came: list[int] = []
    for film, day in enumerate(("2026-05-01T10", "2036-05-01T10", "2026-05-01T11", "2026-05-02T11")):
        await add(bench, film, f"'{day}:00:00.000000+00:00'")
        came.append(await bench.run())

    await bench.assert_equal()
    await database.close()

    assert came == [1, 1, 1, 1]


async def test_e3_a_moment_of_the_future_is_passed_when_it_has_come(bench: Bench) -> None:
    """From then on it is a row like others."""
    soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    await add(bench, 2, f"'{soon}'")
    first = await followed(bench)
    await asyncio.sleep(0.4)

    assert first == [1, 0]
    assert await followed(bench) == [1, 0]


SPELLINGS: dict[str, list[str | float]] = {
    "a blank between": ["2026-02-01 10:00:00", "2026-02-01 10:00:30", "2026-02-01 10:01:00"],
    "Z and offsets": ["2026-02-01T10:00:00Z", "2026-02-01T13:00:30+03:00", "2026-02-01T05:01:00-05:00"],
    "an offset without a colon": ["2026-02-01T13:00:00+0300", "2026-02-01 13:00:30+03", "20260201T100100Z"],
    "fractions of any length": [
        "2026-02-01 10:00:00.5",
        "2026-02-01 10:00:30.123456789",
        "2026-02-01 10:01:00",
    ],
    "blanks round it": [" 2026-02-01 10:00:00", "2026-02-01 10:00:30 ", "2026-02-01 10:01:00"],
    "seconds": [1769940000, 1769940030.5, "1769940060"],
    "smaller units": [1769940000000, 1769940030000000, "1769940060000000000"],
    "all kinds": ["2026-02-01T13:00:00+03:00", 1769940030, "2026-02-01 10:01:00"],
    "days": ["2026-02-01", "2026-02-02", "2026-02-03 00:00"],
    "backwards as text": ["2026-02-01T23:00:00+14:00", "2026-02-01T10:00:00Z", "2026-01-31T23:59:00-12:00"],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_e3_moments_are_compared_as_moments(bench: Bench, spelling: str) -> None:
    """One after the other by the clock, whatever the order of the texts: each is written once, and nothing else."""
    came: list[int] = []
    for film, moment in zip((2, 3, 0), SPELLINGS[spelling], strict=True):
        written = f"'{moment}'" if isinstance(moment, str) else str(moment)
        await (retitle(bench, film, "New", written) if film == 0 else add(bench, film, written))
        came += await followed(bench)

    assert came == [1, 0, 1, 0, 2, 0]  # the last has a person


NONSENSE = ["NULL", "'yesterday'", "CAST(x'ff' AS text)"]


@pytest.mark.parametrize("moment", NONSENSE)
async def test_e3_what_has_no_moment_is_compared(bench: Bench, moment: str) -> None:
    """It is found when it comes, when it changes in place, when it gets a moment of the past, and not otherwise."""
    await add(bench, 2, moment)
    came = await followed(bench)
    await retitle(bench, 2, "Changed in place")
    came += await followed(bench)
    await retitle(bench, 2, "Changed", "'2020-01-01 00:00:00'")
    came += await followed(bench)
    await retitle(bench, 2, "And back", moment)
    came += await followed(bench)

    assert came == [1, 0, 1, 0, 1, 0, 1, 0]


async def test_e3_a_second_change_of_one_moment_is_seen(bench: Bench) -> None:
    """A clock that counts seconds gives both the same."""
    await retitle(bench, 0, "First", "'2026-03-01 10:00:00'")
    await bench.run()
    await retitle(bench, 0, "Second", "'2026-03-01 10:00:00'")

    assert await followed(bench) == [2, 0]


async def test_e3_one_of_many_equal_moments_is_not_all_of_them(bench: Bench) -> None:
    """A table loaded at one moment, of which a row changes: few are read again."""
    rows = ", ".join(f"('{uuid4()}', 'Loaded', '2026-03-01 10:00:00')" for _ in range(500))
    await bench.write(f"INSERT INTO content.film_work (id, title, modified) VALUES {rows}")
    first = await followed(bench)
    await retitle(bench, 0, "Changed", "'2026-03-01 10:00:01'")
    second = await followed(bench)

    assert first == [500, 0]
    assert second[0] < 20
    assert second[1] == 0


@pytest.mark.parametrize(
    ("kind", "early", "late"),
    [
        ("timestamptz", "'2026-02-01 13:00:00+03'", "'2026-02-01 10:00:30Z'"),
        ("timestamp", "'2026-02-01 10:00:00'", "'2026-02-01 10:00:30.123456'"),
        ("date", "'2026-02-01'", "'2026-02-02'"),
        ("bigint", "1769940000", "1769940030000"),
        ("numeric", "1769940000.5", "1769940030"),
        ("double precision", "1769940000.5", "1769940030"),
        ("text", "'2026-02-01 10:00:00'", "'nonsense'"),
        ("timestamptz", "NULL", "'infinity'"),
        ("timestamp", "'-infinity'", "'infinity'"),
        ("double precision", "'NaN'", "'infinity'"),
    ],
)
async def test_e3_moments_of_any_type_are_read_on_postgresql(
    database_url: str, tmp_path: Path, kind: str, early: str, late: str
) -> None:
    """What the type does not tell is found by comparing."""
    past = f"'{PAST}'" if kind in {"timestamptz", "timestamp", "date", "text"} else "1767607200"
    database = open_database(database_url)
    await database.write(partial(create, moment=kind))
    bench = Bench(database, tmp_path, database_url, feed=Modified())
    await add(bench, 0, past)
    await bench.run()
    await add(bench, 1, early)
    came = await followed(bench)
    await retitle(bench, 0, "New", late)
    came += await followed(bench)
    await retitle(bench, 1, "New", "modified" if kind == "text" else late)
    came += await followed(bench)
    await database.close()

    assert came == [1, 0, 1, 0, 1, 0]


async def test_e3_a_source_without_moments_is_followed(either: Bench) -> None:
    """Rows of tables that have no such column are compared as a whole."""
    for table in ("film_work", "genre", "person"):
        await either.write(f"ALTER TABLE content.{table} DROP COLUMN modified")
    await either.run()
    await either.write(f"UPDATE content.genre SET name = 'New' WHERE id = '{GENRES[0]}'")

    assert await followed(either) == [2, 0]


@pytest.mark.parametrize(
    ("kind", "value", "moment"),
    [
        ("null", None, None),
        ("blob", b"2026-02-01", None),
        ("text", b"\xff", None),
        ("text", b"", None),
        ("text", b"nan", None),
        ("text", b"2026-13-45 99:00:00", None),
        ("real", b"1e300", None),
        ("text", b"2026-02-01T10:00:00.9999999Z", 1769940001000),
        ("text", b"0001-01-01T00:00:00+14:00", -62135647200000),
        ("integer", b"0", 0),
        ("real", b"-1.5", -1500),
        ("real", b"Inf", None),
        ("text", b"-1", -1000),
        ("text", b"1e5", None),
        ("integer", b"9223372036854775807", 9223372036854),
    ],
)
def test_e3_a_value_is_a_moment_or_none(kind: str, value: bytes | None, moment: int | None) -> None:
    """No value stops the ETL."""
    assert milliseconds(kind, value) == moment


async def test_e3_a_row_whose_id_is_no_text_is_set_aside(bench: Bench) -> None:
    """E2: what cannot be read of a source without a log stops nothing either, and is told by its id."""
    await bench.write(
        f"INSERT INTO film_work (id, title, modified) VALUES (CAST(x'ff' AS text), 'Odd', '{PAST}')"
    )
    await add(bench, 2, "'2026-03-01 10:00:00'")
    written = await bench.run()
    state = json.loads(bench.state.read_text())

    assert written == 1
    assert list(state["set_aside"]) == ["movies/x'FF'"]


# --- what happens meanwhile -----------------------------------------------------------------------------------


class Busy:
    """A database into which another program writes, once, behind the first statement of a kind."""

    def __init__(self, bench: Bench, path: Path, behind: str, statement: str) -> None:
        self._database, self._path = bench.database, path
        self._behind, self._statement = behind, statement
        self.write, self.close = bench.database.write, bench.database.close

    async def read(self, work: Callable[[Connection], T], /) -> T:
        def watched(connection: Connection) -> T:
            event.listen(connection, "after_cursor_execute", self._hear)
            try:
                return work(connection)
            finally:
                event.remove(connection, "after_cursor_execute", self._hear)

        return await self._database.read(watched)

    def _hear(self, _: Connection, __: object, statement: str, *___: object) -> None:
        if self._statement and self._behind in statement:
            done, self._statement = self._statement, ""
            with closing(sqlite3.connect(self._path, isolation_level=None)) as other:
                other.execute(done)


async def test_e3_what_comes_between_two_statements_of_a_pass_comes_with_the_next(
    bench: Bench, tmp_path: Path
) -> None:
    """It would be in the sums of what was seen, and in nobody's list of changes."""
    await add(bench, 2, "'2026-03-01 10:00:05'")
    late = f"INSERT INTO film_work (id, title, modified) VALUES ('{FILMS[3]}', 'Late', '2026-03-01 10:00:01')"
    kept = bench.database
    bench.database = Busy(bench, tmp_path / "foreign.db", "LIMIT", late)

    came = [await bench.run(), await bench.run(), await bench.run()]
    bench.database = kept

    assert came == [1, 1, 0]
    await bench.assert_equal()


# --- indices put back -----------------------------------------------------------------------------------------


async def test_e6_an_index_carries_little_of_a_long_position(bench: Bench) -> None:
    """A cluster keeps it in memory on each node."""
    version = await bench.engine.current("movies")

    assert len(await bench.engine.marked(version)) < 100


async def test_e6_an_older_index_of_a_foreign_source_is_built_anew(bench: Bench) -> None:
    """What it lacks would be compared with what a newer one has."""
    backup = copy.deepcopy(bench.engine)
    await retitle(bench, 0, "New", "'2026-03-01 10:00:00'")
    await bench.run()
    bench.engine = backup

    assert await bench.run() == 6
    assert await bench.run() == 0
    await bench.assert_equal()


async def test_e6_a_newer_index_of_a_foreign_source_is_gone_on_with(bench: Bench) -> None:
    """As after a crash between the mark of an index and the state."""
    held = bench.state.read_bytes()
    await retitle(bench, 0, "New", "'2026-03-01 10:00:00'")
    await bench.run()
    bench.state.write_bytes(held)

    assert await followed(bench) == [2, 0]


# --- links, and what goes -----------------------------------------------------------------------------------

FOUND = {
    "a role that changes in place": f"UPDATE content.person_film_work SET role = 'writer' WHERE id = '{link(0)}'",
    "a link that leads elsewhere": f"UPDATE content.genre_film_work SET genre_id = '{GENRES[1]}' "
    f"WHERE id = '{link(0)}'",
    "a link less": f"DELETE FROM content.person_film_work WHERE id = '{link(0)}'",
    "a link more": f"INSERT INTO content.genre_film_work VALUES ('{link(9)}', '{FILMS[0]}', '{GENRES[1]}')",
    "a link of no role": f"UPDATE content.person_film_work SET role = NULL WHERE id = '{link(0)}'",
    "roles that change places": "UPDATE content.person_film_work SET role = "
    f"CASE person_id WHEN '{PEOPLE[0]}' THEN 'writer' ELSE 'director' END",
    "all links less": "DELETE FROM content.person_film_work",
    "a film less": f"DELETE FROM content.film_work WHERE id = '{FILMS[0]}'",
    "a genre less": f"DELETE FROM content.genre WHERE id = '{GENRES[0]}'",
    "a person less": f"DELETE FROM content.person WHERE id = '{PEOPLE[0]}'",
    "another id": f"UPDATE content.film_work SET id = '{FILMS[3]}' WHERE id = '{FILMS[0]}'",
}


@pytest.mark.parametrize("change", FOUND)
async def test_e3_what_no_moment_tells_is_found(bench: Bench, change: str) -> None:
    """Contract 14.3, of a source whose links have no moments, and which logs no deletion."""
    await bench.write(FOUND[change])

    first, second = await followed(bench)

    assert first > 0
    assert second == 0


async def test_e3_what_no_moment_tells_is_found_one_after_the_other(either: Bench) -> None:
    """Contract 14.3, on each kind of database."""
    for change in ("a role that changes in place", "a link of no role", "a link less", "a film less"):
        await either.write(FOUND[change])

        first, second = await followed(either)

        assert first > 0, change
        assert second == 0, change


async def test_e3_one_that_goes_while_a_pass_is_on_is_missed_by_the_next(bench: Bench) -> None:
    """It is not counted as gone before somebody has dealt with it."""
    feed = Modified()
    position = await feed.now(bench.database)
    await bench.write(f"DELETE FROM content.film_work WHERE id = '{FILMS[1]}'")
    portion = await feed.read(bench.database, position, 10)

    assert not await feed.valid(bench.database, portion.position)


async def test_e3_a_clock_that_has_gone_back_begins_anew(bench: Bench) -> None:
    """What came since may lie far before the cursor."""
    feed = Modified()
    position = dict(await feed.now(bench.database))
    ahead = (datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000
    position["genre"] = {**position["genre"], "at": ahead}

    assert not await feed.valid(bench.database, position)


@pytest.mark.parametrize(
    "position", [{}, {"film_work": {"at": "2026-01-05", "id": "", "seen": ""}}, {"film_work": 1}]
)
async def test_e3_a_position_of_another_release_begins_anew(
    bench: Bench, position: dict[str, object]
) -> None:
    """Its form has changed."""
    assert not await Modified().valid(bench.database, position)
