"""Stop working for a client that has gone (D6).

The door tells at once, through a scope extension: a callable that takes what to run when the connection is lost.
Under another server the `receive` channel is watched instead, which costs a task per request.

What a handler awaits may be cancelled by itself, such as a task of a library that closes. That is a failure like any
other: taken for a client that left, it would be answered by nobody, and told to nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from stagedoor._asgi import GONE, OnGone
from stagedoor._supervision import is_stray
from stagedoor._web.request import Request

__all__ = ["ClientGone", "while_connected"]

T = TypeVar("T")
Work: TypeAlias = Callable[[Request], Awaitable[T]]  # a handler, or what sends its answer

_STRAY = "what the request waited for was cancelled, and nobody had asked for that"
# Methods whose request has no body that the handler may want to receive itself.
_BODILESS = frozenset({"GET", "HEAD"})


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


def while_connected(work: Work[T], request: Request) -> Awaitable[T]:
    """Do the work; cancel it when the client goes, or has gone, and raise `ClientGone`."""
    on_gone: OnGone | None = request.scope.get("extensions", {}).get(GONE)
    if on_gone is not None:
        return _told(on_gone, work, request)
    if request.method in _BODILESS:
        return _watched(work, request)
    return _unwatched(work, request)


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


async def _told(on_gone: OnGone, work: Work[T], request: Request) -> T:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request is served inside a task")
    leash = _Leash(task)
    on_gone(leash.pull)
    try:
        if leash.pulled:  # the client had gone before: the cancellation is due now, not at the first wait
            await asyncio.sleep(0)
        return await work(request)
    except asyncio.CancelledError as cancelled:
        # X3: somebody else may have cancelled the task as well; then theirs goes on.
        if leash.pulled and task.uncancel() == 0:
            raise ClientGone from None
        if is_stray(cancelled):
            raise RuntimeError(_STRAY) from cancelled
        raise
    finally:
        leash.task = None


async def _unwatched(work: Work[T], request: Request) -> T:
    try:
        return await work(request)
    except asyncio.CancelledError as cancelled:
        if is_stray(cancelled):
            raise RuntimeError(_STRAY) from cancelled
        raise


async def _watched(work: Work[T], request: Request) -> T:
    working = asyncio.ensure_future(work(request))
    watch = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait((working, watch), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone = watch.done()
        watch.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait((working,))
    if working.cancelled():
        if not gone:
            raise RuntimeError(_STRAY)
        raise ClientGone
    return working.result()


async def _until_gone(request: Request) -> None:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
