"""Stop working for a client that has gone (D6).

The door tells at once, through a scope extension: a callable that takes what to run when the connection is lost.
Under another server the `receive` channel is watched instead, which costs a task per request.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from stagedoor.web.answer import Answer
from stagedoor.web.request import Request
from stagedoor.web.routes import Handler

__all__ = ["EXTENSION", "ClientGone", "OnGone", "while_connected"]

EXTENSION = "stagedoor.gone"
OnGone: TypeAlias = Callable[[Callable[[], object]], None]

# Methods whose request has no body that the handler may want to receive itself.
_BODILESS = frozenset({"GET", "HEAD"})


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


def while_connected(handle: Handler, request: Request) -> Awaitable[Answer]:
    """Run the handler; cancel it when the client goes, and raise `ClientGone`."""
    on_gone: OnGone | None = request.scope.get("extensions", {}).get(EXTENSION)
    if on_gone is not None:
        return _told(on_gone, handle, request)
    if request.method in _BODILESS:
        return _watched(handle, request)
    return handle(request)


class _Leash:
    """Cancels one task, once, and remembers that it did."""

    __slots__ = ("pulled", "task")

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self.task: asyncio.Task[object] | None = task
        self.pulled = False

    def pull(self) -> None:
        if self.task is not None:
            self.pulled = True
            self.task.cancel()


async def _told(on_gone: OnGone, handle: Handler, request: Request) -> Answer:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request is served inside a task")
    leash = _Leash(task)
    on_gone(leash.pull)
    try:
        return await handle(request)
    except asyncio.CancelledError:
        # X3: somebody else may have cancelled the task as well; then theirs goes on.
        if leash.pulled and task.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        leash.task = None


async def _watched(handle: Handler, request: Request) -> Answer:
    work = asyncio.ensure_future(handle(request))
    watch = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
    finally:
        watch.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait((work,))
    if work.cancelled():
        raise ClientGone
    return work.result()


async def _until_gone(request: Request) -> None:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
