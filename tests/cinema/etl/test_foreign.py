"""A database without a log: followed by moments, or by comparison."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from cinema.database import open_database
from cinema.etl.modified import Modified
from cinema.etl.moments import milliseconds
from tests.cinema.etl.sources import FILMS, GENRES, PEOPLE, Bench, link
from tests.cinema.etl.unlogged import PAST, add, create, followed, retitle

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
    foreign_bench = Bench(database, tmp_path / "etl", feed=Modified())
    came: list[int] = []
    for film, day in enumerate(("2026-05-01T10", "2036-05-01T10", "2026-05-01T11", "2026-05-02T11")):
        await add(foreign_bench, film, f"'{day}:00:00.000000+00:00'")
        came.append(await foreign_bench.run())

    await foreign_bench.assert_equal()
    await database.close()

    assert came == [1, 1, 1, 1]


async def test_e3_a_moment_of_the_future_is_passed_when_it_has_come(foreign_bench: Bench) -> None:
    """From then on it is a row like others."""
    soon = datetime.now(UTC) + timedelta(seconds=2.0)
    await add(foreign_bench, 2, f"'{soon.isoformat()}'")
    first = await followed(foreign_bench)
    while datetime.now(UTC) < soon + timedelta(seconds=0.1):  # noqa: ASYNC110 - the database's clock is not ours to set
        await asyncio.sleep(0.05)

    assert first == [1, 0]
    assert await followed(foreign_bench) == [1, 0]


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
    "digits alone": ["2026-02-01 10:00:00", "20260201100030", "20260202"],
    "days": ["2026-02-01", "2026-02-02", "2026-02-03 00:00"],
    "backwards as text": ["2026-02-01T23:00:00+14:00", "2026-02-01T10:00:00Z", "2026-01-31T23:59:00-12:00"],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_e3_moments_are_compared_as_moments(foreign_bench: Bench, spelling: str) -> None:
    """One after the other by the clock, whatever the order of the texts: each is written once, and nothing else."""
    came: list[int] = []
    for film, moment in zip((2, 3, 0), SPELLINGS[spelling], strict=True):
        written = f"'{moment}'" if isinstance(moment, str) else str(moment)
        await (
            retitle(foreign_bench, film, "New", written) if film == 0 else add(foreign_bench, film, written)
        )
        came += await followed(foreign_bench)

    assert came == [1, 0, 1, 0, 2, 0]  # the last has a person


NONSENSE = ["NULL", "'yesterday'", "CAST(x'ff' AS text)"]


@pytest.mark.parametrize("moment", NONSENSE)
async def test_e3_what_has_no_moment_is_compared(foreign_bench: Bench, moment: str) -> None:
    """It is found when it comes, when it changes in place, when it gets a moment of the past, and not otherwise."""
    await add(foreign_bench, 2, moment)
    came = await followed(foreign_bench)
    await retitle(foreign_bench, 2, "Changed in place")
    came += await followed(foreign_bench)
    await retitle(foreign_bench, 2, "Changed", "'2020-01-01 00:00:00'")
    came += await followed(foreign_bench)
    await retitle(foreign_bench, 2, "And back", moment)
    came += await followed(foreign_bench)

    assert came == [1, 0, 1, 0, 1, 0, 1, 0]


async def test_e3_a_second_change_of_one_moment_is_seen(foreign_bench: Bench) -> None:
    """A clock that counts seconds gives both the same."""
    await retitle(foreign_bench, 0, "First", "'2026-03-01 10:00:00'")
    await foreign_bench.run()
    await retitle(foreign_bench, 0, "Second", "'2026-03-01 10:00:00'")

    assert await followed(foreign_bench) == [2, 0]


async def test_e3_one_of_many_equal_moments_is_not_all_of_them(foreign_bench: Bench) -> None:
    """A table loaded at one moment, of which a row changes: few are read again."""
    rows = ", ".join(f"('{uuid4()}', 'Loaded', '2026-03-01 10:00:00')" for _ in range(500))
    await foreign_bench.write(f"INSERT INTO content.film_work (id, title, modified) VALUES {rows}")
    first = await followed(foreign_bench)
    await retitle(foreign_bench, 0, "Changed", "'2026-03-01 10:00:01'")
    second = await followed(foreign_bench)

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
    foreign_bench = Bench(database, tmp_path, database_url, feed=Modified())
    await add(foreign_bench, 0, past)
    await foreign_bench.run()
    await add(foreign_bench, 1, early)
    came = await followed(foreign_bench)
    await retitle(foreign_bench, 0, "New", late)
    came += await followed(foreign_bench)
    await retitle(foreign_bench, 1, "New", "modified" if kind == "text" else late)
    came += await followed(foreign_bench)
    await database.close()

    assert came == [1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint"])
async def test_e2_the_least_number_in_place_of_a_moment_stops_nothing(
    database_url: str, tmp_path: Path, kind: str
) -> None:
    """E2, E3: it has no absolute value of its own kind."""
    least = {"smallint": -(2**15), "integer": -(2**31), "bigint": -(2**63)}[kind]
    database = open_database(database_url)
    await database.write(partial(create, moment=kind))
    foreign_bench = Bench(database, tmp_path, database_url, feed=Modified())
    await add(foreign_bench, 0, str(least))
    await foreign_bench.run()
    await add(foreign_bench, 1, str(least))
    await retitle(foreign_bench, 0, "New")
    came = await followed(foreign_bench)
    await database.close()

    assert came == [2, 0]


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
        ("text", b"20260201", 1769904000000),
        ("integer", b"20260201100030", 1769940030000),
        ("integer", b"20261301", 20261301000),
        ("real", b"20260201.0", 20260201000),
        ("integer", b"9223372036854775807", 9223372036854),
    ],
)
def test_e3_a_value_is_a_moment_or_none(kind: str, value: bytes | None, moment: int | None) -> None:
    """No value stops the ETL."""
    assert milliseconds(kind, value) == moment


async def test_e3_a_row_whose_id_is_no_text_is_set_aside(foreign_bench: Bench) -> None:
    """E2: what cannot be read of a source without a log stops nothing either, and is told by its id."""
    await foreign_bench.write(
        f"INSERT INTO film_work (id, title, modified) VALUES (CAST(x'ff' AS text), 'Odd', '{PAST}')"
    )
    await add(foreign_bench, 2, "'2026-03-01 10:00:00'")
    written = await foreign_bench.run()
    state = json.loads(foreign_bench.state.read_text())

    assert written == 1
    assert list(state["set_aside"]) == ["movies/x'FF'"]


@pytest.mark.parametrize("moment", [f"'{PAST}'", "'2026-03-01 10:00:00'", "NULL"])
async def test_e2_a_row_without_an_id_is_set_aside(either: Bench, moment: str) -> None:
    """E2: databases keep such rows where nothing forbids it; it is told once, and what comes behind it goes on."""
    await _forbid_nothing(either)
    for title in ("One", "Two"):
        await either.write(f"INSERT INTO content.film_work (title, modified) VALUES ('{title}', {moment})")
    await add(either, 2, "'2026-03-01 10:00:01'")
    came = [await either.run(), await either.run()]
    rebuilt = await either.run(anew=True)
    told = [line["id"] for line in map(json.loads, either.lines) if line["event"] == "etl_set_aside"]
    set_aside = list(json.loads(either.state.read_text())["set_aside"])
    await either.write("DELETE FROM content.film_work WHERE id IS NULL")
    await either.run()

    assert came == [1, 0]
    assert rebuilt == 7
    assert told == ["NULL", "NULL"]  # the second time it is a rebuild that says so
    assert set_aside == ["movies/NULL"]
    assert json.loads(either.state.read_text())["set_aside"] == {}
    await either.assert_equal()


async def test_e2_a_link_without_ends_or_a_role_stops_nothing(either: Bench) -> None:
    """E2: it links nobody; a role that is none is no role, and never null (contract 14.4)."""
    parts = "INSERT INTO content.person_film_work (id, film_work_id, person_id, role) VALUES"
    await either.write(f"{parts} ('{link(20)}', NULL, '{PEOPLE[0]}', 'actor')")
    await either.write(f"{parts} ('{link(21)}', '{FILMS[0]}', NULL, 'actor')")
    await either.write(f"{parts} ('{link(22)}', '{FILMS[0]}', '{PEOPLE[1]}', NULL)")
    came = await followed(either)
    films = (await either.held("persons"))[PEOPLE[1]]["films"]

    assert came[0] > 0
    assert came[1] == 0
    assert [film["roles"] for film in films] == [[], ["actor"]]


async def _forbid_nothing(either: Bench) -> None:
    """Let the ids of films be none: SQLite has done so all the time."""
    if "Postgres" in repr(either.database):
        await either.write("ALTER TABLE content.film_work DROP CONSTRAINT film_work_pkey")
        await either.write("ALTER TABLE content.film_work ALTER COLUMN id DROP NOT NULL")
