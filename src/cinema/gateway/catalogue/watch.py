"""Notice that the ETL has finished a batch: see what it wrote first, then call out the answers it made old.

The manifest lies beside the index and is read four times a second; a gateway that starts takes what it finds for known,
since its memory is empty. A manifest that is gone calls nothing out, since what is kept is then all there is; but
numbers begin anew after it, so that the next one is taken to call out everything. Nothing is called out as long as the
engine cannot see the batch: what would be fetched then is old, and would be kept.

The figures of the manifest go to the metrics; where the file is on another machine they come over Redis, as purges do.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cinema.etl.manifest import Manifest, figures_key, manifest_path, read_manifest
from cinema.gateway.catalogue.figures import Elsewhere, Figures, nowhere, over_redis
from cinema.indices import INDICES
from cinema.settings import Settings
from stagedoor import Running
from stagedoor._cache.store import Store
from stagedoor._cache.tags import ALL, tag
from stagedoor._clock import Clock
from stagedoor._supervision import supervised
from stagedoor.search.engine import Engine

__all__ = ["BatchWatch", "watch_of"]

_INTERVAL = 0.25  # seconds
_LOST = -1  # older than any batch
_LOGGER = logging.getLogger("cinema.catalogue")


def watch_of(settings: Settings, engine: Engine, running: Running) -> "BatchWatch":
    """Return the watch over the folder the settings name; what it hears of is shown among the metrics."""
    clock, stores = running.env.clock, running.stores
    figures = Figures([index.name for index in INDICES], clock)
    if running.world.metrics is not None:
        running.world.metrics.include(figures)
    server = stores.server
    elsewhere = nowhere if server is None else over_redis(server, figures_key(server.prefix))
    return BatchWatch(settings.search_dir, engine, stores.store, clock, figures, elsewhere)


class BatchWatch:
    """One task that follows the manifest of a folder."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        store: Store,
        clock: Clock,
        figures: Figures | None = None,
        elsewhere: Elsewhere = nowhere,
    ) -> None:
        self._figures = figures or Figures((), clock)
        self._elsewhere = elsewhere
        self._path = manifest_path(folder)
        self._engine = engine
        self._store = store
        self._clock = clock
        self._seen = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow."""
        self._seen = (await self._read()).batch
        follow = supervised(self._follow, self._clock, "catalogue watch")
        self._task = asyncio.create_task(follow, name="catalogue watch")

    async def aclose(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Follow within it."""
        await self.start()
        try:
            yield
        finally:
            await self.aclose()

    def counts(self) -> dict[str, int]:
        """Return the task that this is."""
        return {"tasks": 0 if self._task is None else 1}

    async def look(self) -> None:
        """Act on what the manifest says, if it says anything new; raises `UpstreamError` if the engine cannot."""
        manifest = await self._read()
        self._figures.hear(manifest if manifest.batch or manifest.alive else await self._elsewhere())
        if manifest.batch == 0:
            self._seen = _LOST
        if manifest.batch in {0, self._seen}:
            return
        named = manifest.since(self._seen)
        await self._engine.reload()
        await self._store.purge([ALL] if named is None else [tag(name) for name in named])
        self._seen = manifest.batch

    async def _read(self) -> Manifest:
        return await asyncio.to_thread(read_manifest, self._path)

    async def _follow(self) -> None:
        told = False
        while True:
            await self._clock.sleep(_INTERVAL)
            try:
                await self.look()
                told = False
            except Exception as error:  # noqa: BLE001 - whatever it is, later batches must be heard of
                if not told:
                    _LOGGER.warning("a finished batch cannot be called out yet: %s", type(error).__name__)
                told = True
