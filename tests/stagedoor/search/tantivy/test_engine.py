"""The embedded engine: commits are seen, versions change under readers, crashes lose nothing that was promised."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stagedoor._deadline import DueTime
from stagedoor.errors import UpstreamTimeout, UpstreamUnavailable
from stagedoor.search import Index, Keyword, Number, Put, Query, Term, Text, WriterError
from stagedoor.search.tantivy import TantivyEngine, TantivyOptions, TantivyWriter
from stagedoor.search.tantivy.torn import Unreadable, readable
from stagedoor.testing import ManualClock, call_of

INDEX = Index("films", (Keyword(name="id"), Text(name="title", sortable=True), Number(name="rating")))
ROOT = Path(__file__).parents[4]
OTHER = Index("films", (Keyword(name="id"), Text(name="title", sortable=True)))


@asynccontextmanager
async def opened(folder: Path, index: Index = INDEX) -> AsyncIterator[tuple[TantivyEngine, ManualClock]]:
    clock = ManualClock()
    engine = TantivyEngine(folder, [index], options=TantivyOptions(look=0.25), clock=clock)
    yield engine, clock
    await engine.aclose()


async def filled(folder: Path, *ids: str) -> tuple[TantivyWriter, str]:
    writer = TantivyWriter(folder, [INDEX])
    version = await writer.create(INDEX)
    await added(writer, version, *ids)
    await writer.switch(INDEX.name, version)
    return writer, version


async def added(writer: TantivyWriter, version: str, *ids: str) -> None:
    assert await writer.write(version, [Put({"id": one, "title": one, "rating": 1.0}) for one in ids]) == ()
    await writer.commit(version)


async def total(engine: TantivyEngine) -> int:
    return (await engine.send(call_of(Query(index="films"), operation="search.films"))).total


async def test_a_commit_is_seen_at_the_next_look(tmp_path: Path) -> None:
    """The generation stamp is looked at now and then, so that a reader in another process follows by itself."""
    writer, version = await filled(tmp_path, "a")
    async with opened(tmp_path) as (engine, clock):
        before = await total(engine)
        await added(writer, version, "b")
        soon = await total(engine)
        await clock.advance(0.3)

        assert (before, soon, await total(engine)) == (1, 1, 2)
    await writer.aclose()


async def test_a_reload_sees_a_commit_at_once(tmp_path: Path) -> None:
    """Whoever purges caches reloads first: what is fetched after the purge is new."""
    writer, version = await filled(tmp_path, "a")
    async with opened(tmp_path) as (engine, _):
        await total(engine)
        await added(writer, version, "b")
        await engine.reload()

        assert await total(engine) == 2
    await writer.aclose()


async def test_what_is_not_committed_is_not_seen_and_is_lost(tmp_path: Path) -> None:
    """A batch is all or nothing, also when the writer goes away in the middle of it."""
    writer, version = await filled(tmp_path, "a")
    await writer.write(version, [Put({"id": "b", "title": "b", "rating": None})])
    await writer.aclose()
    again = TantivyWriter(tmp_path, [INDEX])
    count = await again.count(version)
    await added(again, version, "c")

    assert count == 1
    assert await again.count(version) == 2
    await again.aclose()


async def test_a_version_dropped_under_a_reader_is_read_on(tmp_path: Path) -> None:
    """A reader that has not looked yet goes on with what it has open."""
    writer, before = await filled(tmp_path, "a")
    async with opened(tmp_path) as (engine, clock):
        await total(engine)
        after = await writer.create(INDEX)
        await added(writer, after, "b", "c")
        await writer.switch("films", after)
        await writer.drop(before)
        old = await total(engine)
        await clock.advance(1)

        assert (old, await total(engine)) == (1, 2)
    await writer.aclose()


async def test_a_folder_filled_again_under_a_reader_is_asked_in_its_own_keywords(tmp_path: Path) -> None:
    """Its versions have the names of before, and other secrets; found by its id, a film used to be gone for good."""
    writer, _ = await filled(tmp_path / "index", "a")
    await writer.aclose()
    asked = call_of(Query(index="films", clause=Term("id", "a")), operation="search.films")
    async with opened(tmp_path / "index") as (engine, clock):
        before = (await engine.send(asked)).total
        shutil.rmtree(tmp_path / "index")
        again, _ = await filled(tmp_path / "index", "a", "b")
        await clock.advance(0.3)

        assert (before, (await engine.send(asked)).total, await total(engine)) == (1, 1, 2)
    await again.aclose()


async def test_an_index_that_cannot_be_read_is_an_outage(tmp_path: Path) -> None:
    """Issue 4: torn files are no fault of the query; a breaker learns from them, and nobody is told 502."""
    writer, version = await filled(tmp_path, "a")
    await writer.aclose()
    (tmp_path / version / "meta.json").write_text("{")
    async with opened(tmp_path) as (engine, _):
        with pytest.raises(UpstreamUnavailable) as caught:
            await total(engine)

        assert not caught.value.retryable


async def test_what_is_open_is_read_on_while_the_files_are_torn(tmp_path: Path) -> None:
    """Issue 4: answers go on; a reload says that it saw nothing new, and the next look sees what is mended."""
    writer, version = await filled(tmp_path, "a")
    async with opened(tmp_path) as (engine, clock):
        await total(engine)
        await added(writer, version, "b")
        meta = tmp_path / version / "meta.json"
        sound = meta.read_text()
        meta.write_text("{")
        with pytest.raises(UpstreamUnavailable):
            await engine.reload()
        torn = await total(engine)
        meta.write_text(sound)
        await clock.advance(0.3)

        assert (torn, await total(engine)) == (1, 2)
    await writer.aclose()


async def test_a_folder_that_was_removed_is_read_on_until_it_is_filled_again(tmp_path: Path) -> None:
    """Issue 4: numbers of versions begin anew in an empty folder, and still the new one is seen."""
    folder = tmp_path / "index"
    writer, first = await filled(folder, "a")
    await writer.aclose()
    async with opened(folder) as (engine, clock):
        await total(engine)
        shutil.rmtree(folder)
        await clock.advance(0.3)
        without = await total(engine)
        writer, second = await filled(folder, "b", "c")
        await clock.advance(0.3)

        assert (without, await total(engine), first == second) == (1, 2, True)
    await writer.aclose()


def test_a_panic_of_the_library_is_told_as_an_error() -> None:
    """Rust's panics arrive as a `BaseException`, which would pass every handler of the gateway."""

    class Panic(BaseException):
        """What pyo3 raises, which cannot be imported."""

    with pytest.raises(Unreadable), readable():
        raise Panic

    with pytest.raises(TypeError), readable():
        raise TypeError


