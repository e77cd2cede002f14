"""Show how the ETL fares, as it tells itself: documents written, left out, and how long changes wait.

The ETL is another process, perhaps on another machine; what is known of it is the manifest that its batches leave. The
counts are those of the manifest, so that all workers show the same; should it be lost and begin anew, they go on from
where they were. The lag of an index is how long the oldest change of its last batch had waited, and grows while
a batch is under way or held up. A source that logs no changes tells no moments, and has no lag.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from cinema.etl.manifest import Manifest, manifest_of
from stagedoor._cache.redis import RedisServer
from stagedoor._cache.server import StoreDown
from stagedoor._clock import Clock

__all__ = ["Elsewhere", "Figures", "nowhere", "over_redis"]

Elsewhere: TypeAlias = Callable[[], Awaitable[Manifest]]
_SECONDS = 0.2


class Figures:
    """A collector of prometheus_client over the newest manifest that was heard of."""

    def __init__(self, indices: Sequence[str], clock: Clock) -> None:
        self._indices = indices
        self._clock = clock
        self._manifest = Manifest()
        self._before = dict.fromkeys(indices, 0)  # counted by manifests that are lost

    def hear(self, manifest: Manifest) -> None:
        """Take note of a manifest; an empty one says nothing, one before the first batch only that the ETL lives."""
        if not manifest.batch:
            self._manifest = replace(self._manifest, alive=max(manifest.alive, self._manifest.alive))
            return
        for index in self._indices:
            known = self._manifest.documents.get(index, 0)
            if manifest.documents.get(index, 0) < known:
                self._before[index] += known
        self._manifest = manifest

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        documents = CounterMetricFamily(
            "etl_documents", "Documents that the ETL has written.", labels=("index",)
        )
        lag = GaugeMetricFamily(
            "etl_lag_seconds", "How long the oldest change of the last batch has waited.", labels=("index",)
        )
        aside = "Documents and links that the ETL leaves out now: refused by the index, or not to be read."
        yield GaugeMetricFamily("etl_set_aside", aside, value=self._manifest.set_aside)
        alive = "When the ETL last said that it runs, in Unix time; 0 before that."
        yield GaugeMetricFamily("etl_alive_timestamp_seconds", alive, value=self._manifest.alive)
        now = self._clock.wall()
        for index in self._indices:
            documents.add_metric((index,), self._before[index] + self._manifest.documents.get(index, 0))
            if (waited := self._lag(index, now)) is not None:
                lag.add_metric((index,), waited)
        yield documents
        yield lag

    def _lag(self, index: str, now: float) -> float | None:
        since = self._manifest.behind.get(index)
        return self._manifest.lags.get(index) if since is None else max(0.0, now - since)


async def nowhere() -> Manifest:
    """Return an empty manifest: there is no other place to look at."""
    return Manifest()


def over_redis(server: RedisServer, key: str) -> Elsewhere:
    """Return what asks Redis for the figures of a manifest, empty where it does not answer at once."""

    async def ask() -> Manifest:
        try:
            async with asyncio.timeout(_SECONDS):
                return manifest_of(await server.command("GET", key))
        except (StoreDown, TimeoutError):
            return Manifest()

    return ask
