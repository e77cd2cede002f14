"""Several consumers of one log: nothing is pruned that one of them needs, and who lacks something rebuilds (14.2)."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from cinema.database import open_database
from cinema.database.migrate import migrate
from cinema.database.tables import change_log, change_log_mark
from cinema.etl.changes import ChangeLog
from cinema.etl.checkpoints import FORGET, Checkpoint, confirmed, consumer_beside, is_due, void
from stagedoor.testing.clock import ManualClock
from tests.cinema.etl.sources import FILMS, PEOPLE, Bench, plant, run_sql

NOW = datetime(2026, 1, 5, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_e6_only_what_all_have_confirmed_is_confirmed() -> None:
    """The slowest decides, as long as it is remembered."""
    slow, fast = Checkpoint((1, 5), NOW - 29 * DAY), Checkpoint((2, 3), NOW)

    assert confirmed([slow, fast], NOW) == (1, 5)
    assert confirmed([slow, fast], NOW + 2 * DAY) == (2, 3)
    assert confirmed([], NOW) is None
    assert confirmed([slow], NOW + FORGET) is None


def test_e6_a_mark_is_left_anew_where_it_says_something_new() -> None:
    """Another place, also an earlier one; or that somebody is still there."""
    mark = Checkpoint((1, 5), NOW)

    assert is_due(None, (1, 5), NOW)
    assert is_due(mark, (1, 4), NOW)
    assert is_due(mark, (1, 6), NOW)
    assert is_due(mark, (1, 5), NOW + HOUR)
    assert not is_due(mark, (1, 5), NOW + HOUR - timedelta(seconds=1))


def test_e6_a_place_is_void_behind_what_was_pruned_and_after_a_long_absence() -> None:
    """What was pruned up to is where one may stand."""
    mark = Checkpoint((1, 5), NOW)

    assert not void(mark, (1, 5), (1, 5), NOW)
    assert void(mark, (1, 5), (1, 6), NOW)
    assert void(mark, (1, 5), (2, 1), NOW)
    assert not void(None, (1, 5), None, NOW)
    assert not void(mark, (1, 5), None, NOW + FORGET)
    assert void(mark, (1, 5), None, NOW + FORGET + HOUR)


def test_e6_a_copy_of_an_index_is_another_consumer(tmp_path: Path) -> None:
    """And the same one is the same after a restart."""
    first = consumer_beside(tmp_path / "a" / "state.json")
    shutil.copytree(tmp_path / "a", tmp_path / "b")

    assert consumer_beside(tmp_path / "a" / "state.json") == first
    assert consumer_beside(tmp_path / "b" / "state.json") != first
    assert consumer_beside(tmp_path / "c" / "state.json") != first


def another(bench: Bench, name: str) -> Bench:
    """Give a second index over the same source."""
    folder = bench.folder.with_name(name)
    return replace(bench, folder=folder, feed=ChangeLog(bench.clock, name), engine=None, lines=[], losses=[])


def today(bench: Bench) -> datetime:
    return datetime.fromtimestamp(bench.clock.wall(), UTC)


async def newest(bench: Bench) -> int:
    """Return the last number of the log."""
    last = select(func.max(change_log.c.seq))
    return await bench.database.read(lambda connection: connection.execute(last).scalar_one())


async def date(bench: Bench, days_ago: int, after: int = 0) -> None:
    """Let the rows of the log behind a number be so old."""
    day = today(bench) - timedelta(days=days_ago)
    those = (change_log.c.entity != "source") & (change_log.c.seq > after)
    dated = change_log.update().where(those).values(changed_at=day)
    await bench.database.write(lambda connection: connection.execute(dated).rowcount)


@pytest.fixture
async def bench(bench: Bench) -> Bench:
    """Give an ETL over films that came long ago; its index does not exist yet."""
    await date(bench, 9)
    return bench


async def change(bench: Bench, title: str, days_ago: int = 8) -> None:
    """Change a film and a person, so long ago."""
    before = await newest(bench)
    await bench.write(f"UPDATE content.film_work SET title = '{title}' WHERE id = '{FILMS[0]}'")
    await bench.write(f"UPDATE content.person SET full_name = '{title}' WHERE id = '{PEOPLE[0]}'")
    await date(bench, days_ago, before)


async def rows(bench: Bench) -> int:
    """Count the rows of the log that may be pruned."""
    counted = select(func.count()).where(change_log.c.entity != "source").select_from(change_log)
    return await bench.database.read(lambda connection: connection.execute(counted).scalar_one())


async def test_e6_pruning_leaves_what_another_consumer_needs(bench: Bench) -> None:
    """Contract 14.2: old rows stay until the slowest has confirmed them, and then they go."""
    second = another(bench, "second")
    await bench.run()
    await second.run()
    await change(bench, "Old")

    await bench.run()
    kept = await rows(bench)
    written = await second.run()

    assert kept == 2
    assert 0 < written < 10
    assert await rows(bench) == 0
    await bench.assert_equal()
    await second.assert_equal()


async def test_e6_who_was_away_for_long_holds_nothing_and_rebuilds(bench: Bench) -> None:
    """Contract 14.2: a consumer that was not seen for thirty days is forgotten."""
    clock = bench.clock
    assert isinstance(clock, ManualClock)
    second = another(bench, "second")
    await bench.run()
    await second.run()
    await change(bench, "Old")
    await clock.advance((FORGET + DAY).total_seconds())

    await bench.run()
    left = await rows(bench)
    written = await second.run()

    assert left == 0
    assert written == 10
    await second.assert_equal()
    await bench.assert_equal()


async def test_e6_a_backup_that_lacks_what_was_pruned_rebuilds(bench: Bench) -> None:
    """Contract 14.2: put back in its old place, whose mark says that it has been further."""
    await bench.run()
    state = bench.state.read_text()
    await change(bench, "Old")
    await bench.run()
    assert await rows(bench) == 0
    bench.state.write_text(state)

    assert await bench.run() == 10
    await bench.assert_equal()


async def test_e6_a_backup_takes_its_mark_back_before_it_goes_on(bench: Bench) -> None:
    """Contract 14.2: what it needs is not pruned while it is at it."""
    second = another(bench, "second")
    await bench.run()
    await second.run()
    state = second.state.read_text()
    await change(bench, "Young", days_ago=6)
    await bench.run()
    await second.run()
    second.state.write_text(state)
    feed = second.etl().feed
    held = json.loads(state)["position"]
    await feed.valid(bench.database, held)
    marks = select(change_log_mark.c.seq).where(change_log_mark.c.consumer == "second")

    back = await bench.database.read(lambda connection: connection.execute(marks).scalar_one())

    assert back == held["seq"]


async def test_e6_a_consumer_without_a_mark_goes_on_where_nothing_was_pruned(bench: Bench) -> None:
    """As after an upgrade from a version that left none."""
    await bench.run()
    await bench.write("DELETE FROM content.change_log_mark")

    assert await bench.run() == 0
    assert await bench.run() == 0


async def put_back(bench: Bench, seq: int) -> None:
    """Put the database back to where it was, as its backup had it: the film too, and what the log gives out next."""

    def work(connection: Connection) -> None:
        here = connection.dialect.name == "sqlite"
        quiet = "SELECT 1" if here else "SET LOCAL cinema.bulk = 'on'"
        counter = (
            f"UPDATE sqlite_sequence SET seq = {seq} WHERE name = 'change_log'"
            if here
            else f"SELECT setval('content.change_log_seq_seq', {seq})"
        )
        run_sql(connection, quiet, {})
        run_sql(connection, f"UPDATE content.film_work SET title = 'Film 0' WHERE id = '{FILMS[0]}'", {})
        run_sql(connection, f"DELETE FROM content.change_log WHERE seq > {seq}", {})
        run_sql(connection, counter, {})

    await bench.database.write(work)


@pytest.mark.parametrize("since", [0, 1, 5])
async def test_e6_a_database_put_back_from_a_backup_is_noticed_whatever_it_has_written_since(
    bench: Bench, since: int
) -> None:
    """Contract 14.2: its numbers may have passed the position; the rows behind them are others."""
    await date(bench, 0)  # nothing is pruned
    await bench.run()
    seq = await newest(bench)
    await bench.write(f"UPDATE content.film_work SET title = 'Lost' WHERE id = '{FILMS[0]}'")
    await bench.run()
    await put_back(bench, seq)
    for number in range(since):
        await bench.write(f"UPDATE content.film_work SET title = '{number}' WHERE id = '{FILMS[1]}'")

    await bench.run()

    await bench.assert_equal()
    assert await bench.run() == 0


async def test_e6_a_dump_restored_on_another_server_is_followed(bench: Bench) -> None:
    """Contract 14.2: what its log says of transactions that are yet to come here waits for nobody."""
    if "Postgres" not in repr(bench.database):
        pytest.skip("PostgreSQL only")
    await bench.run()
    await bench.write("UPDATE content.film_work SET title = 'Before'")
    await bench.run()
    await bench.write("UPDATE content.change_log SET tx = ((tx::text)::bigint + 1000000)::text::xid8")
    for table in ("change_log_mark", "change_log_pruned"):
        await bench.write(f"UPDATE content.{table} SET tx = tx + 1000000")
    first = await bench.run(anew=True)
    await bench.write(f"UPDATE content.film_work SET title = 'After' WHERE id = '{FILMS[3]}'")
    then = [await bench.run(), await bench.run()]

    assert (first, then) == (10, [1, 0])
    assert bench.manifest().behind == {}
    await bench.assert_equal()


async def test_e6_an_old_row_behind_a_young_one_stays(bench: Bench) -> None:
    """What was pruned is told by one place, so nothing before it may be left and nothing behind it be gone."""
    await bench.run()
    await change(bench, "Young", days_ago=6)
    await change(bench, "Old", days_ago=8)

    assert 0 < await bench.run() < 10
    assert await rows(bench) == 4


@pytest.mark.parametrize("moment", ["'yesterday'", "x'ff'", "''", "7"])
async def test_e6_a_row_of_the_log_that_says_nothing_stops_no_pruning(tmp_path: Path, moment: str) -> None:
    """E2: whoever may write the log may write anything; its last row is the one that a position names."""
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/cinema.db")
    await database.write(migrate)
    await database.write(plant)
    bench = Bench(database, tmp_path / "etl")
    await date(bench, 9)
    await bench.run()
    odd = f"INSERT INTO change_log (entity, entity_id, op, changed_at) VALUES ('genre', x'ff', 'update', {moment})"
    await change(bench, "Old")
    await bench.write(odd)
    first = [await bench.run(), await bench.run()]
    kept = await rows(bench)
    await change(bench, "Young", days_ago=6)
    second = [await bench.run(), await bench.run()]
    await bench.assert_equal()
    await database.close()

    assert kept == 0
    assert 0 < first[0] < 10
    assert (first[1], second[1]) == (0, 0)
    assert 0 < second[0] < 10


@pytest.mark.parametrize(
    "broken",
    [
        {"seq": "x"},
        {"seq": -1},
        {"seq": float("inf")},
        {"row": 7},
        {"row": {}},
        {"row": {"tx": 0, "seq": 10**30, "about": ""}},
        {"row": {"tx": 0, "seq": 1, "about": "another"}},
    ],
    ids=str,
)
async def test_e6_a_position_that_is_none_begins_anew(bench: Bench, broken: dict[str, object]) -> None:
    """Contract 14.5: whatever a file may say."""
    feed = ChangeLog(bench.clock)
    position = await feed.now(bench.database)

    assert await feed.valid(bench.database, position)
    assert not await feed.valid(bench.database, {**position, **broken})
    assert not await feed.valid(bench.database, {"tx": position["tx"], "seq": position["seq"]})