async def test_an_index_of_another_declaration_is_not_there(tmp_path: Path) -> None:
    """After an upgrade the old files must be rebuilt, not misread; the writer says that there is none."""
    writer, version = await filled(tmp_path, "a")
    await writer.aclose()
    upgraded = TantivyWriter(tmp_path, [OTHER])
    async with opened(tmp_path, index=OTHER) as (engine, _):
        with pytest.raises(UpstreamUnavailable):
            await total(engine)
    assert await upgraded.current("films") is None
    with pytest.raises(WriterError):
        await upgraded.commit(version)
    await upgraded.aclose()


async def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """A second process that writes the same version is told, and does no harm."""
    writer, version = await filled(tmp_path, "a")
    second = TantivyWriter(tmp_path, [INDEX])

    with pytest.raises(WriterError):
        await second.write(version, [Put({"id": "b", "title": "b", "rating": None})])
    await second.aclose()
    await writer.aclose()


async def test_a_killed_writer_leaves_no_lock_and_no_half_batch(tmp_path: Path) -> None:
    """The lock dies with its process, and what was committed is there."""
    script = f"""
import asyncio, json, os, signal
from pathlib import Path
from tests.stagedoor.search.tantivy.test_engine import INDEX, Put, filled
async def main():
    writer, version = await filled(Path({str(tmp_path)!r}), "a", "b")
    await writer.write(version, [Put({{"id": "c", "title": "c", "rating": None}})])
    print(json.dumps(version), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    version = json.loads(done.stdout)
    writer = TantivyWriter(tmp_path, [INDEX])
    await added(writer, version, "d")

    assert await writer.count(version) == 3
    await writer.aclose()


async def test_ids_that_cannot_be_ordered_are_refused(tmp_path: Path) -> None:
    """Order by id is by two numbers: an id is a UUID or at most 16 bytes."""
    writer, version = await filled(tmp_path, "a")
    refused = await writer.write(version, [Put({"id": "x" * 17, "title": "x", "rating": None})])

    assert [one.id for one in refused] == ["x" * 17]
    await writer.aclose()


async def test_d4_a_search_whose_deadline_has_passed_is_not_made(tmp_path: Path) -> None:
    """D4: it raises what every transport raises."""
    writer, _ = await filled(tmp_path, "a")
    async with opened(tmp_path) as (engine, clock):
        call = call_of(Query(index="films"), deadline=DueTime(clock.now()))
        with pytest.raises(UpstreamTimeout):
            await engine.send(call)
        assert engine.counts() == {"permits": 0, "waiting": 0}
    await writer.aclose()


def test_keys_of_queries_are_injective() -> None:
    """T6: what an engine can tell apart has another key, types included."""
    engine = TantivyEngine(Path("nowhere"), [INDEX])
    queries = [
        Query(index="films"),
        Query(index="genres"),
        Query(index="films", offset=1),
        Query(index="films", limit=1),
        Query(index="films", fields=("id",)),
    ]

    assert len({engine.key_of(query) for query in queries}) == len(queries)
    assert engine.idempotent(queries[0])
