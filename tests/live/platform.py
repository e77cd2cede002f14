"""The platform in processes of its own, on free ports, each of which can be killed and started again.

    with Platform(folder, database) as platform:
        platform.start("users", "orders", "products", "gateway")
        platform["orders"].kill()

Settings come from here alone: those of the machine that runs the tests are kept out.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.servers import LOOPBACK, free_port, parental

__all__ = ["ALL", "PATIENT", "ROOT", "SERVICES", "Platform", "Program", "Reply", "ask", "seeded", "until"]

SERVICES = ("users", "orders", "products")
ALL = (*SERVICES, "gateway")
LATER = ("memes", "media")  # only where a test starts them by name
START_SECONDS = 120.0
PATIENCE = 30.0  # of one question: who has none is told otherwise by the status, not by our clock
ROOT = Path(__file__).parents[2]
# For tests that count rather than time: a machine with other things to do must not turn an answer into a late one.
PATIENT = {
    "GATEWAY_DEADLINE_MS": 5000,
    "GATEWAY_ATTEMPT_TIMEOUT_MS": 2400,
    "GATEWAY_CONNECT_TIMEOUT_MS": 2000,
}
_OURS = (
    "GATEWAY_",
    "DATABASE_",
    "REDIS_",
    "LOG_",
    "DOCS_",
    "SEARCH_",
    "SENTRY_",
    "PROMETHEUS_",
    "MEDIA_",
    "GHIBLI_",
    "OTEL_",
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; status 0 says that there was none."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    patience: float = PATIENCE,
) -> Reply:
    """Ask once, on a connection of its own."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=patience)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        return Reply(
            answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        )
    except (OSError, http.client.HTTPException):
        return Reply()
    finally:
        connection.close()


def until(
    seen: Callable[[], object], what: Callable[[], object] = str, seconds: float = START_SECONDS
) -> None:
    """Wait for other processes, which cannot be given a clock of ours."""
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, what()
        time.sleep(0.02)


def seeded(folder: Path) -> str:
    """Create a database with the demo data in it, and return its address."""
    address = f"sqlite+aiosqlite:///{folder}/cinema.db"
    prepare(address, folder)
    return address


def prepare(address: str, folder: Path, films: int = 50) -> None:
    """Migrate and seed the database of an address."""
    for command in ("migrate", "seed"):
        environment = clean() | {"DATABASE_URL": address, "FILMS": str(films)}
        subprocess.run([*run(command)], cwd=folder, env=environment, check=True, capture_output=True)


def run(*words: str) -> list[str]:
    return [sys.executable, "-m", "cinema", *words]


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


class Program:
    """One process of the platform; its output goes to a file of its own."""

    def __init__(
        self, command: list[str], folder: Path, environment: Mapping[str, str], port: int, ready: str
    ) -> None:
        self.command = command
        self.port = port
        self.ready = ready
        self.log = folder / f"{command[-1]}.log"
        self._folder = folder
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it, on the same port as before."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*parental(), *self.command],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def until_ready(self) -> None:
        """Wait until it answers; fail with its last words if it ends instead."""
        until(lambda: ask(self.port, self.ready).status == 200 or self.code is not None, self.says)
        assert self.code is None, self.says()

    def start(self) -> None:
        self.begin()
        self.until_ready()

    @property
    def code(self) -> int | None:
        """Return how it ended, None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, not to its group."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, the way a crash does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def wait(self, seconds: float = 60.0) -> int:
        """Wait for its end and return its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def says(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def lines(self) -> Iterator[dict[str, Any]]:
        """Return what it has logged; a line that is no JSON object fails the test, one that has not ended waits."""
        whole, _, _ = self.says().rpartition("\n")
        for line in whole.splitlines():
            yield json.loads(line)

    def descriptors(self) -> int:
        """Return how many files and sockets it holds open."""
        return psutil.Process(self.pid).num_fds()

    def connections(self) -> int:
        """Return how many of them are connections to somebody."""
        return sum(bool(one.raddr) for one in psutil.Process(self.pid).net_connections("tcp"))


class Platform:
    """The four processes, or as many of them as a test wants."""

    def __init__(self, folder: Path, database: str = "", /, **settings: str | float) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in (*ALL, *LATER, "ghibli")}
        urls = {
            f"GATEWAY_{name.upper()}_URL": f"http://{LOOPBACK}:{self.ports[name]}"
            for name in (*SERVICES, "memes")
        }
        urls["MEDIA_URL"] = f"http://{LOOPBACK}:{self.ports['media']}"
        urls["GHIBLI_BASE_URL"] = f"http://{LOOPBACK}:{self.ports['ghibli']}"
        own = {"GATEWAY_PORT": str(self.ports["gateway"]), "DATABASE_URL": database, "MEMES": "12"}
        given = {name: str(value) for name, value in settings.items()}
        self.environment = clean() | urls | own | given
        self._programs: dict[str, Program] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self._programs.values():
            program.kill()
        if kind is not None and (kept := os.environ.get("KEEP_LOGS")):
            shutil.copytree(self.folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.db*"))

    def __getitem__(self, name: str) -> Program:
        if name not in self._programs:
            ready = "/health/ready" if name == "gateway" else "/health"
            self._programs[name] = Program(run(name), self.folder, self.environment, self.ports[name], ready)
        return self._programs[name]

    def start(self, *names: str) -> None:
        """Start these, all at once, and wait until they are ready; all four if none is named."""
        for name in names or ALL:
            self[name].begin()
        for name in names or ALL:
            self[name].until_ready()

    def run(self, name: str, *command: str, ready: str = "/health/ready") -> Program:
        """Put another program in the place of one of the four, and start it."""
        found = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
        environment = self.environment | {"PYTHONPATH": found}
        program = Program([*command], self.folder, environment, self.ports[name], ready)
        program.log = self.folder / f"{name}.log"
        self._programs[name] = program
        program.start()
        return program

    @property
    def port(self) -> int:
        """Return the gateway's port."""
        return self.ports["gateway"]

    def get(self, path: str, **headers: str) -> Reply:
        """Ask the gateway."""
        return ask(
            self.port, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    def metrics(self, name: str = "gateway") -> dict[str, float]:
        """Return what a process has counted, by series."""
        text = ask(self.ports[name], "/metrics").body.decode()
        rows = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {series: float(value) for series, _, value in rows}

    def runtime(self) -> dict[str, int]:
        """Return what the gateway holds now."""
        held: dict[str, int] = self.get("/api/system/info").json()["runtime"]
        return held
