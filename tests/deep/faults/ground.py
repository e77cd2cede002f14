"""What the faults happen to: the platform over each kind of server, a proxy before each, names and disks of our own."""

import asyncio
import json
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import trustme

from tests import search_nodes, servers
from tests.chaos import ChaosProxy
from tests.cinema.services.media.conftest import of_s3
from tests.deep.answering import answering
from tests.live.load import Client
from tests.live.platform import Platform, Program, prepare, run
from tests.servers import LOOPBACK, Server

__all__ = ["GROUNDS", "Ground", "names", "opened"]

SERVED = ("users", "orders", "products", "memes", "media", "ghibli")
NAMED = ("users", "redis", "postgres")  # what is reached by a name of its own
_URLS = {
    "media": "MEDIA_URL",
    "ghibli": "GHIBLI_BASE_URL",
    **{one: f"GATEWAY_{one.upper()}_URL" for one in ("users", "orders", "products", "memes")},
}
_SHARED = {
    "MEDIA_TOKEN": "shared",
    "GATEWAY_PROFILE_TTL_S": "1",
    "GATEWAY_CATALOGUE_TTL_S": "1",
    "GATEWAY_CATALOGUE_STALE_S": "0",
    "GHIBLI_TTL_S": "1",
    "GHIBLI_TIMEOUT_MS": "700",
    # Others work on this machine too: a pause of it must not be taken for a fault.
    "GATEWAY_DEADLINE_MS": "1500",
    "GATEWAY_ATTEMPT_TIMEOUT_MS": "500",
    "GATEWAY_CONNECT_TIMEOUT_MS": "400",
    "SEARCH_TIMEOUT_MS": "600",
    "REDIS_TIMEOUT_MS": "150",
    "GATEWAY_RATE_LIMIT": "0",
    "SEARCH_ETL_INTERVAL_S": "3600",
}


def name_of(one: str) -> str:
    return f"{one}.cinema.test"


def names() -> tuple[str, ...]:
    """Return what our certificates are for."""
    return ("localhost", LOOPBACK, *map(name_of, NAMED))


class Told(Protocol):
    """Who can tell whether a line of a log names it."""

    def is_told_by(self, line: dict[str, Any]) -> bool: ...


class Ground:
    """The platform, its servers and the proxies before them, by name."""

    def __init__(self, stack: ExitStack, *, apart: bool) -> None:
        self.apart = apart
        self.folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True))
        )
        self.folder.chmod(0o755)
        self.stack = stack
        self.servers: dict[str, Server] = {}
        self.proxies: dict[str, ChaosProxy] = {}
        self.authority, self.stranger = trustme.CA(), trustme.CA()
        self.contexts = {
            name: ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) for name in ("ghibli", "redis")
        }
        self.babble = 0
        self.full_store = 0
        self.platform: Platform
        self.authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        for context in self.contexts.values():
            self.authority.issue_cert(*names()).configure_cert(context)

    # --- what differs between grounds ------------------------------------------------------------------------------

    def begin_servers(self) -> None:
        """Start what stands behind the services."""

    def settings(self) -> dict[str, str]:
        """Return what names them; proxies are up."""
        return {}

    def database(self, *, proxied: bool) -> str:
        """Return the address of the database."""
        return f"sqlite+aiosqlite:///{self.folder}/disk/cinema.db"

    # --- asking ----------------------------------------------------------------------------------------------------

    async def health(self) -> dict[str, Any]:
        client = Client(self.platform.port)
        shot = await client.get("/health")
        client.close()
        found: dict[str, Any] = json.loads(shot.body) if shot.status == 200 else {}
        return found

    async def metrics(self) -> dict[str, float]:
        client = Client(self.platform.port)
        text = (await client.get("/metrics")).body.decode()
        client.close()
        rows = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {series: float(value) for series, _, value in rows}

    def programs(self) -> Iterator[Program]:
        for name in (*SERVED, "gateway"):
            yield self.platform[name]

    def said_since(self, moment: float) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the lines of all logs from a moment on, and those that are no line of a log."""
        lines, broken = list[dict[str, Any]](), list[str]()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{moment % 1:.6f}"[2:]
        for program in self.programs():
            for row in program.says().splitlines():
                try:
                    line = json.loads(row)
                except ValueError:
                    broken.append(f"{program.command[-1]}: {row}")
                    continue
                if line["timestamp"] >= stamp:
                    lines.append({**line, "_from": program.command[-1]})
        return lines, broken

    def told_before(self, fault: Told, moment: float) -> str:
        """Return the line of the minute before that has already told of such a fault; "" if there is none."""
        lines, _ = self.said_since(moment - 60.0)
        found = [one for one in lines if fault.is_told_by(one)]
        return (
            " ".join(str(found[-1].get(name, "")) for name in ("service", "reason", "detail"))
            if found
            else ""
        )

    # --- what faults are made of -----------------------------------------------------------------------------------

    def name_stands_for(self, moved: str, address: str | None) -> None:
        """Let the name of one stand for another address, or for nothing; all others are here."""
        stands: dict[str, str | None] = {**dict.fromkeys(NAMED, LOOPBACK), moved: address}
        rows = [f"{where} {name_of(one)}" for one, where in stands.items() if where]
        (self.folder / "hosts").write_text("\n".join([f"{LOOPBACK} localhost", *rows, ""]))

    def host_of(self, one: str) -> str:
        """Return what settings call the host of something."""
        return name_of(one) if self.apart and one in NAMED else "localhost"


class Servers(Ground):
    """PostgreSQL, Valkey over TLS, and S3."""

    def begin_servers(self) -> None:
        for name, find in {"postgres": servers.postgres, "redis": servers.valkey, "s3": servers.s3}.items():
            self.servers[name] = self.stack.enter_context(servers.temporary(find))
        for words in ("CREATE ROLE cinema LOGIN", "CREATE DATABASE cinema OWNER cinema"):
            self.sql(words)

    def settings(self) -> dict[str, str]:
        store = {
            name.upper(): said for name, said in of_s3(f"http://{LOOPBACK}:{self.proxies['s3'].port}").items()
        }
        redis = f"rediss://{self.host_of('redis')}:{self.proxies['redis'].port}/0"
        return {**store, "REDIS_URL": redis}

    def database(self, *, proxied: bool) -> str:
        port = (self.proxies if proxied else self.servers)["postgres"].port
        host = self.host_of("postgres") if proxied else LOOPBACK
        return f"postgresql+asyncpg://cinema@{host}:{port}/cinema"

    def sql(self, words: str) -> None:
        """Have the database's owner say something."""
        psql = str(servers.postgres_binaries() / "psql")
        where = [
            "-h",
            LOOPBACK,
            "-p",
            str(self.servers["postgres"].port),
            "-U",
            "postgres",
            "-qc",
            words,
            "postgres",
        ]
        subprocess.run([psql, *where], check=True, capture_output=True)


