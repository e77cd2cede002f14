"""Run the whole platform on this machine: one parent, one child process for each service.

Theory. The parent migrates and seeds, starts all children at once, and asks each for its health until
all answer. From then on it only watches: a child's output is copied line by line behind its name, a
child that dies is started again after a pause that doubles with each death and is forgotten once it has
lived a while. Each child leads a session of its own, so that Ctrl-C in a terminal reaches the parent
alone; the parent then stops the gateway first, so that its open requests still find the services, and
the services after it: SIGTERM, and SIGKILL for the whole group of a child that overstays. A parent that
is killed takes its children along by way of `cinema.lifeline`.
"""

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from cinema.lifeline import PARENT
from cinema.listening import demand_free
from cinema.services import SERVICES
from cinema.settings import Settings, host_of

__all__ = ["Part", "next_pause", "parts_of", "run", "table_of"]

READY_SECONDS = 60.0  # from the start of all children; a slow machine compiles its bytecode first
STOP_SECONDS = 9.0  # all children together, then they are killed
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_SETTLED_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Part:
    """Name one process of the platform, where it listens, and how it says that it is ready.

    One that listens nowhere has the port 0, and is ready as soon as it runs.
    """

    name: str
    host: str = ""
    port: int = 0
    setting: str = ""
    ready: str = ""
    words: tuple[str, ...] = ()  # of its command, if these are others than its name

    @property
    def url(self) -> str:
        """Return its address on this machine."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def parts_of(settings: Settings) -> list[Part]:
    """Return the processes to start here, the gateway last; a service at another host runs elsewhere."""
    parts = [
        Part(service.name, *service.address(settings), service.setting, "/health")
        for service in SERVICES.values()
        if _is_here(host_of(service.url(settings)))
    ]
    parts.append(Part("etl", words=("etl", "--watch")))
    host = "127.0.0.1" if settings.gateway_host in {"0.0.0.0", "::"} else settings.gateway_host  # noqa: S104 - compared
    return [*parts, Part("gateway", host, settings.gateway_port, "GATEWAY_PORT", "/health/ready")]


def _is_here(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


def next_pause(last: float, lived: float) -> float:
    """Seconds to wait before a child that lived so long is started again, given the pause before."""
    if last == 0 or lived >= _SETTLED_SECONDS:
        return _FIRST_PAUSE
    return min(_LONGEST_PAUSE, last * 2)


def run(settings: Settings, *, restart: bool = True) -> int:
    """Run the platform until a signal stops it; return the exit code."""
    parts = parts_of(settings)
    taken = next((part for part in parts if part.port and _is_taken(part)), None)
    if taken:
        _say(f"port {taken.port} is taken; set {taken.setting} to another, or stop what listens there")
        return 1
    return asyncio.run(_Stack(settings, parts, restart=restart).run())


def _is_taken(part: Part) -> bool:
    try:
        demand_free(part.host, part.port)
    except OSError:
        return True
    return False


@dataclass(slots=True)
class _Child:
    part: Part
    process: asyncio.subprocess.Process
    started: float = field(default_factory=monotonic)


class _Stack:
    def __init__(self, settings: Settings, parts: list[Part], *, restart: bool) -> None:
        self._settings = settings
        self._parts = parts
        self._restart = restart
        self._children: dict[str, _Child] = {}
        self._ready: set[str] = set()
        self._stopping = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop, 0)
        if not await self._prepare() or not await self._index():
            return max(self._code, 0 if self._stopping.is_set() else 1)
        keepers = [asyncio.create_task(self._keep(part)) for part in self._parts]
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
            _say("stopping")
        self._code = max(self._code, code)
        self._stopping.set()

    async def _prepare(self) -> bool:
        # Imported here: these bring the database layer along, which the checks before do not need.
        from cinema.data.sowing import sow_films  # noqa: PLC0415
        from cinema.database import DatabaseUnavailable, open_database  # noqa: PLC0415
        from cinema.database.migrate import migrate  # noqa: PLC0415
        from cinema.seed import sow  # noqa: PLC0415

        database = open_database(self._settings.database_url, 1)
        try:
            if await database.write(migrate):
                _say("database migrated")
            if await database.write(sow):
                _say("demo data seeded")
            if films := await database.write(partial(sow_films, films=self._settings.films)):
                _say(f"{films:,} films seeded")
        except DatabaseUnavailable as error:
            _say(f"DATABASE_URL: the database does not answer ({type(error.__cause__).__name__})")
            return False
        finally:
            await database.close()
        return True

    async def _index(self) -> bool:
        """Build the embedded index at the first start, in sight; later starts leave it to the ETL.

        A remote engine may be away for long, and need not keep the rest from starting.
        """
        settings = self._settings
        if settings.search_url is not None or settings.docs_only or settings.search_etl_state.exists():
            return True
        began = monotonic()
        process = await asyncio.create_subprocess_exec(
            *_command("etl"), stdin=asyncio.subprocess.DEVNULL, env=_environment(), start_new_session=True
        )
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            process.terminate()
        stopped.cancel()
        if await ended != 0:
            _say("the search index was not built; the lines above say why")
            return False
        _say(f"search index built in {monotonic() - began:.1f} s")
        return not self._stopping.is_set()

    async def _keep(self, part: Part) -> None:
        """Start a child, and again as often as it dies."""
        pause = 0.0
        while not self._stopping.is_set():
            child = await self._start(part)
            if self._stopping.is_set():  # told to stop while it was being born
                child.process.kill()
            code = await child.process.wait()
            if self._stopping.is_set():
                return
            if (
                code > 0 and part.name not in self._ready
            ):  # its own fault, and starting it again will not mend it
                _say(f"{part.name} did not start (exit code {code}); its last lines are above")
                self._stop(1)
                return
            if not self._restart:
                _say(f"{part.name} ended ({_ending(code)}); it stays down")
                return
            pause = next_pause(pause, monotonic() - child.started)
            _say(f"{part.name} ended ({_ending(code)}); starting it again in {pause:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _start(self, part: Part) -> _Child:
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *_command(*(part.words or (part.name,))),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env=_environment(),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        width = max(len(one.name) for one in self._parts)
        # A thread, because a terminal that stalls must not keep the parent from hearing signals.
        threading.Thread(target=_follow, args=(reading, part.name.ljust(width)), daemon=True).start()
        child = self._children[part.name] = _Child(part, process)
        return child

    async def _announce(self) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await asyncio.gather(*(self._until_ready(part) for part in self._parts))
        except TimeoutError:
            late = ", ".join(part.name for part in self._parts if part.name not in self._ready)
            _say(f"not ready after {READY_SECONDS:g} s: {late}; their last lines are above")
            self._stop(1)
            return
        _show(self._parts)

    async def _until_ready(self, part: Part) -> None:
        while part.port and not await _is_ready(part):  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.05)
        self._ready.add(part.name)

    async def _end(self) -> None:
        """Stop the gateway, then what stands behind it; kill what has not ended in time."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                *services, gateway = self._parts
                await self._terminate([gateway])
                await self._terminate(services)
        except TimeoutError:
            _say("some processes did not stop in time; killing them")
        self._kill()

    async def _terminate(self, parts: list[Part]) -> None:
        children = [child for part in parts if (child := self._children.get(part.name))]
        for child in children:
            with suppress(ProcessLookupError):
                child.process.terminate()
        await asyncio.gather(*(child.process.wait() for child in children))

    def _kill(self) -> None:
        # The group, not the child: workers of a child that has died without them are in it too.
        for child in self._children.values():
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cinema", *words]


