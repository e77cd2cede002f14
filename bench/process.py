"""Processes under measurement: start pinned to cores, account the CPU time of the whole tree, stop by group.

Each command becomes the leader of a session of its own, and everything it starts belongs to that session. CPU time
is the sum of utime, stime, cutime and cstime over the session, from /proc/<pid>/stat (proc(5)): the time of a child
that ended passes to the parent that waited for it, so the sum never falls. The kernel scales these fields to the
precise run time; they are counted in ticks of 10 ms, which over seconds of load is far below one per cent.
Linux only.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

__all__ = [
    "Command",
    "Process",
    "Stat",
    "Usage",
    "cores",
    "free_port",
    "give_way",
    "parse_stat",
    "pinned",
    "reported",
    "running",
    "usage_of",
]

TICK = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
GRACE = 8.0  # seconds between SIGTERM and SIGKILL
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run: `environment` is added to ours, `cores` are those it may use."""

    name: str
    argv: tuple[str, ...]
    cores: tuple[int, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = ROOT


@dataclass(frozen=True, slots=True)
class Stat:
    """One line of /proc/<pid>/stat, as far as it matters here. Times are seconds, memory is bytes."""

    pid: int
    session: int
    cpu: float
    rss: int
    ended: bool = False  # a zombie: its time still counts, but it does nothing any more


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds used so far and bytes resident now, of a whole tree."""

    cpu: float
    rss: int


def parse_stat(line: str) -> Stat:
    """Read a line of /proc/<pid>/stat; the name in parentheses may itself hold spaces and parentheses."""
    pid, _, rest = line.partition(" ")
    fields = rest.rpartition(")")[2].split()  # fields[0] is field 3 of proc(5)
    ticks = sum(int(one) for one in fields[11:15])
    return Stat(int(pid), int(fields[3]), ticks * TICK, int(fields[21]) * PAGE, fields[0] in "ZX")


def usage_of(session: int, stats: Iterable[Stat]) -> Usage:
    """Sum what the processes of one session use."""
    ours = [one for one in stats if one.session == session]
    return Usage(sum(one.cpu for one in ours), sum(one.rss for one in ours))


def processes() -> Iterator[Stat]:
    """Read the state of every process of the machine that is still there when asked."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "stat").read_text(errors="replace")
        except OSError:  # ended meanwhile
            continue
        yield parse_stat(line)


def living(session: int) -> list[int]:
    """Return the ids of the processes of a session that have not ended."""
    return [one.pid for one in processes() if one.session == session and not one.ended]


class Process:
    """A running command."""

    def __init__(self, command: Command, child: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self.name = command.name
        self.pid = child.pid
        self._child = child
        self._log = log

    def usage(self) -> Usage:
        """Return what the whole tree has used so far."""
        return usage_of(self.pid, processes())

    def log(self, size: int = 2_000) -> str:
        """Return the end of what it printed."""
        # pread, because the offset of the file is shared with the process that writes there.
        end = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, max(0, end - size)).decode(errors="replace")

    def wait_until_answers(self, url: str, *, seconds: float = 30.0) -> None:
        """Ask until the answer is 200; raise `RuntimeError` with the end of the log if it ends or takes too long."""
        until = time.monotonic() + seconds
        while not _answers(url):
            if self._child.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} does not answer {url}\n{self.log()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the tree: SIGTERM to its group, SIGKILL to whatever of the session is left after the grace."""
        _signal_group(self.pid, signal.SIGTERM)
        try:
            self._child.wait(GRACE)
        except subprocess.TimeoutExpired:
            _signal_group(self.pid, signal.SIGKILL)
            self._child.wait()
        until = time.monotonic() + GRACE
        while (left := living(self.pid)) and time.monotonic() < until:
            for pid in left:
                _kill(pid)
            time.sleep(0.01)  # they are not our children: nobody tells us when they are gone

    def __repr__(self) -> str:
        return f"<Process {self.name} pid={self.pid}>"


def pinned(command: Command) -> list[str]:
    """Return the command line, pinned to its cores and bound to end with us, however we end."""
    cpus = ",".join(str(core) for core in command.cores)
    return ["setpriv", "--pdeathsig", "KILL", "taskset", "--cpu-list", cpus, *command.argv]


def reported(module: str, arguments: Iterable[str], cores: tuple[int, ...], *, seconds: float) -> Any:  # noqa: ANN401
    """Run a module of the benches to its end, in a process and on cores of its own; return the JSON it prints."""
    command = Command(name=module, argv=(sys.executable, "-m", module, *arguments), cores=cores)
    done = subprocess.run(
        pinned(command),
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
        timeout=seconds,
        start_new_session=True,
    )
    return json.loads(done.stdout)


def give_way() -> None:
    """Let all others on this process's cores go first, within its session and beside it (sched(7), autogroup)."""
    os.nice(10)
    with suppress(OSError):  # another kernel, or none of groups
        Path("/proc/self/autogroup").write_text("10")


@contextmanager
def running(command: Command) -> Iterator[Process]:
    """Run a command as long as the block runs."""
    environment = {**os.environ, **command.environment}
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            pinned(command),
            cwd=command.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        process = Process(command, child, log)
        try:
            yield process
        finally:
            process.stop()


def cores() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the core of the target and the cores of everybody else; with one core they are the same."""
    first, *others = sorted(os.sched_getaffinity(0))
    return (first,), tuple(others) or (first,)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
