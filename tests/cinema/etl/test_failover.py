"""A standby takes over from a PostgreSQL and lacks what it did last: the index goes back with it (contract 14.2)."""

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from cinema.database import Database, open_database
from cinema.database.migrate import migrate
from cinema.etl.feed import SourceReplaced
from cinema.etl.load import Loader
from cinema.etl.passes import found, update
from stagedoor._clock import SystemClock
from tests.cinema.etl.sources import FILMS, Bench, plant
from tests.cinema.etl.unlogged import foreign, retitle
from tests.servers import Recipe, Server, Unavailable, roomiest, temporary
from tests.servers import postgres as recipe


@dataclass
class Pair:
    """A server, and a standby that has got no further than a moment."""

    primary: Server
    folder: Path
    standby: Server | None = None

    async def part(self) -> None:
        """Let the standby hear of nothing that happens from now on."""
        await execute(self.primary, "CHECKPOINT")
        one = self.primary.recipe
        copied = Recipe(
            name=one.name,
            url=one.url,
            prepare=self._copy,
            command=one.command,
            answers=one.answers,
            farewell=one.farewell,
        )
        self.standby = Server(copied, self.folder)

    def _copy(self, folder: Path) -> None:
        shutil.copytree(self.primary.folder / "pg", folder / "pg", copy_function=shutil.copy2)
        (folder / "pg" / "postmaster.pid").unlink()
        (folder / "pg" / "standby.signal").touch()
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, self.primary.folder.owner(), self.primary.folder.group())

    async def fail_over(self) -> Database:
        """Let the server go, and the standby take its place."""
        assert self.standby is not None
        self.primary.kill()
        self.standby.start()
        await execute(self.standby, "SELECT pg_promote()")
        return open_database(self.standby.url)

    def stop(self) -> None:
        if self.standby is not None:
            self.standby.stop()


async def execute(server: Server, statement: str) -> None:
    connection = await asyncpg.connect(plain(server))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def plain(server: Server) -> str:
    return server.url.replace("postgresql+asyncpg", "postgresql")


@pytest.fixture
def pair() -> Iterator[Pair]:
    try:
        with (
            temporary(lambda: recipe("autovacuum=off")) as primary,
            tempfile.TemporaryDirectory(prefix="standby-", dir=roomiest()) as folder,
        ):
            pair = Pair(primary, Path(folder))
            try:
                yield pair
            finally:
                pair.stop()
    except Unavailable as missing:
        pytest.skip(f"left out: {missing}")


@pytest.fixture
async def bench(pair: Pair, tmp_path: Path) -> AsyncIterator[Bench]:
    """Give an ETL over four films in the first of two servers, all indexed."""
    database = open_database(pair.primary.url)
    await database.write(migrate)
    await database.write(plant)
    bench = Bench(database, tmp_path, pair.primary.url, clock=SystemClock())
    await bench.run()
    yield bench
    await database.close()
    await bench.database.close()


async def rename(bench: Bench, film: str, title: str) -> None:
    await bench.write(f"UPDATE content.film_work SET title = '{title}' WHERE id = '{film}'")


@asynccontextmanager
async def writing(server: Server, statement: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(plain(server))
    try:
        await connection.execute("BEGIN")
        await connection.execute(statement)
        yield connection
    finally:
        connection.terminate()


def forget_timeline(bench: Bench) -> None:
    state = json.loads(bench.state.read_text())
    del state["position"]["timeline"]
    bench.state.write_text(json.dumps(state))


async def test_e6_changes_that_a_failover_has_lost_leave_the_index(pair: Pair, bench: Bench) -> None:
    await pair.part()
    await rename(bench, FILMS[0], "lost")
    await bench.run()

    bench.database = await pair.fail_over()
    await rename(bench, FILMS[1], "kept")
    await bench.run()

    await bench.assert_equal()


@pytest.mark.parametrize("before", ["this release", "an earlier one"])
async def test_e6_a_lost_commit_is_noticed_although_a_later_change_was_kept(
    pair: Pair, bench: Bench, before: str
) -> None:
    """The transaction that began first is committed last, and is the only one that the standby lacks.

    A place that an earlier release has left, or one taken on a standby, has no timeline until the next pass.
    """
    change = f"UPDATE content.film_work SET title = 'lost' WHERE id = '{FILMS[0]}'"
    async with writing(pair.primary, change) as early:
        await rename(bench, FILMS[1], "kept")
        await pair.part()
        await early.execute("COMMIT")
        await bench.run()
    if before == "an earlier one":
        forget_timeline(bench)
        await bench.run()

    bench.database = await pair.fail_over()
    await bench.run()

    await bench.assert_equal()


async def test_e6_a_second_pass_behind_a_failover_finds_nothing_to_do(pair: Pair, bench: Bench) -> None:
    await pair.part()
    bench.database = await pair.fail_over()
    await bench.run()

    assert await bench.run() == 0


async def test_e6_a_failover_in_the_middle_of_a_pass_hides_nothing(pair: Pair, bench: Bench) -> None:
    """The new server gives out the numbers of transactions that the old one had given, too."""
    await pair.part()
    for step in range(20):
        await rename(bench, FILMS[0], f"lost {step}")
    await bench.run()
    etl, writer = bench.etl(), bench.writer()
    state, _, _ = await found(etl, writer)
    assert state is not None

    bench.database = await pair.fail_over()
    for step in range(40):
        await rename(bench, FILMS[1], f"kept {step}")
        await rename(bench, FILMS[2] if step < 10 else FILMS[3], f"also {step}")
    again = bench.etl()
    with pytest.raises(SourceReplaced):
        await update(again, Loader(writer, again.retrying, again.report), state)
    await bench.run()

    await bench.assert_equal()


async def test_e6_a_foreign_source_that_fails_over_is_read_anew(pair: Pair, tmp_path: Path) -> None:
    """What went has a moment far before the newest one, and the rows are as many as before."""
    first = await foreign(pair.primary.url, tmp_path, "timestamptz")
    await first.run()
    earlier = "title = 'lost', modified = now() - interval '1 hour'"
    change = f"UPDATE content.film_work SET {earlier} WHERE id = '{FILMS[0]}'"
    async with writing(pair.primary, change) as early:
        await retitle(first, 1, "kept", "now()")
        await pair.part()
        await early.execute("COMMIT")
        await first.run()
    await first.database.close()

    first.database = await pair.fail_over()
    await first.run()
    again = await first.run()

    await first.assert_equal()
    assert again == 0
    await first.database.close()