class Embedded(Ground):
    """SQLite, a directory, and an index in the process: all on a small disk of our own, where we may mount one."""


class Node(Ground):
    """An OpenSearch node."""

    def begin_servers(self) -> None:
        recipe = search_nodes.opensearch(*search_nodes.QUICK)
        self.servers["search"] = self.stack.enter_context(servers.temporary(lambda: recipe))

    def settings(self) -> dict[str, str]:
        return {"SEARCH_URL": f"http://{LOOPBACK}:{self.proxies['search'].port}"}


GROUNDS: Mapping[str, Callable[..., Ground]] = {"servers": Servers, "embedded": Embedded, "node": Node}


@asynccontextmanager
async def opened(ground: Ground) -> AsyncIterator[None]:
    """Start everything, in order; the stack of the ground ends it."""
    _mount(ground)
    _filled(ground)
    async with AsyncExitStack() as stack:
        ground.babble = await stack.enter_async_context(answering(lambda: _NONSENSE))
        ground.full_store = await stack.enter_async_context(answering(lambda: _FULL))
        database = ground.database(proxied=False)
        ground.platform = ground.stack.enter_context(Platform(ground.folder, database, **_of(ground)))
        targets = {name: ground.platform.ports[name] for name in SERVED}
        targets |= {name: server.port for name, server in ground.servers.items()}
        for name, port in targets.items():
            proxy = ChaosProxy(port, tls=ground.contexts.get(name))
            ground.proxies[name] = await stack.enter_async_context(proxy)
        settings = ground.settings()
        ground.platform.environment |= settings | {"DATABASE_URL": ground.database(proxied=True)}
        prepared = {**ground.platform.environment, "DATABASE_URL": database}
        if "search" in ground.servers:
            prepared["SEARCH_URL"] = ground.servers["search"].url
        await _etl(ground, prepared)
        await _begun(ground)
        yield


async def _etl(ground: Ground, environment: Mapping[str, str]) -> None:
    command = await asyncio.create_subprocess_exec(
        *run("etl"), cwd=ground.folder, env=dict(environment), stdout=-3, stderr=asyncio.subprocess.PIPE
    )
    _, said = await command.communicate()
    assert command.returncode == 0, said


async def _begun(ground: Ground) -> None:
    """Start the services, and the gateway over the proxies before them."""
    platform = ground.platform
    # Memes reach media as the gateway does, through the proxy; media itself listens where the proxy leads.
    for name in SERVED:
        if name == "memes":
            platform.environment["MEDIA_URL"] = f"http://{LOOPBACK}:{ground.proxies['media'].port}"
        platform[name].begin()
        platform.environment["MEDIA_URL"] = f"http://{LOOPBACK}:{platform.ports['media']}"
    for name in SERVED:
        scheme = "https" if name in ground.contexts else "http"
        platform.environment[_URLS[name]] = f"{scheme}://{ground.host_of(name)}:{ground.proxies[name].port}"
    platform.environment["SSL_CERT_FILE"] = str(ground.folder / "ca.pem")
    for name in SERVED:
        await asyncio.to_thread(platform[name].until_ready)
    platform["gateway"].begin()
    await asyncio.to_thread(platform["gateway"].until_ready)


def _filled(ground: Ground) -> None:
    ground.begin_servers()
    prepare(ground.database(proxied=False), ground.folder, films=300)


def _of(ground: Ground) -> dict[str, str | float]:
    disk = ground.folder / "disk"
    own = {
        "SEARCH_DIR": f"{disk}/index",
        "SEARCH_ETL_STATE": f"{disk}/state.json",
        "MEDIA_DIR": f"{disk}/media",
    }
    return {**_SHARED, **own}


def _mount(ground: Ground) -> None:
    """Make a disk and a file of names of our own, where we may."""
    (ground.folder / "disk").mkdir()
    ground.name_stands_for("users", LOOPBACK)
    if ground.apart:
        (ground.folder / "hosts").chmod(0o644)
        subprocess.run(["mount", "--bind", str(ground.folder / "hosts"), "/etc/hosts"], check=True)
        disk = str(ground.folder / "disk")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", disk], check=True)
        ground.stack.callback(subprocess.run, ["umount", "-l", disk], check=False)
        ground.stack.callback(subprocess.run, ["umount", "/etc/hosts"], check=False)


_NONSENSE = b"\x00\xfe garbage \x80 of no meaning\r\n" * 3
_NO_ROOM = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>no space left on device</Message></Error>"
_FULL = (
    b"HTTP/1.1 507 Insufficient Storage\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%b"
    % (
        len(_NO_ROOM),
        _NO_ROOM,
    )
)