def _environment() -> dict[str, str]:
    return os.environ | {PARENT: str(os.getpid()), "PYTHONUNBUFFERED": "1"}


async def _is_ready(part: Part) -> bool:
    """Ask a child whether it is ready; no client library, as this runs at every start."""
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection(part.host, part.port)
            try:
                writer.write(
                    f"GET {part.ready} HTTP/1.1\r\nHost: {part.host}\r\nConnection: close\r\n\r\n".encode()
                )
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


_PRINTING = threading.Lock()


def _say(line: str) -> None:
    _write(f"cinema: {line}\n".encode())


def _write(lines: bytes) -> None:
    with _PRINTING, suppress(OSError, ValueError):
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()


def _follow(descriptor: int, name: str) -> None:
    """Copy a child's output, each line behind its name, many lines at a time."""
    prefix = f"{name} | ".encode()
    with open(descriptor, "rb", buffering=0) as output:
        rest = b""
        while chunk := output.read(65_536):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                _write(prefix + whole.replace(b"\n", b"\n" + prefix) + b"\n")
        if rest:
            _write(prefix + rest + b"\n")


_TRY = "/api/profile/user123"


def _show(parts: list[Part]) -> None:
    """Say where everything is: a table for a terminal, plain lines for a file."""
    *services, gateway = parts
    if not sys.stdout.isatty():
        for part in (gateway, *services):
            _say(f"{part.name} ready at {part.url}" if part.port else f"{part.name} runs")
        _say(f"try: curl {gateway.url}{_TRY}")
        return
    _write(table_of(gateway, services).encode())


def table_of(gateway: Part, services: list[Part]) -> str:
    """Draw where everything is."""
    # Imported here: a tenth of a second that only a terminal needs.
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, title="cinema is ready", title_justify="left", title_style="bold green")
    table.add_column("process", style="cyan")
    table.add_column("address")
    table.add_column("what to open")
    table.add_row("gateway", gateway.url, f"{_TRY}   /docs   /health   /metrics", style="bold")
    for part in services:
        if part.port:
            table.add_row(part.name, part.url, f"/{part.name}   /health   /metrics")
        else:
            table.add_row(part.name, "", "")
    console = Console()
    with console.capture() as capture:
        console.print(table)
        console.print(f"  curl {gateway.url}{_TRY}\n  Ctrl-C stops everything.\n", highlight=False)
    return capture.get()
