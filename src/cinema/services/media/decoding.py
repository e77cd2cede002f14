"""Have pictures decoded by a process of their own (`cinema.pictures.worker`), two at a time.

A fork that oversteps is ended by the kernel and says nothing, which is a verdict too. Should the process that forks be
gone, a new one is started for the next picture. One that nobody waits for any more goes on to its end, which is near,
and keeps its place until then: so there are never more than two.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cinema.pictures.worker import JOB
from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["Decoding"]

_AT_ONCE = 2
_CUT_OFF = {"status": 422, "detail": "it takes too much time or memory to decode"}
_MOMENT = 0.05  # seconds
_MOST = 65_536  # octets of a verdict


class Decoding:
    """The process that decodes, and who waits for it; `patience` is the seconds until a wait is refused."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._sending = asyncio.Lock()
        self._under_way: set[asyncio.Task[dict[str, Any]]] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._jobs: socket.socket | None = None

    async def judge(self, source: int, target: int, pixels: int) -> str:
        """Write what is the picture in one open file into another and return its format.

        Raises:
            RequestRefused: 415 for what is no picture, 422 for one that is over a bound, 503 where too many wait.

        """
        verdict = await self._done({"pixels": pixels}, source, target)
        if "format" in verdict:
            return str(verdict["format"])
        raise RequestRefused(_problem(verdict))

    async def shrink(self, source: int, target: int, name: str, width: int) -> bool:
        """Draw a stored picture so wide; return False if it is no wider, or cannot be drawn.

        Raises:
            RequestRefused: 503 where too many wait.

        """
        verdict = await self._done({"format": name, "width": width}, source, target)
        return bool(verdict.get("drawn"))

    async def start(self) -> None:
        """Start the process, so that the first picture need not wait for it."""
        await asyncio.to_thread(self._started)

    async def aclose(self) -> None:
        """End the process; what is being decoded ends by itself."""
        for task in self._under_way:
            task.cancel()
        if self._jobs is not None:
            self._jobs.close()
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def _done(self, job: Mapping[str, object], source: int, target: int) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            raise RequestRefused(problems.overloaded(1.0)) from None
        try:
            files = _copies(source, target)
        except OSError:  # there is no descriptor left
            self._places.release()
            raise
        # Shielded: the place is free when the fork is gone, not when its client is.
        task = asyncio.create_task(self._verdict(job, *files))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _verdict(self, job: Mapping[str, object], source: int, target: int) -> dict[str, Any]:
        message = json.dumps(job).encode().ljust(JOB)
        try:
            said = await self._said(message, source, target)
            if not said and await asyncio.to_thread(self._is_gone):  # it went before it took the job
                said = await self._said(message, source, target)
        finally:
            self._places.release()
            os.close(source)
            os.close(target)
        return json.loads(said) if said else _CUT_OFF

    async def _said(self, message: bytes, source: int, target: int) -> bytes:
        """Hand a job over and return the verdict; empty if there was none."""
        answer, writing = os.pipe()
        try:
            async with self._sending:
                await asyncio.to_thread(self._send, message, [source, target, writing])
            os.close(writing)
            writing = -1
            return bytes(await _read_to_end(answer))
        finally:
            for descriptor in (answer, *([writing] if writing >= 0 else [])):
                os.close(descriptor)

    def _is_gone(self) -> bool:
        """Tell whether the process that forks has ended; the kernel may take a moment to say so."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_MOMENT)
                return True
        return False

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        """Hand a job over; once more, to a new process, if the one that was there is gone."""
        with suppress(OSError):
            socket.send_fds(self._started(), [message], descriptors)
            return
        self._process = None
        socket.send_fds(self._started(), [message], descriptors)

    def _started(self) -> socket.socket:
        """Return the way to the process, which is started if there is none."""
        if self._jobs is not None and self._process is not None and self._process.poll() is None:
            return self._jobs
        if self._jobs is not None:
            self._jobs.close()
        self._jobs, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cinema.pictures.worker"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
            )
        return self._jobs


def _copies(source: int, target: int) -> tuple[int, int]:
    """Return two descriptors of the same files, or none where there is no room for both."""
    first = os.dup(source)
    try:
        return first, os.dup(target)
    except OSError:
        os.close(first)
        raise


def _problem(verdict: Mapping[str, Any]) -> problems.ProblemDetails:
    if verdict["status"] == 415:
        return problems.unsupported_media(f"not a picture that is taken here: {verdict['detail']}")
    return problems.validation({"loc": ["body", "file"], "msg": verdict["detail"], "type": "picture"})


async def _read_to_end(descriptor: int) -> bytes:
    """Read what comes out of a pipe, until its last writer has gone."""
    loop = asyncio.get_running_loop()
    said, ended = bytearray(), loop.create_future()

    def read() -> None:
        piece = os.read(descriptor, _MOST)
        said.extend(piece)
        if not piece and not ended.done():
            ended.set_result(None)

    loop.add_reader(descriptor, read)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
    return bytes(said)
