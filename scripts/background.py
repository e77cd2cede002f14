"""Keep one `cinema up` in the background: start, stop, ps, logs.

The pid file holds the process id and the moment the process began, because ids are used again: only a process
that matches both is ours to stop. `cinema up` stops its own children; what outlives it is ended here.
"""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from cinema.settings import SettingsError, load
from cinema.stack.child import late
from cinema.stack.parts import StackProcess, parts_of

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
PID = DATA / "cinema.pid"
LOG = DATA / "cinema.log"
START_SECONDS = 110.0
STOP_SECONDS = 20.0


def main(verb: str, part: str = "") -> str | None:
    """Do what the verb says; return a complaint, or None."""
    verbs: dict[str, Callable[[], str | None]] = {
        "start": start,
        "stop": stop,
        "ps": show,
        "logs": partial(follow, part),
    }
    return verbs[verb]() if verb in verbs else f"one of: {', '.join(verbs)}"


def start() -> str | None:
    """Start, and wait until every process answers that it is ready."""
    if running():
        return "already running: make ps, make stop"
    try:
        parts = parts_of(load(ROOT / ".env"))
    except SettingsError as error:
        return str(error)
    gateway = parts[-1]
    if not missing([gateway]):  # it would be taken for ours
        return f"something answers on port {gateway.port} already; stop it, or set GATEWAY_PORT to another"
    return until_ready(launch(), parts)


def until_ready(child: subprocess.Popen[bytes], parts: list[StackProcess]) -> str | None:
    """Wait for all of them; return who is missing once that takes too long."""
    until = time.monotonic() + START_SECONDS
    while names := missing(parts):
        if child.poll() is not None:
            PID.unlink(missing_ok=True)
            return f"cinema up ended with {child.returncode}; its last words:\n{last_words()}"
        if time.monotonic() > until:
            return f"not ready after {START_SECONDS:.0f} s: {names}; look with make logs"
        time.sleep(0.1)
    print(f"ready: {parts[-1].url}  (make logs, make ps, make stop)")
    return None


def missing(parts: list[StackProcess]) -> str:
    """Name those that do not answer that they are ready."""
    return ", ".join(part.name for part in asyncio.run(late(parts)))


def launch() -> subprocess.Popen[bytes]:
    """Begin the platform in a session of its own, its words in a file."""
    DATA.mkdir(exist_ok=True)
    with LOG.open("ab") as log:
        child = subprocess.Popen(
            [Path(sys.executable).parent / "cinema", "up"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = psutil.Process(child.pid)
    PID.write_text(f"{process.pid} {process.create_time()}")
    return child


def stop() -> str | None:
    """Ask it to stop, wait, then end whatever is left of it."""
    process = running()
    PID.unlink(missing_ok=True)
    if process is None:
        print("not running")
        return None
    family = [process, *process.children(recursive=True)]
    process.terminate()
    _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for process in left:
        process.kill()
    print("stopped" + (f", {len(left)} by force" if left else ""))
    return None


def show() -> str | None:
    """Show its processes."""
    process = running()
    if process is None:
        return "not running"
    for member in [process, *process.children(recursive=True)]:
        megabytes = member.memory_info().rss / 2**20
        print(f"{member.pid:>8}  {megabytes:6.0f} MB  {' '.join(member.cmdline()[-3:])}")
    return None


def follow(part: str = "") -> str | None:
    """Follow the log until Ctrl-C: all of it, or the lines of one process (`app` is the gateway)."""
    if not LOG.exists():
        return "no log yet: make start"
    name = "gateway" if part == "app" else part
    with (
        contextlib.suppress(KeyboardInterrupt),
        subprocess.Popen(["tail", "-n", "1000" if name else "50", "-f", LOG], stdout=subprocess.PIPE) as tail,
    ):
        for line in tail.stdout or ():
            if not name or line.split(maxsplit=1)[:1] == [name.encode()]:
                sys.stdout.buffer.write(line)
                sys.stdout.flush()
    return None


def running() -> psutil.Process | None:
    """Find the process of the pid file, if it is still the same one."""
    try:
        pid, began = PID.read_text().split()
        process = psutil.Process(int(pid))
        same = process.create_time() == float(began) and process.status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
    return process if same else None


def last_words() -> str:
    """Quote the end of the log."""
    return "\n".join(LOG.read_text(errors="replace").splitlines()[-10:])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3] or [""]))
