"""`compose.prod.yaml`: nginx alone is published, no secret shows, and a new version costs nobody an answer."""

import asyncio
import json
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.cinema.pictures.drawn import saved
from tests.containers.running import Set, copied, until
from tests.deploy.manifests import compose
from tests.servers import free_port

SERVICES = compose("compose.prod.yaml")["services"]
LATER = {"grafana", "backup", "restore"}  # whose image may be out of reach, and what runs when it is asked to
PATHS = ("/health/live", "/api/v1/genres", "/api/v1/films?page_size=5")
RATE = 300 if os.environ.get("DEEP") == "1" else 100  # requests a second, over both gateways
UNTRUSTED = ssl._create_unverified_context()  # noqa: SLF001 - a certificate that nobody has signed


@pytest.fixture(scope="module")
def https() -> int:
    """Choose the port of the outside."""
    return free_port()


@pytest.fixture(scope="module")
def started(engine: dict[str, str], https: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Set]:
    """Start it as its page says, with demo data; Grafana is left out, whose image may be out of reach."""
    folder = copied(tmp_path_factory.mktemp("production"))
    ports = {"STACK_HTTP_PORT": str(free_port()), "STACK_HTTPS_PORT": str(https)}
    found = Set(folder, "compose.prod.yaml", engine, GATEWAY_RATE_LIMIT="0", STACK_VERSION="dev", **ports)
    found.run("sh", "deploy/secrets.sh")
    try:
        found.compose("--profile", "demo", "up", "-d", *(set(SERVICES) - LATER), seconds=600)
        until(180, "all is well", lambda: b'"status":"healthy"' in _health(https))
        until(180, "the shop is seeded", lambda: status(https, "/api/profile/user123") == 200)
        until(60, "a search that has just started is late", lambda: status(https, "/api/v1/films") == 200)
        yield found
    finally:
        found.compose("--profile", "demo", "down", "-v")


def url(port: int, path: str) -> str:
    """Return an address outside."""
    return f"https://127.0.0.1:{port}{path}"


def status(port: int, path: str) -> int:
    """Ask once; 0 if nobody answers."""
    try:
        with urllib.request.urlopen(url(port, path), timeout=20, context=UNTRUSTED) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def test_the_whole_answers_through_nginx(started: Set, https: int) -> None:
    """Contract 1.1: with secrets from files, a Redis that wants a password, and two gateways."""
    assert [status(https, path) for path in ("/api/v1/films", "/movies", "/api/memes")] == [200] * 3
    assert [status(https, path) for path in ("/metrics", "/admin/purge")] == [404, 404]


def _finds_films(port: int) -> bool:
    return told(port, "/api/v1/films/search?query=star", "GET")[1].startswith(b"[{")


def _health(port: int) -> bytes:
    try:
        with urllib.request.urlopen(url(port, "/health"), timeout=20, context=UNTRUSTED) as answer:
            return bytes(answer.read(200))
    except OSError:
        return b""


def test_nothing_but_nginx_is_published(started: Set) -> None:
    """Contract 1.1: asked of what runs."""
    listed = json.loads(started.podman("ps", "--format", "json"))
    published = {
        name for one in listed for name in one["Names"] if one["Ports"] and name.startswith(started.project)
    }

    assert published == {started.name("nginx")}


def test_t15_no_secret_shows_in_logs_layers_or_inspect(started: Set) -> None:
    """T15: whoever may look at containers sees none of what they were given."""
    names = started.podman(
        "ps", "-a", "--filter", f"name={started.project}_", "--format", "{{.Names}}"
    ).split()
    shown = started.podman("inspect", *names) + started.podman("history", "--no-trunc", "cinema:dev")
    shown += "".join(started.run("podman", "logs", name) for name in names)
    secrets = started.folder / "deploy/secrets"

    assert len(names) >= 25
    assert [file.name for file in secrets.iterdir() if file.read_text().strip() in shown] == []
    password = (secrets / "redis_password").read_text().strip()
    assert password not in shown


