"""What the index does not take, and engines and databases that are away."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from cinema.database import Database, DatabaseUnavailable
from cinema.etl.load import Loader
from cinema.etl.report import Lines
from cinema.etl.retrying import LONGEST, Retrying, next_pause
from cinema.etl.state import read_state
from cinema.indices import INDICES
from stagedoor._call import Call, Env
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._upstream import Upstream
from stagedoor.search import Change, Index, Put, Refused, WriterError
from stagedoor.search.elastic import ElasticWriter
from stagedoor.search.memory import MemorySearch
from stagedoor.testing import Events, ScriptedTransport
from stagedoor.testing.clock import ManualClock
from tests.cinema.etl.sources import FILMS, PEOPLE, Bench

T = TypeVar("T")


class Moody(MemorySearch):
    """An index that refuses some documents, and fails as a whole so many times."""

    def __init__(self, clock: ManualClock, *, poison: str = "", failures: int = 0, shy: int = 0) -> None:
        super().__init__(INDICES, clock=clock)
        self.poison = poison
        self.failures = failures
        self.shy = shy

    async def write(self, version: str, changes: Sequence[Change], /) -> tuple[Refused, ...]:
        if self.failures:
            self.failures -= 1
            raise WriterError("away")
        if self.shy:
            self.shy -= 1
            return tuple(Refused(change.id, "busy", retryable=True) for change in changes)
        taken = [change for change in changes if change.id != self.poison]
        refused = [Refused(change.id, "cannot be read") for change in changes if change.id == self.poison]
        return (*await super().write(version, taken), *refused)


async def run(bench: Bench) -> int:
    """Run a pass, and let time go by whenever it waits."""
    clock = bench.clock
    assert isinstance(clock, ManualClock)
    task = asyncio.ensure_future(bench.run())
    while not task.done():
        await asyncio.sleep(0.002)  # threads and sockets answer in their own time
        await clock.advance(LONGEST)
    return await task


async def test_a_poisoned_document_does_not_stop_the_others(bench: Bench) -> None:
    """Contract 14.6: logged, counted and set aside."""
    bench.engine = Moody(ManualClock(), poison=FILMS[1])

    written = await run(bench)

    assert written == 9
    assert set(await bench.held("movies")) == {FILMS[0], FILMS[2], FILMS[3]}
    state = read_state(bench.state)
    assert state is not None
    assert state.set_aside == {f"movies/{FILMS[1]}": "cannot be read"}
    assert bench.manifest().set_aside == 1
    told = [json.loads(line) for line in bench.lines]
    assert [line["id"] for line in told if line["event"] == "etl_set_aside"] == [FILMS[1]]


async def test_a_document_that_was_set_aside_comes_back_when_it_is_taken(bench: Bench) -> None:
    """What was wrong with it has been mended in the source."""
    bench.engine = Moody(ManualClock(), poison=FILMS[1])
    await run(bench)
    bench.engine.poison = ""
    await bench.write(f"UPDATE content.film_work SET title = 'mended' WHERE id = '{FILMS[1]}'")

    await run(bench)

    state = read_state(bench.state)
    assert state is not None
    assert state.set_aside == {}
    await bench.assert_equal()


async def test_a_busy_index_is_asked_again(bench: Bench) -> None:
    """Each item of a bulk answer is checked, and those that may be taken later are sent again."""
    bench.engine = Moody(ManualClock(), shy=3)

    assert await run(bench) == 10
    await bench.assert_equal()


async def test_an_index_that_is_away_for_a_moment_is_waited_for(bench: Bench) -> None:
    """Contract 14.6: no exit, no loss."""
    bench.engine = Moody(ManualClock(), failures=3)

    assert await run(bench) == 10
    assert len(bench.losses) == 3


REFUSALS = [
    (429, "es_rejected_execution_exception"),
    (429, "circuit_breaking_exception"),
    (429, "cluster_block_exception"),
    (403, "cluster_block_exception"),
    (503, "unavailable_shards_exception"),
    (503, "None"),
    (400, "index_closed_exception"),
]


@pytest.mark.parametrize(("status", "kind"), REFUSALS)
@pytest.mark.parametrize("seconds", [10.0, 3_600.0])
async def test_what_a_cluster_refuses_for_a_while_is_written_when_it_is_over(
    status: int, kind: str, seconds: float
) -> None:
    """E1: never set aside, however long it takes, and within one pause of its end."""
    clock = ManualClock()
    began, events = clock.now(), Events()

    def bulk(call: Call[HttpRequest]) -> HttpResponse:
        assert isinstance(call.payload.body, bytes)
        ids = [json.loads(line)["index"]["_id"] for line in call.payload.body.splitlines()[::2]]
        busy = clock.now() - began < seconds
        error = {"status": status, "error": {"type": kind, "reason": "x"}}
        items = [{"index": {"_id": one, **(error if busy else {"status": 201})}} for one in ids]
        return HttpResponse(status=200, body=json.dumps({"errors": busy, "items": items}).encode())

    env = Env(clock, lambda: 0.5, events)
    writer = ElasticWriter(
        Upstream("search", ScriptedTransport[HttpRequest, HttpResponse](clock).does(bulk), env=env), INDICES
    )
    loader = Loader(writer, Retrying(env, lambda *_: None), Lines(lambda _: None, clock))
    put = [Put({"id": str(one), "name": "Noir", "description": None}) for one in range(3)]
    await clock.run(loader.write("genres", "genres-000001", put))

    assert loader.written["genres"] == 3
    assert loader.set_aside == {}
    assert clock.now() - began <= seconds + LONGEST


async def test_waiting_for_some_keeps_the_others_written_and_is_told(bench: Bench) -> None:
    """E1: only what was refused is sent again."""
    bench.engine = Moody(ManualClock(), shy=1)

    await run(bench)

    assert [str(error) for error in bench.losses] == ["2 documents are not taken yet: busy"]


async def test_a_rebuild_that_has_lost_documents_does_not_switch(bench: Bench) -> None:
    """E1: the name goes on to stand for the version before, until everything is in a new one."""
    bench.engine = Forgetful(INDICES, clock=bench.clock)
    await bench.run()
    before = await bench.writer().current("movies")
    bench.engine.forgets = 1
    with pytest.raises(WriterError, match="holds 3 documents, and 4 were written") as caught:
        await bench.run(anew=True)

    assert caught.value.lost
    assert await bench.writer().current("movies") == before
    await bench.run(anew=True)
    await bench.assert_equal()


async def test_e7_what_stands_in_the_way_is_found_before_anything_is_filled(bench: Bench) -> None:
    """E7: films are read for minutes; that the name of persons is taken can be known at once."""
    bench.engine = Taken(INDICES, clock=bench.clock)
    with pytest.raises(WriterError, match="taken"):
        await bench.run()

    assert bench.engine.writes == 0


class Taken(MemorySearch):
    """A cluster in which something else has the name of one index."""

    writes = 0

    async def create(self, index: Index, /) -> str:
        if index.name == "persons":
            raise WriterError("the name is taken", retryable=False)
        return await super().create(index)

    async def write(self, version: str, changes: Sequence[Change], /) -> tuple[Refused, ...]:
        self.writes += 1
        return await super().write(version, changes)


class Forgetful(MemorySearch):
    """An index that says that it has taken a document, and has not, so many times."""

    forgets = 0

    async def write(self, version: str, changes: Sequence[Change], /) -> tuple[Refused, ...]:
        taken = changes[self.forgets :]
        self.forgets = 0
        return await super().write(version, taken)


async def test_what_was_set_aside_is_tried_again_by_the_next_pass(bench: Bench) -> None:
    """E1: the obstacle was the index's (a limit of its size), and nothing has changed in the source."""
    bench.engine = Moody(ManualClock(), poison=FILMS[1])
    await run(bench)
    quiet, lines = bench.manifest().batch, len(bench.lines)
    again = await run(bench)
    assert (again, bench.manifest().batch) == (0, quiet)
    assert not any(b"etl_set_aside" in line for line in bench.lines[lines:])
    bench.engine.poison = ""

    assert await run(bench) == 1

    state = read_state(bench.state)
    assert state is not None
    assert state.set_aside == {}
    assert set(bench.manifest().since(quiet) or ()) == {"films", f"film:{FILMS[1]}"}
    await bench.assert_equal()


