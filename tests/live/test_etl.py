"""`cinema etl` as a process of its own: killed at any moment, two at once, watching."""

import asyncio
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from cinema.database import open_database
from cinema.etl.extract import PIPELINES
from cinema.etl.manifest import read_manifest
from cinema.indices import INDICES
from stagedoor._clock import SystemClock
from stagedoor._transports.http import HttpTransport
from stagedoor.search import Engine
from stagedoor.search.elastic import ElasticEngine
from stagedoor.search.tantivy import TantivyEngine
from tests.cinema.etl.sources import documents_in, whole
from tests.kinds import kinds
from tests.live.platform import clean, prepare, run, until
from tests.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

FILMS = 600
KILLS = max(kinds(6, 20))  # few by default


class Place:
    """A folder with a catalogue, and the ETL over it."""

    def __init__(self, folder: Path, database: Path) -> None:
        self.folder = folder
        shutil.copyfile(database, folder / "cinema.db")
        self.environment = clean() | {
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/cinema.db",
            "SEARCH_DIR": str(folder / "index"),
            "SEARCH_ETL_STATE": str(folder / "state.json"),
            "SEARCH_ETL_BATCH": "50",
            "SEARCH_ETL_INTERVAL_S": "1",
        }

    def cinema(self, *words: str) -> str:
        done = subprocess.run(
            run(*words), cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                run("etl", *words), cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )

    def change(self, rng: random.Random) -> None:
        """Change something of every kind, as another program would."""
        with sqlite3.connect(self.folder / "cinema.db", timeout=60) as database:
            database.execute("PRAGMA foreign_keys = ON")
            for table in ("film_work", "person", "genre"):
                keys = [key for (key,) in database.execute(f"SELECT id FROM {table}")]
                column = {"film_work": "title", "person": "full_name", "genre": "name"}[table]
                name = f"{table} {rng.random()}"
                database.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (name, rng.choice(keys)))
                if table != "genre":
                    database.execute(f"DELETE FROM {table} WHERE id = ?", (rng.choice(keys),))
            links = [key for (key,) in database.execute("SELECT id FROM person_film_work")]
            database.execute("DELETE FROM person_film_work WHERE id = ?", (rng.choice(links),))
        database.close()

    async def assert_equal(self, engine: Engine | None = None) -> None:
        engine = engine or TantivyEngine(self.folder / "index", INDICES)
        source = open_database(self.environment["DATABASE_URL"])
        try:
            for pipeline in PIPELINES:
                held = await documents_in(engine, pipeline.name, SystemClock())
                wanted = await source.read(partial(whole, pipeline=pipeline))
                assert held == wanted, pipeline.name
        finally:
            await source.close()
            await engine.aclose()


@pytest.fixture(scope="session")
def sown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a database with synthetic films in it, to be copied."""
    folder = tmp_path_factory.mktemp("sown")
    prepare(f"sqlite+aiosqlite:///{folder}/cinema.db", folder, FILMS)
    return folder / "cinema.db"


@pytest.fixture
def place(tmp_path: Path, sown: Path) -> Place:
    """Give a catalogue of synthetic films, not indexed yet."""
    return Place(tmp_path, sown)


async def test_an_etl_killed_at_any_moment_leaves_an_index_equal_to_the_source(place: Place) -> None:
    """Issue 4: SIGKILL at random moments of rebuilds and of changes, in CI 20; nothing lost, nothing doubled."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    started = time.monotonic()
    place.cinema("etl")
    whole_pass = time.monotonic() - started
    for kill in range(KILLS):
        place.change(rng)
        process = place.begin(*(["--rebuild"] if kill % 3 == 0 else []))
        await asyncio.sleep(rng.uniform(0.2, 1.1) * whole_pass)
        process.kill()
        process.wait()

    place.cinema("etl")

    await place.assert_equal()
    names = [path.name for path in (place.folder / "index").iterdir() if path.is_dir()]
    assert len(names) <= 6, names


async def test_two_at_once_take_turns(place: Place) -> None:
    """Contract 14.7: one writer at a time, and neither fails."""
    first, second = place.begin(), place.begin("--rebuild")

    assert (first.wait(100), second.wait(100)) == (0, 0)
    await place.assert_equal()


async def test_a_watching_etl_follows_and_ends_with_0(place: Place) -> None:
    """Contract 17: SIGTERM ends it, and no half-written state stays behind."""
    place.cinema("etl")
    process = place.begin("--watch")
    manifest = place.folder / "index" / "batch.json"
    before = read_manifest(manifest).batch
    place.change(random.Random(1))

    until(lambda: read_manifest(manifest).batch > before)
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)

    assert code == 0
    json.loads((place.folder / "state.json").read_text())
    await place.assert_equal()


def test_a_bare_update_shows_after_one_pass(place: Place) -> None:
    """Issue 4: one person's name by SQL that touches no other column."""
    place.cinema("etl")
    with sqlite3.connect(place.folder / "cinema.db") as database:
        (person,) = database.execute("SELECT person_id FROM person_film_work LIMIT 1").fetchone()
        database.execute("UPDATE person SET full_name = 'Somebody Else' WHERE id = ?", (person,))
    database.close()
    before = read_manifest(place.folder / "index" / "batch.json").batch

    place.cinema("etl")

    tags = read_manifest(place.folder / "index" / "batch.json").since(before)
    assert tags is not None
    assert {f"person:{person}", "persons", "films"} <= set(tags)


@pytest.mark.xdist_group("search nodes")
@pytest.mark.parametrize("node", kinds("opensearch", "elasticsearch"))
@pytest.mark.timeout(400)
async def test_a_node_is_filled_followed_and_waited_for(
    place: Place, node: str, request: pytest.FixtureRequest
) -> None:
    """Issue 4: the same over HTTP; an ETL that begins while the node is away ends when it is back."""
    server: Server = request.getfixturevalue(node)
    place.environment["SEARCH_URL"] = server.url
    place.cinema("etl")
    place.change(random.Random(2))
    server.pause()
    process = place.begin()
    await asyncio.sleep(3)
    assert process.poll() is None
    server.resume()

    assert process.wait(100) == 0
    await place.assert_equal(ElasticEngine(HttpTransport(server.url, connect_timeout=5), INDICES))


def test_a_database_without_films_is_refused_in_one_line(tmp_path: Path) -> None:
    """Nothing to read is a mistake of whoever started it."""
    environment = clean() | {"DATABASE_URL": f"sqlite:///{tmp_path}/none.db"}

    done = subprocess.run(
        run("etl"), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 78
    assert done.stderr.count("\n") == 1
    assert "DATABASE_URL" in done.stderr
