"""Build all indices anew while readers go on with the old ones.

The position is noted first. New versions are filled by a walk through every table in the order of ids, the next page
being read while the last one is written, and one version is committed while the next is filled. Then the names are
switched over, and what changed meanwhile is followed from the position. A rebuild that dies leaves versions without a
name, which the next pass removes. The versions that were in use stay until the next pass, for readers that are about
to open them.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from cinema.etl.extract import PIPELINES, Pipeline
from cinema.etl.load import Loader
from cinema.etl.passes import Etl, clear
from cinema.etl.purge import EVERYTHING
from cinema.etl.state import State
from stagedoor.search import Document, Put

__all__ = ["rebuild"]


async def rebuild(etl: Etl, loader: Loader, source: str) -> State:
    """Fill new versions of all indices, switch over to them, and return the state."""
    position = await etl.ask(lambda: etl.feed.now(etl.database))
    await clear(loader.writer)
    versions = await _fill_all(etl, loader)
    for name, version in versions.items():
        await loader.writer.switch(name, version)
    state = State(source, position, versions, set_aside=dict(loader.set_aside))
    return await etl.confirm(state, [EVERYTHING], loader.written, dict.fromkeys(versions, 0.0))


async def _fill_all(etl: Etl, loader: Loader) -> dict[str, str]:
    """Return the new versions by index; one is committed while the next is filled."""
    versions: dict[str, str] = {}
    committing: list[asyncio.Task[None]] = []
    try:
        for pipeline in PIPELINES:
            version = versions[pipeline.name] = await _fill(etl, loader, pipeline)
            committing.append(asyncio.create_task(_finish(etl, loader, pipeline, version)))
        await asyncio.gather(*committing)
    finally:
        for task in committing:
            task.cancel()
        await asyncio.gather(*committing, return_exceptions=True)
    return versions


async def _fill(etl: Etl, loader: Loader, pipeline: Pipeline) -> str:
    version = await loader.writer.create(pipeline.index)
    etl.report.begin(pipeline.name, await etl.read(pipeline.count))
    async with aclosing(_pages(etl, pipeline)) as pages:
        async for documents in pages:
            await loader.write(pipeline.name, version, [*map(Put, documents)])
    return version


async def _finish(etl: Etl, loader: Loader, pipeline: Pipeline, version: str) -> None:
    await loader.writer.commit(version)
    etl.report.end(pipeline.name)


async def _pages(etl: Etl, pipeline: Pipeline) -> AsyncGenerator[list[Document], None]:
    """Yield all documents, reading one page ahead."""

    def begin(after: str | None) -> asyncio.Task[list[Document]]:
        page = etl.read(lambda connection: pipeline.page(connection, after, etl.batch))
        return asyncio.create_task(page, name=f"etl {pipeline.name}")

    reading = begin(None)
    try:
        while documents := await reading:
            reading = begin(documents[-1]["id"])
            yield documents
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, Exception):  # it is not wanted any more
            await reading
