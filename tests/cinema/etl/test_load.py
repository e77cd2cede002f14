"""What the index does not take, and engines and databases that are away."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from cinema.database import Database, DatabaseUnavailable
from cinema.etl.patience import LONGEST, next_pause
from cinema.etl.state import read_state
from cinema.indices import INDICES
from stagedoor.search import Change, Refused, WriterError
from stagedoor.search.memory import MemorySearch
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
    assert bench.stamp().set_aside == 1
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
