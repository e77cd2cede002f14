"""Pages of the source, read here and in a process of its own."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import psutil
import pytest

from cinema.database import Database, DatabaseUnavailable, open_database
from cinema.etl.extract import PIPELINES, IndexPipeline
from cinema.etl.load import Item
from cinema.etl.pages import DocumentPages, InProcess, Subprocess
from cinema.indices import INDICES, MOVIES
from stagedoor.search import Prepare, Put
from stagedoor.search.memory import MemorySearch
from stagedoor.search.tantivy import TantivyWriter
from tests.cinema.etl.sources import FILMS, GENRES, Bench, plant
from tests.live.platform import until

EVERYTHING = (None, None)

READS = """
import multiprocessing
from functools import partial
from cinema.database import open_database
from cinema.etl.pages import Subprocess
from stagedoor.search.memory import MemorySearch

if __name__ == "__main__":
    pages = Subprocess(partial(open_database, "sqlite+aiosqlite:///nothing.db"), MemorySearch.prepare)
    print(*(reader.pid for reader in multiprocessing.active_children()), flush=True)
    input()
"""

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
async def apart(catalogue_url: str, catalogue: Database) -> AsyncIterator[Subprocess]:
    """Give processes that read four films."""
    await catalogue.write(plant)
    pages = opened(catalogue_url, MemorySearch.prepare)
    yield pages
    await pages.aclose()


def opened(url: str, prepare: Prepare) -> Subprocess:
    return Subprocess(partial(open_database, url, mapped=True), prepare)


async def walk(database: Database, pages: DocumentPages, pipeline: IndexPipeline) -> list[list[Item]]:
    spans = await database.read(partial(pipeline.spans, size=2))
    return [await pages.page(pipeline.name, span) for span in spans]


async def test_another_process_reads_the_same(catalogue: Database, apart: Subprocess) -> None:
    """It is only a matter of cores who reads."""
    here = InProcess(catalogue, MemorySearch.prepare)

    for pipeline in PIPELINES:
        pages = await walk(catalogue, apart, pipeline)
        assert pages == await walk(catalogue, here, pipeline)
        assert [len(page) for page in pages][:-1] == [2] * (len(pages) - 1)


async def test_another_process_prepares_for_the_embedded_engine(
    catalogue: Database, catalogue_url: str, tmp_path: Path
) -> None:
    """That is what it is for: nothing of a film is left to be done here."""
    await catalogue.write(plant)
    writer = TantivyWriter(tmp_path, INDICES)
    pages = opened(catalogue_url, writer.prepare)
    try:
        changes = [change for page in await walk(catalogue, pages, PIPELINES[0]) for change in page]
    finally:
        await pages.aclose()
        await writer.aclose()

    assert [change.id for change in changes] == sorted(FILMS)
    assert not any(isinstance(change, Put) for change in changes)


async def test_a_reader_that_was_killed_is_an_outage_and_another_one_begins(apart: Subprocess) -> None:
    """The walk goes on where it was, after the pause that is due after every outage."""
    before = await apart.page(MOVIES.name, EVERYTHING)
    begun = active_children()
    for reader in begun:
        reader.kill()
    for _ in begun:
        with pytest.raises(DatabaseUnavailable):
            await apart.page(MOVIES.name, EVERYTHING)

    assert await apart.page(MOVIES.name, EVERYTHING) == before


async def test_the_answer_to_whoever_has_gone_is_nobody_elses(apart: Subprocess) -> None:
    """C5: a page that was given up is still on its way when the next one is asked for."""
    for _ in range(4):
        gone = asyncio.create_task(apart.page(MOVIES.name, EVERYTHING))
        await asyncio.sleep(0)
        gone.cancel()
    pages = await asyncio.gather(*(apart.page("genres", EVERYTHING) for _ in range(4)))

    assert all({change.id for change in page} == {*GENRES} for page in pages)


async def test_what_the_source_raises_is_raised_here(tmp_path: Path) -> None:
    """Whether it is an outage or a fault of ours decides what is done about it."""
    pages = opened(f"sqlite+aiosqlite:///{tmp_path}/nowhere/cinema.db", MemorySearch.prepare)
    try:
        with pytest.raises(DatabaseUnavailable):
            await pages.page(MOVIES.name, EVERYTHING)
    finally:
        await pages.aclose()


async def test_closing_ends_the_process_whatever_it_does(apart: Subprocess) -> None:
    """X1: whoever stops a rebuild does not wait for a page."""
    begun = active_children()
    reading = asyncio.create_task(apart.page(MOVIES.name, EVERYTHING))
    await asyncio.sleep(0)
    await apart.aclose()

    with pytest.raises(DatabaseUnavailable):
        await reading
    assert len(begun) == 2
    assert not active_children()


def test_x1_readers_end_with_a_process_that_was_killed(tmp_path: Path) -> None:
    """X1: nobody is left to tell them; the end of the line does."""
    script = tmp_path / "reads.py"
    script.write_text(READS)
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        begun = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        process.kill()

    assert len(begun) == 2
    until(lambda: all(map(has_ended, begun)), seconds=10)


async def test_a_rebuild_with_another_process_builds_everything(bench: Bench) -> None:
    """Large tables are read apart; the index equals the source as ever."""
    bench.apart_from = 1
    await bench.run()

    await bench.assert_equal()
    assert not active_children()


def has_ended(process: psutil.Process) -> bool:
    """Tell whether a process has ended, whether or not anybody has asked how."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
