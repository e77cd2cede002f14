"""Purges after writes: what a write has made untrue is dropped before its answer leaves."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from stagedoor._cache.store import Store
from stagedoor._cache.tags import tag as purge_name
from stagedoor._face.inputs import nearest
from stagedoor._face.problems import Problem
from stagedoor._face.templates import Tag
from stagedoor._web.routes import RequestRefused
from stagedoor.errors import ConfigError, UpstreamRejected

__all__ = ["Purging"]


class Purging:
    """Drops what a write has made untrue, here before the answer leaves; elsewhere as soon as that can be told."""

    def __init__(self, tags: Sequence[Tag], known: Sequence[str], store: Store, where: str) -> None:
        for one in tags:
            for name in one.names:
                if name not in known:
                    raise ConfigError(
                        f"{where}: purges names {name!r}, which is no input here{nearest(name, known)}"
                    )
        self._tags = tuple(tags)
        self._store = store
        self._under_way: set[asyncio.Future[Any]] = set()  # else nobody would hold them

    async def after(
        self, values: Mapping[str, Any], error: BaseException | None, *, wrote: bool = False
    ) -> None:
        """Purge unless the write was certainly refused; `wrote`: not the only one that was tried."""
        if not self._tags or (not wrote and _certainly_not_done(error)):
            return
        names = [purge_name(one.named(values)) for one in self._tags]
        # It goes on where the client leaves meanwhile: what was written was written.
        task = asyncio.ensure_future(self._store.purge(names))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)


def _certainly_not_done(error: BaseException | None) -> bool:
    """Tell whether nothing was written: a service, or the handler, said no."""
    match error:
        case UpstreamRejected():
            return True
        case Problem():
            return error.status < 500
        case RequestRefused():
            return error.problem.status < 500
    return False
