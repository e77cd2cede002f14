"""One process of the platform: started in a session of its own, its output copied, asked whether it is ready."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from cinema.parent import PARENT
from cinema.stack.parts import StackProcess
from cinema.stack.terminal import Take, follow

__all__ = ["Child", "command", "ending", "environment", "late", "start"]


@dataclass(slots=True)
class Child:
    """A part that runs, and since when."""

    part: StackProcess
    process: asyncio.subprocess.Process
    started: float = field(default_factory=monotonic)

    def terminate(self) -> None:
        """Ask it to end."""
        with suppress(ProcessLookupError):
            self.process.terminate()

    def kill(self) -> None:
        """End it, and its whole group: workers of a child that has died without them are in it too."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


async def start(part: StackProcess, take: Take) -> Child:
    """Start a part; `take` is given its lines, from a thread."""
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command(*(part.words or (part.name,))),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env=environment(),
            start_new_session=True,
        )
    except BaseException:  # it is tried again, each second
        os.close(reading)
        raise
    finally:
        os.close(writing)
    # A thread, because a terminal that stalls must not keep the parent from hearing signals.
    threading.Thread(target=follow, args=(reading, part.name, take), daemon=True).start()
    return Child(part, process)


def command(*words: str) -> list[str]:
    """Return the command line of a part."""
    return [sys.executable, "-m", "cinema", *words]


def environment() -> dict[str, str]:
    """Return what a child is given: it ends with this process, and says at once what it says."""
    return os.environ | {PARENT: str(os.getpid()), "PYTHONUNBUFFERED": "1"}


async def late(parts: Iterable[StackProcess]) -> list[StackProcess]:
    """Ask all that listen somewhere, at one moment, whether they are ready; return those that are not."""
    asked = [part for part in parts if part.port]
    answers = await asyncio.gather(*map(_is_ready, asked))
    return [part for part, ready in zip(asked, answers, strict=True) if not ready]


async def _is_ready(part: StackProcess) -> bool:
    """Ask one; no client library, as this runs at every start."""
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection(part.host, part.port)
            try:
                writer.write(
                    f"GET {part.ready} HTTP/1.1\r\nHost: {part.authority}\r\nConnection: close\r\n\r\n".encode()
                )
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):  # the last: a line that does not end
        return False


def ending(code: int) -> str:
    """Say how a process ended."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
