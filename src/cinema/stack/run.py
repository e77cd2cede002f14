"""Run the whole platform on this machine: one parent, one child process for each service.

Theory. The parent migrates, seeds and builds the first index (`prepare`), starts all children at once, and asks each
for its health until all answer. From then on it only watches: a child's output is copied line by line behind its name,
a child that dies is started again after a pause that doubles with each death and is forgotten once it has lived a
while. Each child leads a session of its own, so that Ctrl-C in a terminal reaches the parent alone; the parent then
stops the gateway first, so that its open requests still find the services, and the services after it: SIGTERM, and
SIGKILL for the whole group of a child that overstays. A parent that is killed takes its children along by way of
`cinema.parent`.
"""

import asyncio
import os
import secrets
import signal
import sys
from collections import Counter
from contextlib import closing, suppress
from functools import partial
from time import monotonic

from cinema.checks import check_file
from cinema.settings import Settings
from cinema.stack.calm import LOG_FILE, CalmOutput, RotatedFile
from cinema.stack.child import Child, ending, late, start
from cinema.stack.ground import check_ground
from cinema.stack.parts import StackProcess, parts_of
from cinema.stack.prepare import build_index, prepare
from cinema.stack.terminal import copy, say, show
from stagedoor._clock import SystemClock
from stagedoor._supervision import supervised

__all__ = ["next_pause", "run", "state_of"]

READY_SECONDS = 60.0  # from the start of all children; a slow machine compiles its bytecode first
STOP_SECONDS = 13.0  # all children together, then they are killed; the gateway's grace is 10 s
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_SETTLED_SECONDS = 30.0
_LOOK_SECONDS = 5.0


def next_pause(last: float, lived: float) -> float:
    """Seconds to wait before a child that lived so long is started again, given the pause before."""
    if last == 0 or lived >= _SETTLED_SECONDS:
        return _FIRST_PAUSE
    return min(_LONGEST_PAUSE, last * 2)


def state_of(ready: bool, restarts: int) -> str:
    """Say how a process fares that has been started again so often."""
    times = f", started again {restarts} times" if restarts > 1 else ", started again" if restarts else ""
    return f"{'ready' if ready else 'not ready'}{times}"


def run(settings: Settings, *, restart: bool = True) -> int:
    """Run the platform until a signal stops it; return the exit code.

    Raises:
        Fault: something keeps it from running; then nothing has been started.

    """
    if settings.media_token is None:  # one for this start: children are given the environment
        os.environ["MEDIA_TOKEN"] = secrets.token_urlsafe(32)
    parts = parts_of(settings)
    check_ground(settings, parts)
    if not (sys.stdout.isatty() and "log_format" not in settings.model_fields_set):
        return asyncio.run(_Stack(settings, parts, restart=restart, calm=None).run())
    check_file("the log", LOG_FILE)
    with closing(RotatedFile(LOG_FILE)) as file:
        say(f"starting; all that the processes log lies in {file.path}, warnings are shown here")
        return asyncio.run(_Stack(settings, parts, restart=restart, calm=CalmOutput(file)).run())


def _cannot_start(name: str, error: BaseException) -> None:
    reason = error.strerror if isinstance(error, OSError) else None
    say(f"{name} cannot be started ({reason or type(error).__name__}); trying again")


class _Stack:
    def __init__(
        self, settings: Settings, parts: list[StackProcess], *, restart: bool, calm: CalmOutput | None
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._restart = restart
        self._calm = calm
        self._restarts: Counter[str] = Counter()
        self._children: dict[str, Child] = {}
        self._ready: set[str] = set()
        self._served: set[str] = set()  # have been ready at least once
        self._stopping = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, 0)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        await prepare(self._settings)
        if not await build_index(self._settings, self._stopping):
            return max(self._code, 0 if self._stopping.is_set() else 1)
        clock = SystemClock()
        keepers = [
            asyncio.create_task(supervised(partial(self._keep, part), clock, part.name, _cannot_start))
            for part in self._parts
        ]
        ready = asyncio.create_task(self._announce())
        await self._stopping.wait()
        ready.cancel()
        await self._end()
        await asyncio.gather(ready, *keepers, return_exceptions=True)
        return self._code

    def _stop(self, code: int) -> None:
        if self._stopping.is_set():  # told twice: at once
            self._kill()
        elif code == 0:
            say("stopping")
        self._code = max(self._code, code)
        self._stopping.set()

    def _hang_up(self) -> None:
        """Stop; a terminal that closes says so twice, by its shell and by the kernel."""
        if not self._stopping.is_set():
            self._stop(0)

    async def _keep(self, part: StackProcess) -> None:
        """Start a child, and again as often as it dies."""
        pause = 0.0
        while not self._stopping.is_set():
            child = self._children[part.name] = await start(
                part, copy if self._calm is None else self._calm.take
            )
            if self._stopping.is_set():  # told to stop while it was being born
                child.process.kill()
            code = await child.process.wait()
            if self._stopping.is_set():
                return
            if code > 0 and part.name not in self._served:
                # Its own fault, and starting it again will not mend it. What has served may do so again, though.
                say(f"{part.name} did not start (exit code {code}); its last lines are above")
                self._stop(1)
                return
            if not self._restart:
                say(f"{part.name} ended ({ending(code)}); it stays down")
                return
            pause = next_pause(pause, monotonic() - child.started)
            say(f"{part.name} ended ({ending(code)}); starting it again in {pause:g} s")
            self._restarts[part.name] += 1
            self._ready.discard(part.name)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _announce(self) -> None:
        """Show where everything is once all answer at one moment; say who does not, and stop, if it takes too long."""
        missing = [part for part in self._parts if part.port]
        try:
            async with asyncio.timeout(READY_SECONDS):
                while missing := await late(self._parts):
                    self._note(missing)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            names = ", ".join(part.name for part in missing)
            say(f"not ready after {READY_SECONDS:g} s: {names}; their last lines are above")
            self._stop(1)
            return
        self._note([])
        show(self._parts, self._told())
        while self._calm is not None:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        """Show the table anew where a process has gone or come back since the last look."""
        before = self._states()
        missing = await late(self._parts)
        self._note(missing)
        if before != self._states() and not self._stopping.is_set():
            show(self._parts, self._told(), "cinema runs" if missing else "cinema is ready")

    def _note(self, missing: list[StackProcess]) -> None:
        """Note that all are ready but for these."""
        self._ready = {part.name for part in self._parts if part not in missing}
        self._served |= self._ready

    def _states(self) -> dict[str, str]:
        """Return how each process fares, in a word or two."""
        return {
            part.name: state_of(part.name in self._ready, self._restarts[part.name]) for part in self._parts
        }

    def _told(self) -> dict[str, str]:
        """Return the same with what each has warned of."""
        warned = Counter[str]() if self._calm is None else self._calm.warnings
        return {
            name: state + (f", {warned[name]} warnings" if warned[name] else "")
            for name, state in self._states().items()
        }

    async def _end(self) -> None:
        """Stop the gateway, then what stands behind it; kill what has not ended in time."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                *services, gateway = self._parts
                await self._terminate([gateway])
                await self._terminate(services)
        except TimeoutError:
            say("some processes did not stop in time; killing them")
        self._kill()

    async def _terminate(self, parts: list[StackProcess]) -> None:
        children = [child for part in parts if (child := self._children.get(part.name))]
        for child in children:
            child.terminate()
        await asyncio.gather(*(child.process.wait() for child in children))

    def _kill(self) -> None:
        for child in self._children.values():
            child.kill()
