"""One pass of the ETL: follow the changes of the source, or build everything anew (`rebuild`).

Theory. The source tells what has changed behind a position (`feed`). A portion of changes becomes ids of documents
(`dirty`), which are read from the source as they are now (`extract`) and written, or deleted where they are gone
(`load`). Then, in this order: commit, so that readers can see it; mark the index (`carried`); tell the caches
(`purge`); save the new position (`state`). A process that dies in between repeats the portion, and repeating changes
nothing, because documents are read anew and put by id. Nothing is passed over, because the position is older than the
reading.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cinema.database import Database, DatabaseUnavailable
from cinema.database.tables import person_film_work
from cinema.etl.carried import Carried, carried_in, text_of
from cinema.etl.dirty import AT_ONCE, Dirty, chunks, completed, dirty_of, indices_of
from cinema.etl.extract import PIPELINES, IndexPipeline, unread_among
from cinema.etl.feed import Feed, Portion, Waiting
from cinema.etl.load import Loader
from cinema.etl.manifest import FinishedBatch
from cinema.etl.purge import Invalidator
from cinema.etl.report import EtlReport
from cinema.etl.retrying import Retrying
from cinema.etl.state import Position, State, StateBroken, read_state, write_state
from cinema.etl.unread import Unread
from stagedoor._observers.lines import where
from stagedoor._supervision import supervised
from stagedoor.search import Delete, Put, Writer, WriterError

__all__ = ["Etl", "clear", "found", "telling", "update"]

T = TypeVar("T")

PORTION = 10_000  # changes at a time
_TELL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Etl:
    """What passes work with.

    `reopen` opens the database once more, in another process too. `batch` is how many documents are read and written
    at once, and `apart_from` of how many rows a table has to be for a rebuild to read in a process of its own.
    """

    database: Database
    reopen: Callable[[], Database]
    feed: Feed
    invalidator: Invalidator
    retrying: Retrying
    report: EtlReport
    state: Path
    batch: int = 1_000
    apart_from: int = 20_000

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask the source, as often as it takes."""
        return await self.retrying.keep("database", question)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Read from the source, as often as it takes."""
        return await self.ask(lambda: self.database.read(work))

    async def confirm(
        self, state: State, tags: Iterable[str], written: Counter[str], lags: Mapping[str, float]
    ) -> State:
        """Tell of a batch that readers can see, and how long it let changes wait; then save where we are."""
        told = {*tags, *state.untold}
        untold = (
            await self.invalidator.purge(told, FinishedBatch(written, len(state.set_aside), lags))
            if told
            else ()
        )
        state = replace(state, untold=untold)
        write_state(self.state, state)
        return state


async def found(etl: Etl, writer: Writer) -> tuple[State | None, str, str]:
    """Return the state if it can be gone on from, else why not; and the source's identity."""
    source = await etl.ask(lambda: etl.feed.source(etl.database))
    try:
        state = read_state(etl.state)
    except StateBroken as error:
        return None, f"the state cannot be read: {error}", source
    if state is None:
        return None, "there is no state yet", source
    if state.source != source:
        return None, "the source is another one, or was loaded anew", source
    if not await etl.ask(lambda: etl.feed.valid(etl.database, state.position)):
        return None, "the source does not know the position", source
    await _tell_what_waits(etl, state)  # before the index is asked, which may be away for long
    for pipeline in PIPELINES:
        if await writer.current(pipeline.name) != state.versions.get(pipeline.name):
            return None, f"the index {pipeline.name} is not the one of the state", source
    start = await _earliest(etl, writer, state)
    return (
        start,
        "" if start else "an index does not say where it stands, or the source does not know it",
        source,
    )


async def _earliest(etl: Etl, writer: Writer, state: State) -> State | None:
    """Return the state from which all indices can be followed, wherever they stand; None if there is none."""
    elsewhere = await _elsewhere(writer, state)
    if not elsewhere:
        return None if elsewhere is None else state
    places = etl.feed.together(state.position, [*elsewhere.values()])
    for place in reversed(places):  # so that the last one told to the source is where pruning has to end
        if not await etl.ask(partial(etl.feed.valid, etl.database, place)):
            return None
    if not places:
        return None
    if places[0] != state.position:
        etl.report.note("warning", "etl_catches_up", indices=sorted(elsewhere))
    marks = {name: mark for name, mark in state.marks.items() if name not in elsewhere}
    return replace(state, position=places[0], marks=marks)


async def _elsewhere(writer: Writer, state: State) -> Mapping[str, Position] | None:
    """Return where indices stand of which the state says otherwise; None if it cannot be known of one."""
    found: dict[str, Position] = {}
    for name, version in state.versions.items():
        carried = carried_in(await writer.marked(version))
        if carried is None or carried.source != state.source:
            return None
        if carried.position != state.marks.get(name):
            found[name] = carried.position
    return found


async def update(etl: Etl, loader: Loader, state: State) -> State:
    """Follow the changes behind a state to the end, and forget what was confirmed long ago."""
    async with telling(etl, state.position):
        state = await _try_again(etl, loader, state)
    more = True
    while more:
        portion = await etl.ask(partial(etl.feed.read, etl.database, state.position, PORTION))
        if portion.position != state.position or state.untold or state.marks.keys() != state.versions.keys():
            state = await _apply(etl, loader, state, portion)
        more = portion.more
    await _tell_what_waits(etl, state, last=True)
    try:
        await etl.feed.prune(etl.database, state.position)
    except (DatabaseUnavailable, DBAPIError) as error:  # the next pass does it, or who may write
        etl.report.note("warning", "etl_not_pruned", reason=type(error.__cause__ or error).__name__)
    return state


