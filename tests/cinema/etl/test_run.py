"""The ETL as a process: what ends it, and what does not."""

import asyncio
import fcntl
import json
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import select

from cinema.database import open_database
from cinema.database.migrate import migrate
from cinema.database.tables import film_work
from cinema.etl.report import Lines
from cinema.etl.run import job_of
from cinema.indices import INDICES
from cinema.settings import Settings
from stagedoor._clock import SystemClock
from stagedoor.search.tantivy import TantivyEngine, TantivyWriter
from stagedoor.testing import ManualClock
from tests.cinema.etl.sources import FILMS, documents_in, plant
from tests.live.platform import clean, run

_NOTICED = 1.2  # seconds after which readers have looked whether the file is another one


class Heard:
    """What a report has said, and a way to wait for it."""

    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []
        self.more = asyncio.Event()

    def write(self, line: bytes) -> None:
        self.lines.append(json.loads(line))
        self.more.set()

    async def until(self, event: str) -> dict[str, object]:
        """Return the next line about this event."""
        async with asyncio.timeout(20):
            while not self.lines or self.lines[-1]["event"] != event:
                self.more.clear()
                await self.more.wait()
        return self.lines.pop()


async def test_a_file_that_cannot_be_written_ends_no_watch(tmp_path: Path) -> None:
    """Contract 14.6: no exit. What stands in the way of the lock is told, without a path, and tried again later."""
    lock = tmp_path / "state.json.lock"
    lock.mkdir()
    settings = Settings(
        database_url=f"sqlite+aiosqlite:///{tmp_path}/cinema.db",
        search_dir=tmp_path / "index",
        search_etl_state=tmp_path / "state.json",
    )
    heard, clock = Heard(), ManualClock()
    job = job_of(settings, Lines(heard.write, SystemClock()))
    job = replace(job, env=replace(job.env, clock=clock))

    watching = asyncio.create_task(job.watch())
    first = await heard.until("etl_failed")
    await asyncio.to_thread(shutil.rmtree, lock)
    await clock.advance(settings.search_etl_interval_s)
    second = await heard.until("etl_failed")
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await job.aclose()

    assert first["reason"] == "Is a directory"
    assert second["reason"] == "NoSuchTableError"  # the lock is taken, and there are no tables yet


async def test_f1_an_error_that_nobody_foresaw_ends_no_watch(tmp_path: Path) -> None:
    """F1, contract 14.6: it is told with its places, once, and passes go on."""
    settings = Settings(
        database_url=f"sqlite+aiosqlite:///{tmp_path}/cinema.db",
        search_dir=tmp_path / "index",
        search_etl_state=tmp_path / "state.json",
    )
    heard, clock, tried = Heard(), ManualClock(), 0

    def broken() -> NoReturn:
        nonlocal tried
        tried += 1
        raise ZeroDivisionError("with a secret in it")

    job = job_of(settings, Lines(heard.write, SystemClock()))
    job = replace(job, env=replace(job.env, clock=clock), open_writer=broken)
    watching = asyncio.create_task(job.watch())
    told = await heard.until("etl_failed")
    for _ in range(100):  # the lock is a file, and a file is opened by a thread
        await clock.advance(0.1)
        await asyncio.sleep(0.005)
        if tried > 2:
            break
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await job.aclose()

    assert tried > 2
    assert str(told["reason"]).startswith("ZeroDivisionError < test_run.py")
    assert "secret" not in str(told)
    assert heard.lines == []


class Swapping(TantivyWriter):
    """A writer in the middle of whose pass another file is put in the place of the database."""

    swap: tuple[Path, Path] | None = None

    async def versions(self, name: str, /) -> tuple[str, ...]:
        if self.swap is not None:
            fresh, place = self.swap
            Swapping.swap = None
            fresh.replace(place)
            await asyncio.sleep(_NOTICED)
        return await super().versions(name)


async def test_e6_a_file_put_back_in_the_middle_of_a_pass_is_followed_whole(tmp_path: Path) -> None:
    """The backup that is put back has been written since, past the place that the pass goes on from."""
    file, backup = tmp_path / "cinema.db", tmp_path / "backup.db"
    settings = Settings(
        database_url=f"sqlite+aiosqlite:///{file}",
        search_dir=tmp_path / "index",
        search_etl_state=tmp_path / "state.json",
    )
    database = open_database(settings.database_url)
    await database.write(migrate)
    await database.write(plant)
    await database.close()
    shutil.copy(file, backup)
    rename(file, FILMS[0], 20)
    heard = Heard()
    job = job_of(settings, Lines(heard.write, SystemClock()))
    job = replace(job, open_writer=lambda: Swapping(settings.search_dir, INDICES))
    await job.once()
    rename(backup, FILMS[1], 20)
    rename(backup, FILMS[2], 20)

    Swapping.swap = (backup, file)
    await job.once()
    wanted = await job.database.read(lambda connection: connection.execute(select(film_work.c.title)).all())
    await job.aclose()
    engine = TantivyEngine(settings.search_dir, INDICES)
    held = await documents_in(engine, "movies", SystemClock())
    await engine.aclose()

    assert sorted(film["title"] for film in held.values()) == sorted(title for (title,) in wanted)
    assert "SourceReplaced" in {line.get("reason") for line in heard.lines}


def rename(file: Path, film: str, times: int) -> None:
    """Write many rows of the log, and leave none of them in a file beside."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        for step in range(times):
            connection.execute("UPDATE film_work SET title = ? WHERE id = ?", (f"{film} {step}", film))


@pytest.mark.parametrize(("words", "code"), [((), 128 + signal.SIGTERM), (("--watch",), 0)])
def test_a_pass_that_a_signal_ends_does_not_end_well(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    """Whoever starts the gateway behind a whole pass must not take half of one for it; a watch ends by no other way."""
    (tmp_path / "state.json.lock").touch()
    environment = clean() | {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/cinema.db",
        "SEARCH_DIR": f"{tmp_path}/index",
        "SEARCH_ETL_STATE": f"{tmp_path}/state.json",
    }
    subprocess.run(run("migrate"), env=environment, cwd=tmp_path, check=True, capture_output=True)
    with (tmp_path / "state.json.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # so that there is a moment before the pass
        etl = subprocess.Popen(run("etl", *words), env=environment, cwd=tmp_path, stdout=subprocess.PIPE)
        assert etl.stdout is not None
        assert b"etl_queues" in etl.stdout.readline()
        etl.send_signal(signal.SIGTERM)
        etl.communicate(timeout=30)

    assert etl.returncode == code
    assert not (tmp_path / "state.json").exists()
