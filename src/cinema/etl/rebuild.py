"""Build all indices anew while readers go on with the old ones.

The position is noted first, and all versions are created, so that what stands in their way is found before any work
is done. They are filled by a walk through every table in the order of ids, the next pages being read while the last
one is written, and one version is committed while the next is filled. Each is counted: only if everything is in that
was written, the names are switched over, and what changed meanwhile is followed from the position. A rebuild that dies
leaves versions without a name, which the next pass removes. The versions that were in use stay until the next pass,
for readers that are about to open them.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial

from cinema.etl.carried import Carried, text_of
from cinema.etl.extract import PIPELINES, IndexPipeline, Span
from cinema.etl.load import Item, Loader
from cinema.etl.pages import READERS, DocumentPages, InProcess, Subprocess
from cinema.etl.passes import Etl, clear, telling
from cinema.etl.purge import EVERYTHING
from cinema.etl.state import Position, State
from stagedoor.search import WriterError

__all__ = ["rebuild"]


async def rebuild(etl: Etl, loader: Loader, source: str, shown: Position | None = None) -> State:
    """Fill new versions of all indices, switch over to them, and return the state.

    Readers see the source as of the position `shown` until then, if that is known.
    """
    position = await etl.ask(lambda: etl.feed.now(etl.database))
    async with telling(etl, position if shown is None else shown):
        versions = await _built(etl, loader, source, position)
    carried = etl.feed.carried(position)
    marks = dict.fromkeys(versions, carried)
    state = State(source, position, versions, set_aside=dict(loader.set_aside), marks=marks)
    return await etl.confirm(state, [EVERYTHING], loader.written, dict.fromkeys(versions, 0.0))


async def _built(etl: Etl, loader: Loader, source: str, position: Position) -> Mapping[str, str]:
    """Return the versions, filled and switched over to."""
    totals = {pipeline.name: await etl.read(pipeline.count) for pipeline in PIPELINES}
    async with _opened(etl, loader, max(totals.values())) as pages:
        await clear(loader.writer)
        versions = {one.name: await loader.ask(partial(loader.writer.create, one.index)) for one in PIPELINES}
        await _fill_all(etl, loader, pages, versions, totals)
    mark = text_of(Carried(source, etl.feed.carried(position)))
    for name, version in versions.items():
        await loader.ask(partial(loader.writer.mark, version, mark))
        await loader.ask(partial(loader.writer.switch, name, version))
    return versions


@asynccontextmanager
async def _opened(etl: Etl, loader: Loader, most: int) -> AsyncIterator[DocumentPages]:
    """Yield pages of the source, read where that is best for tables of at most so many rows."""
    prepare = loader.writer.prepare
    apart = most >= etl.apart_from
    pages = Subprocess(etl.reopen, prepare) if apart else InProcess(etl.database, prepare)
    async with aclosing(pages):
        yield pages


async def _fill_all(
    etl: Etl, loader: Loader, pages: DocumentPages, versions: Mapping[str, str], totals: Mapping[str, int]
) -> None:
    """Fill the versions of all indices; one is committed while the next is filled."""
    committing: list[asyncio.Task[None]] = []
    try:
        for pipeline in PIPELINES:
            version = versions[pipeline.name]
            etl.report.begin(pipeline.name, totals[pipeline.name])
            await _fill(etl, loader, pages, pipeline, version)
            committing.append(asyncio.create_task(_finish(etl, loader, pipeline, version)))
        await asyncio.gather(*committing)
    finally:
        for task in committing:
            task.cancel()
        await asyncio.gather(*committing, return_exceptions=True)


async def _fill(
    etl: Etl, loader: Loader, pages: DocumentPages, pipeline: IndexPipeline, version: str
) -> None:
    spans = await etl.read(partial(pipeline.spans, size=etl.batch))
    async with aclosing(_walk(etl, pages, pipeline.name, spans)) as walk:
        async for changes in walk:
            await loader.write(pipeline.name, version, changes)


async def _finish(etl: Etl, loader: Loader, pipeline: IndexPipeline, version: str) -> None:
    await loader.ask(partial(loader.writer.commit, version))
    held, written = await loader.ask(partial(loader.writer.count, version)), loader.written[pipeline.name]
    if held != written:
        raise WriterError(f"{version} holds {held} documents, and {written} were written", lost=True)
    etl.report.end(pipeline.name)


async def _walk(
    etl: Etl, pages: DocumentPages, name: str, spans: Iterable[Span]
) -> AsyncGenerator[list[Item], None]:
    """Yield the pages of an index in order, reading one ahead for each reader."""
    reading: deque[asyncio.Task[list[Item]]] = deque()
    try:
        for span in spans:
            page = etl.ask(partial(pages.page, name, span))
            reading.append(asyncio.create_task(page, name=f"etl {name}"))
            if len(reading) > READERS:
                yield await reading.popleft()
        while reading:
            yield await reading.popleft()
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)  # they are not wanted any more