async def test_what_was_set_aside_and_is_gone_is_forgotten(bench: Bench) -> None:
    """E1: deleted in the source, it is nobody's loss any more."""
    bench.engine = Moody(ManualClock(), poison=FILMS[3])
    await run(bench)
    bench.engine.poison = ""
    await bench.write(f"DELETE FROM content.film_work WHERE id = '{FILMS[3]}'")

    await run(bench)

    state = read_state(bench.state)
    assert state is not None
    assert state.set_aside == {}
    await bench.assert_equal()


async def test_a_database_that_is_away_is_waited_for(bench: Bench) -> None:
    """Contract 14.6, in the middle of a pass and for as long as it takes."""
    await run(bench)
    await bench.write(f"UPDATE content.person SET full_name = 'New' WHERE id = '{PEOPLE[0]}'")
    bench.database = Flaky(bench.database, 12)

    await run(bench)

    assert len(bench.losses) == 12
    await bench.assert_equal()


class Flaky:
    """A database that is away so many times."""

    def __init__(self, database: Database, failures: int) -> None:
        self._database = database
        self._failures = failures
        self.write = database.write
        self.close = database.close

    async def read(self, work: Callable[[Connection], T], /) -> T:
        if self._failures:
            self._failures -= 1
            raise DatabaseUnavailable
        return await self._database.read(work)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_up_to_ten_seconds(attempt: int, roll: float) -> None:
    """Contract 14.6: exponential with jitter, and no overflow at any number."""
    pause = next_pause(attempt, roll)

    assert 0.125 <= pause <= LONGEST
    assert pause <= 0.25 * 2 ** min(attempt - 1, 30)


@pytest.mark.parametrize("anew", [True, False])
async def test_e5_the_lag_grows_while_nobody_reads_what_waits(bench: Bench, anew: bool) -> None:
    """E5, contract 15: also what comes while a build, or what was set aside, waits for the index."""
    clock = ManualClock()
    bench.clock, bench.engine = clock, Moody(clock, poison=FILMS[1])
    await run(bench)
    bench.engine.shy = 1_000_000
    passing = asyncio.ensure_future(bench.run(anew=anew))
    await _until(clock, lambda: bench.engine.shy < 1_000_000)
    before = bench.manifest().behind
    await bench.write(f"UPDATE content.film_work SET title = 'Waits' WHERE id = '{FILMS[0]}'")
    await _until(clock, lambda: bool(bench.manifest().behind))
    behind = bench.manifest().behind
    bench.engine.shy, bench.engine.poison = 0, ""
    await _until(clock, passing.done)
    await passing

    assert before == {}
    assert set(behind) == {"movies", "persons"}
    assert bench.manifest().behind == {}
    await bench.assert_equal()


async def _until(clock: ManualClock, there: Callable[[], bool]) -> None:
    """Let time go by until something has come about."""
    async with asyncio.timeout(20):
        while not there():
            await asyncio.sleep(0.005)
            await clock.advance(1)