def test_a_new_version_of_both_gateways_costs_nobody_an_answer(started: Set, https: int) -> None:
    """Contract 17: 300 requests a second while one after the other is replaced."""
    done = threading.Event()
    went: Counter[str] = Counter()
    load = threading.Thread(target=lambda: asyncio.run(_load(https, done, went)))
    load.start()
    try:
        said = started.run("sh", "deploy/roll.sh", seconds=500)
    finally:
        done.set()
        load.join()

    assert "all is new" in said
    assert set(went) == {"200"}
    assert went["200"] > 1000


async def _load(port: int, done: threading.Event, went: Counter[str]) -> None:
    """Ask at a steady pace, whatever the answers take, until told to stop."""
    connector = aiohttp.TCPConnector(ssl=False, limit=400)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as client:

        async def one(number: int) -> None:
            try:
                async with client.get(url(port, PATHS[number % len(PATHS)])) as answer:
                    said = await answer.read()
                    went[str(answer.status) if answer.ok else f"{answer.status} {said!r}"] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                went[repr(error)] += 1

        asked: set[asyncio.Task[None]] = set()
        begun = asyncio.get_running_loop().time()
        number = 0
        while not done.is_set():
            due = int((asyncio.get_running_loop().time() - begun) * RATE)
            for each in range(number, due):
                task = asyncio.create_task(one(each))
                asked.add(task)
                task.add_done_callback(asked.discard)
            number = due
            await asyncio.sleep(0.01)
        await asyncio.gather(*asked)


def test_a_restored_backup_equals_its_source(started: Set, https: int) -> None:
    """Issue 15.5: PostgreSQL and S3, by the services of this file; and what came later is gone."""
    until(400, "films are found", lambda: _finds_films(https))
    folder = started.folder / "backups"
    folder.mkdir(mode=0o700)
    os.chown(folder, 10001, 10001)
    kept = uploaded(https, "kept over the fire")
    backup = ("--profile", "backup", "run", "--rm", "backup")
    started.compose(*backup, "first")
    assert told(https, f"/api/memes/{kept['id']}", "DELETE")[0] == 204
    later = uploaded(https, "made after it")
    started.compose("stop", "memes", "media")
    try:
        started.compose("--profile", "backup", "run", "--rm", "restore", "first", "--overwrite")
        started.compose(*backup)  # named after its moment
    finally:
        started.compose("start", "memes", "media")

    first, second = (
        json.loads((one / "manifest.json").read_text()) for one in sorted(folder.iterdir())[::-1]
    )
    assert first["rows"]["film_work"] > 1000
    assert any(name.endswith(kept["image_url"].rpartition("/")[2]) for name in first["files"])
    assert (second["rows"], second["files"]) == (first["rows"], first["files"])
    until(60, "its picture is back", lambda: status(https, kept["image_url"]) == 200)
    until(60, "memes answer", lambda: status(https, f"/api/memes/{kept['id']}") == 200)
    assert status(https, f"/api/memes/{later['id']}") == 404
    until(400, "films are found", lambda: _finds_films(https))


def uploaded(port: int, title: str) -> dict[str, Any]:
    """Add a meme with a picture through nginx."""
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name, title.encode())
        for name in (b"title", b"description")
    )
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    done, body = told(port, "/api/memes", "POST", parts + head + saved("png") + b"\r\n--x--\r\n")
    assert done == 201, body
    return dict(json.loads(body))


def told(port: int, path: str, method: str, body: bytes = b"") -> tuple[int, bytes]:
    """Send a request; return status and body."""
    asked = urllib.request.Request(url(port, path), data=body or None, method=method)
    asked.add_header("Content-Type", "multipart/form-data; boundary=x")
    try:
        with urllib.request.urlopen(asked, timeout=20, context=UNTRUSTED) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def test_it_stops_in_order(started: Set) -> None:
    """Contract 17: SIGTERM, a drain, exit code 0; run last, as nothing answers after it."""
    started.compose("stop", "gateway-1", "gateway-2", "memes", "etl")

    codes = {name: started.inspect(name)["State"]["ExitCode"] for name in ("gateway-1", "gateway-2", "memes")}
    assert codes == {"gateway-1": 0, "gateway-2": 0, "memes": 0}
