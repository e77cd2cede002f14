"""Positions in a database without a log, and what no moment tells."""

import copy
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection, event

from cinema.etl.modified import Modified
from tests.cinema.etl.sources import FILMS, GENRES, PEOPLE, Bench, link
from tests.cinema.etl.unlogged import add, followed, retitle

T = TypeVar("T")


# --- what happens meanwhile -----------------------------------------------------------------------------------


class Busy:
    """A database into which another program writes, once, behind the first statement of a kind."""

    def __init__(self, foreign_bench: Bench, path: Path, behind: str, statement: str) -> None:
        self._database, self._path = foreign_bench.database, path
        self._behind, self._statement = behind, statement
        self.write, self.close = foreign_bench.database.write, foreign_bench.database.close

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
    foreign_bench: Bench, tmp_path: Path
) -> None:
    """It would be in the sums of what was seen, and in nobody's list of changes."""
    await add(foreign_bench, 2, "'2026-03-01 10:00:05'")
    late = f"INSERT INTO film_work (id, title, modified) VALUES ('{FILMS[3]}', 'Late', '2026-03-01 10:00:01')"
    kept = foreign_bench.database
    foreign_bench.database = Busy(foreign_bench, tmp_path / "foreign.db", "LIMIT", late)

    came = [await foreign_bench.run(), await foreign_bench.run(), await foreign_bench.run()]
    foreign_bench.database = kept

    assert came == [1, 1, 0]
    await foreign_bench.assert_equal()


# --- indices put back -----------------------------------------------------------------------------------------


async def test_e6_an_index_carries_little_of_a_long_position(foreign_bench: Bench) -> None:
    """A cluster keeps it in memory on each node."""
    version = await foreign_bench.engine.current("movies")

    assert len(await foreign_bench.engine.marked(version)) < 100


async def test_e6_an_older_index_of_a_foreign_source_is_built_anew(foreign_bench: Bench) -> None:
    """What it lacks would be compared with what a newer one has."""
    backup = copy.deepcopy(foreign_bench.engine)
    await retitle(foreign_bench, 0, "New", "'2026-03-01 10:00:00'")
    await foreign_bench.run()
    foreign_bench.engine = backup

    assert await foreign_bench.run() == 6
    assert await foreign_bench.run() == 0
    await foreign_bench.assert_equal()


async def test_e6_a_newer_index_of_a_foreign_source_is_gone_on_with(foreign_bench: Bench) -> None:
    """As after a crash between the mark of an index and the state."""
    held = foreign_bench.state.read_bytes()
    await retitle(foreign_bench, 0, "New", "'2026-03-01 10:00:00'")
    await foreign_bench.run()
    foreign_bench.state.write_bytes(held)

    assert await followed(foreign_bench) == [2, 0]


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
async def test_e3_what_no_moment_tells_is_found(foreign_bench: Bench, change: str) -> None:
    """Contract 14.3, of a source whose links have no moments, and which logs no deletion."""
    await foreign_bench.write(FOUND[change])

    first, second = await followed(foreign_bench)

    assert first > 0
    assert second == 0


async def test_e3_what_no_moment_tells_is_found_one_after_the_other(either: Bench) -> None:
    """Contract 14.3, on each kind of database."""
    for change in ("a role that changes in place", "a link of no role", "a link less", "a film less"):
        await either.write(FOUND[change])

        first, second = await followed(either)

        assert first > 0, change
        assert second == 0, change


async def test_e3_one_that_goes_while_a_pass_is_on_is_missed_by_the_next(foreign_bench: Bench) -> None:
    """It is not counted as gone before somebody has dealt with it."""
    feed = Modified()
    position = await feed.now(foreign_bench.database)
    await foreign_bench.write(f"DELETE FROM content.film_work WHERE id = '{FILMS[1]}'")
    portion = await feed.read(foreign_bench.database, position, 10)

    assert not await feed.valid(foreign_bench.database, portion.position)


async def test_e3_a_clock_that_has_gone_back_begins_anew(foreign_bench: Bench) -> None:
    """What came since may lie far before the cursor."""
    feed = Modified()
    position = dict(await feed.now(foreign_bench.database))
    ahead = (datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000
    position["genre"] = {**position["genre"], "at": ahead}

    assert not await feed.valid(foreign_bench.database, position)


@pytest.mark.parametrize(
    "position", [{}, {"film_work": {"at": "2026-01-05", "id": "", "seen": ""}}, {"film_work": 1}]
)
async def test_e3_a_position_of_another_release_begins_anew(
    foreign_bench: Bench, position: dict[str, object]
) -> None:
    """Its form has changed."""
    assert not await Modified().valid(foreign_bench.database, position)


@pytest.mark.parametrize(
    "wrong", [None, True, "x", 1.5, [], {"x": 1}, {"5000": 1}, {"1": "x"}, 2**70], ids=repr
)
async def test_f1_a_position_of_other_types_begins_anew(foreign_bench: Bench, wrong: object) -> None:
    """Contract 14.5: whoever can write the state can write anything, and no part of it stops the ETL."""
    feed, database = Modified(), foreign_bench.database
    position = await feed.now(database)
    parts = [(table, part) for table in ("film_work", "genre", "person") for part in position[table]]
    parts += [(table, part) for table in ("genre_film_work", "person_film_work") for part in position[table]]

    assert await feed.valid(database, position)
    assert not await feed.valid(database, {**position, "as_of": wrong})
    for table, part in parts:
        if not (part == "id" and isinstance(wrong, str)):
            spoilt = {**position, table: {**position[table], part: wrong}}
            assert not await feed.valid(database, spoilt), part
