"""The catalogue on real processes: films in a database, the ETL over it, and a gateway that serves them."""

import asyncio
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from tests.live.load import Client, Shot
from tests.live.platform import Platform, run, until
from tests.servers import parental

__all__ = ["HOT", "STALL", "Catalogue", "fair", "fresh", "mixed", "took", "warmed"]

# The generator was late by this much: the machine was busy, and what was under way then says little about the code.
BUSY = 0.02
STALL = 0.3

# What everybody asks for, in both dialects: kept, once it was asked for.
HOT = (
    "/api/v1/films",
    "/api/v1/films?sort=-imdb_rating&page_size=20",
    "/api/v1/films/search?query=star",
    "/api/v1/genres",
    "/api/v1/persons?page_size=10",
    "/api/v1/persons/search?query=anna",
    "/v1/films",
    "/v1/films?pagination=0&pagination=5&order=title",
    "/v1/films?imdb_rating=7&imdb_rating=9",
    "/v1/genres?pagination=0&pagination=100",
    "/v1/persons?order=-name",
    "/v1/persons?name=anna",
)


class Catalogue(Platform):
    """A platform whose films lie in its own folder; the index is filled by `etl`."""

    def __init__(self, folder: Path, films: Path, /, **settings: str | float) -> None:
        self.database = folder / "cinema.db"
        shutil.copyfile(films, self.database)
        own = {
            "SEARCH_DIR": str(folder / "index"),
            "SEARCH_ETL_STATE": str(folder / "state.json"),
            "SEARCH_ETL_INTERVAL_S": "1",
            "GATEWAY_RATE_LIMIT": "0",
        }
        super().__init__(folder, f"sqlite+aiosqlite:///{self.database}", **(own | settings))

    @property
    def index(self) -> Path:
        """Return the folder of the embedded engine."""
        return self.folder / "index"

    def etl(self, *words: str) -> None:
        """Make one pass of the ETL."""
        with self.begin_etl(*words) as process:
            until(lambda: process.poll() is not None, self.etl_says, 100)
        assert process.returncode == 0, self.etl_says()

    def begin_etl(self, *words: str) -> subprocess.Popen[bytes]:
        """Start the ETL; what it says is in the file `etl.log`."""
        with (self.folder / "etl.log").open("ab") as log:
            return subprocess.Popen(
                [*parental(), *run("etl", *words)],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def etl_says(self) -> str:
        """Return what the ETL started by `begin_etl` has said."""
        return (self.folder / "etl.log").read_text(errors="replace")

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one bare statement, the way a program without any idea of the platform does."""
        with closing(sqlite3.connect(self.database, timeout=60)) as database, database:
            return database.execute(statement, values).fetchall()

    def delete(self, table: str, key: str) -> None:
        """Delete one row, and what hangs on it."""
        with closing(sqlite3.connect(self.database, timeout=60)) as database, database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute(f"DELETE FROM {table} WHERE id = ?", (key,))

    def ids(self, table: str) -> list[str]:
        """Return the ids in a table."""
        return [str(key) for (key,) in self.sql(f"SELECT id FROM {table} ORDER BY id")]


def fresh(catalogue: Catalogue, seed: int) -> Iterator[str]:
    """Return questions in both dialects, each once; the seed, from 1 to 30, keeps two lists apart."""
    rng = random.Random(seed)
    films, people = catalogue.ids("film_work"), catalogue.ids("person")
    rng.shuffle(films)
    rng.shuffle(people)
    for number in range(1, len(films) // 2):
        one, other, person = films[2 * number], films[2 * number + 1], people[number]
        yield from (
            f"/api/v1/films/{one}",
            f"/v1/films?pagination={number}&pagination={seed}&order=title",
            f"/api/v1/films/search?query=love+{seed}+{number}",
            f"/v1/persons/{person}",
            f"/api/v1/films/{other}/similar",
            f"/api/v1/films?sort=title&page_size={seed}&page_number={number}",
            f"/api/v1/persons/{person}/films",
            f"/v1/films?title=night&pagination={number}&pagination={seed}",
        )


def mixed(catalogue: Catalogue, seed: int) -> Iterator[str]:
    """Alternate between what is kept and what is asked for the first time."""
    for number, path in enumerate(fresh(catalogue, seed)):
        yield HOT[number % len(HOT)]
        yield path


async def warmed(client: Client, catalogue: Catalogue) -> None:
    """Ask for what everybody asks for until it is kept, and for other things until all are answered."""
    for path in (*HOT, *islice(fresh(catalogue, 30), 40)):
        for _ in range(100):
            if (await client.get(path)).status == 200:
                break
            await asyncio.sleep(0.1)


def fair(shots: Sequence[Shot]) -> list[Shot]:
    """Leave out what was under way while the machine had no time for the generator itself."""
    stalls = [shot.at for shot in shots if shot.late > BUSY]
    return [shot for shot in shots if not any(abs(shot.at - stall) < STALL for stall in stalls)]


def took(platform: Platform, shots: Sequence[Shot]) -> list[float]:
    """Return what the gateway's log says each of these requests took, in milliseconds."""
    wanted = [shot.headers["x-request-id"] for shot in shots]
    found: dict[str, float] = {}

    def logged() -> bool:
        lines = (line for line in platform["gateway"].lines() if line["event"] == "request")
        found.update({line["request_id"]: line["duration_ms"] for line in lines})
        return found.keys() >= set(wanted)

    until(logged, lambda: "not every request was logged")
    return [found[one] for one in wanted]