@asynccontextmanager
async def telling(etl: Etl, position: Position) -> AsyncIterator[None]:
    """Show meanwhile how long the changes behind a position wait, which nobody reads before the end of the block."""
    showing = asyncio.Lock()

    async def tell() -> None:
        while True:
            await etl.retrying.env.clock.sleep(_TELL_SECONDS)
            with suppress(DatabaseUnavailable, SQLAlchemyError, OSError):  # the next figure replaces this
                waiting = await etl.feed.waiting(etl.database, position)
                async with showing:
                    await _show(etl, waiting)

    def fell(_: str, error: BaseException) -> None:
        etl.report.note("error", "etl_failed", reason=where(error))

    keeps_on = supervised(tell, etl.retrying.env.clock, "etl lag", fell)
    task = asyncio.create_task(keeps_on, name="etl lag")
    try:
        yield
    finally:
        async with showing:  # a thread in the middle of it would go on, and write over what comes next
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def clear(writer: Writer) -> None:
    """Remove versions that no name stands for: of rebuilds that died, and the last one's predecessor."""
    for pipeline in PIPELINES:
        current = await writer.current(pipeline.name)
        for version in await writer.versions(pipeline.name):
            if version != current:
                with suppress(WriterError):  # in use after all, by another release; it goes later
                    await writer.drop(version)


async def _apply(etl: Etl, loader: Loader, state: State, portion: Portion) -> State:
    dirty = dirty_of(portion.changes)
    await etl.read(lambda connection: completed(connection, dirty))
    before = loader.written.copy()
    reached = [pipeline.name for pipeline in PIPELINES if dirty.of(pipeline.name)]
    since = {} if portion.since is None else dict.fromkeys(reached, portion.since)
    if since:
        await etl.invalidator.wait(since)
    for pipeline in PIPELINES:
        if pipeline.name in reached:
            await _refresh(etl, loader, pipeline, state.versions[pipeline.name], dirty)
    fresh = replace(state, position=portion.position, set_aside=dict(loader.set_aside))
    fresh = await _mark(etl, loader, fresh, reached)
    return await etl.confirm(fresh, _tags(dirty), loader.written - before, _lags(etl, since))


async def _try_again(etl: Etl, loader: Loader, state: State) -> State:
    """Read and write once more what was set aside; say so only if something has become of it."""
    await _forget_links(etl, loader)
    dirty = Dirty()
    for name in loader.set_aside:
        index, _, key = name.partition("/")
        if index in state.versions:
            dirty.of(index).add(key)
    before = loader.written.copy()
    for pipeline in PIPELINES:
        await _refresh(etl, loader, pipeline, state.versions[pipeline.name], dirty)
    written = loader.written - before
    if not written:
        return state
    fresh = replace(state, set_aside=dict(loader.set_aside))
    return await etl.confirm(fresh, _tags(dirty), written, {})


async def _forget_links(etl: Etl, loader: Loader) -> None:
    """Forget the links that were set aside and can be read now: who they link has been read anew since."""
    place = f"{person_film_work.name}/"
    links = {name.removeprefix(place) for name in loader.set_aside if name.startswith(place)}
    if links:
        for key in links - await etl.read(partial(unread_among, ids=links)):
            del loader.set_aside[place + key]


async def _mark(etl: Etl, loader: Loader, state: State, reached: Collection[str]) -> State:
    """Let the indices that were reached say where they stand, and those that the state knows nothing of."""
    marks, carried = dict(state.marks), etl.feed.carried(state.position)
    for name, version in state.versions.items():
        if name in reached or name not in marks:
            await loader.ask(partial(loader.writer.mark, version, text_of(Carried(state.source, carried))))
            marks[name] = carried
    return replace(state, marks=marks)


async def _refresh(etl: Etl, loader: Loader, pipeline: IndexPipeline, version: str, dirty: Dirty) -> None:
    before = loader.written[pipeline.name]
    for ids in chunks(dirty.of(pipeline.name), min(etl.batch, AT_ONCE)):
        items = [
            one if isinstance(one, Unread) else Put(one)
            for one in await etl.read(partial(pipeline.those, ids=ids))
        ]
        there = {item.id for item in items}
        gone = [Delete(key) for key in ids if key not in there]
        await loader.write(pipeline.name, version, [*items, *gone])
    if loader.written[pipeline.name] != before:
        await loader.ask(partial(loader.writer.commit, version))


async def _tell_what_waits(etl: Etl, state: State, *, last: bool = False) -> None:
    """Show how long changes wait that are not read yet; at the end of a pass, also what holds them up."""
    waiting = await etl.ask(lambda: etl.feed.waiting(etl.database, state.position))
    await _show(etl, waiting)
    if last and waiting.obstacle:
        etl.report.note("warning", "etl_held_up", **waiting.obstacle)


async def _show(etl: Etl, waiting: Waiting) -> None:
    since: dict[str, float] = {}
    for change, moment in waiting.since.items():
        since |= {index: min(moment, since.get(index, moment)) for index in indices_of(change)}
    if since:
        await etl.invalidator.wait(since)


def _lags(etl: Etl, since: Mapping[str, float]) -> Mapping[str, float]:
    now = etl.retrying.env.clock.wall()
    return {index: max(0.0, now - moment) for index, moment in since.items()}


def _tags(dirty: Dirty) -> Iterable[str]:
    """Name every object that has changed, and the lists it may be in."""
    for pipeline in PIPELINES:
        ids = dirty.of(pipeline.name)
        if ids:
            yield f"{pipeline.tag}s"
            yield from (f"{pipeline.tag}:{key}" for key in ids)
