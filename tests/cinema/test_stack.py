"""The stack's decisions: what to start where, and how long to wait before trying again."""

import asyncio
import contextlib
import os
import resource
from pathlib import Path
from shutil import rmtree

import psutil
import pytest

from cinema.indices import INDICES
from cinema.settings import Settings
from cinema.stack.child import late, start
from cinema.stack.parts import StackProcess, parts_of
from cinema.stack.prepare import has_index, prepare
from cinema.stack.run import next_pause
from cinema.stack.terminal import table_of
from stagedoor.search.tantivy import TantivyWriter
from tests.servers import free_port


def test_pauses_double_up_to_a_bound() -> None:
    """A service that cannot live must not take the machine with it."""
    pauses = [0.0]
    for _ in range(7):
        pauses.append(next_pause(pauses[-1], lived=0.1))

    assert pauses[1:] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_service_that_has_lived_a_while_starts_afresh() -> None:
    """An old death says nothing about this one."""
    assert next_pause(8.0, lived=30.0) == 0.5
    assert next_pause(8.0, lived=29.9) == 10.0


def test_parts_stand_where_the_settings_say_the_gateway_last() -> None:
    """Contract 16: each listens on the port of its address; the last is stopped first."""
    settings = Settings(gateway_users_url="http://localhost:9001", gateway_host="0.0.0.0", gateway_port=9000)

    parts = [(part.name, part.url) for part in parts_of(settings) if part.port]

    assert parts == [
        ("users", "http://localhost:9001"),
        ("orders", "http://127.0.0.1:8002"),
        ("products", "http://127.0.0.1:8003"),
        ("memes", "http://127.0.0.1:8004"),
        ("media", "http://127.0.0.1:8005"),
        ("ghibli", "http://127.0.0.1:8006"),
        ("gateway", "http://127.0.0.1:9000"),
    ]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("::", "http://[::1]:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("fd00::1", "http://[fd00::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_the_gateway_is_asked_where_it_listens(host: str, url: str) -> None:
    """On all addresses of IPv6 it may not be on those of IPv4."""
    assert parts_of(Settings(gateway_host=host, docs_only=True))[-1].url == url


async def test_who_is_asked_whether_it_is_ready_is_named_as_it_should_be() -> None:
    """RFC 9112 3.2: a server refuses any other Host, so that whoever is asked by IPv6 would never be ready."""
    named = list[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        named.extend(line for line in head.splitlines() if line.startswith(b"Host: "))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "localhost", 0) as server:
        hosts = [one.getsockname()[:2] for one in server.sockets]
        asked = [StackProcess("a", host, port, ready="/health") for host, port in hosts]
        missing = await late(asked)

    assert missing == []
    assert sorted(named) == sorted(f"Host: {one.authority}".encode() for one in asked)
    assert [one.authority.count("[") for one in asked] == [int(":" in host) for host, _ in hosts]


def test_a_service_of_another_machine_is_not_started_here() -> None:
    """Its address says where it runs."""
    settings = Settings(
        gateway_orders_url="http://orders.internal:8002", gateway_users_url="http://[::1]:8001"
    )

    assert [part.url for part in parts_of(settings) if part.port] == [
        "http://[::1]:8001",
        "http://127.0.0.1:8003",
        "http://127.0.0.1:8004",
        "http://127.0.0.1:8005",
        "http://127.0.0.1:8006",
        "http://127.0.0.1:8000",
    ]


async def test_x1_a_part_that_cannot_be_started_leaves_no_descriptor_behind() -> None:
    """X1: it is tried again each second, and each time one went: what was short for a moment was so for ever."""
    process, (soft, hard) = psutil.Process(), resource.getrlimit(resource.RLIMIT_NOFILE)
    part = StackProcess("users", "127.0.0.1", 1)
    filling: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (process.num_fds() + 32, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                filling.append(os.dup(0))
        for _ in range(2):  # enough for a pipe, and for no process
            os.close(filling.pop())
        for _ in range(3):
            with pytest.raises(OSError, match="Too many open files"):
                await start(part, lambda _, __: None)
        again = [os.dup(0), os.dup(0)]  # as many as before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in filling:
            os.close(one)
    for one in again:
        os.close(one)


def test_documents_alone_need_the_gateway_alone() -> None:
    """DOCS_ONLY: nothing behind it is asked, so that nothing behind it runs."""
    assert [part.name for part in parts_of(Settings(docs_only=True))] == ["gateway"]


async def test_an_index_that_cannot_be_read_is_built_before_anything_starts(tmp_path: Path) -> None:
    """Of another format, torn or gone: a gateway over it would be ready and answer 503."""
    settings = Settings(search_dir=tmp_path / "index", search_etl_state=tmp_path / "state.json")
    writer = TantivyWriter(settings.search_dir, INDICES)
    versions = [await writer.create(index) for index in INDICES]
    for index, version in zip(INDICES, versions, strict=True):
        await writer.commit(version)
        await writer.switch(index.name, version)
    await writer.aclose()
    found = [await has_index(settings)]

    settings.search_etl_state.write_text("{}")
    found.append(await has_index(settings))
    (settings.search_dir / versions[0] / "format").write_text("0 of long ago")
    found.append(await has_index(settings))
    rmtree(settings.search_dir)
    found.append(await has_index(settings))

    assert found == [False, True, False, False]


async def test_documents_alone_need_no_database(tmp_path: Path) -> None:
    """DOCS_ONLY: no file is made."""
    settings = Settings(docs_only=True, database_url=f"sqlite+aiosqlite:///{tmp_path}/cinema.db")

    await prepare(settings)

    assert not (tmp_path / "cinema.db").exists()


def test_a_terminal_is_shown_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing a newcomer sees says what to open next."""
    monkeypatch.setenv("COLUMNS", "140")
    gateway = StackProcess("gateway", "127.0.0.1", 8000, "GATEWAY_PORT", "/health/ready")
    users = StackProcess("users", "127.0.0.1", 8001, "GATEWAY_USERS_URL", "/health")

    states = {"gateway": "ready", "users": "not ready, started again"}
    shown = table_of(gateway, [users], states, "cinema runs")

    assert "cinema runs" in shown
    assert "not ready, started again" in shown

    assert "http://127.0.0.1:8001" in shown
    assert "curl http://127.0.0.1:8000/api/profile/user123" in shown
    assert "curl 'http://127.0.0.1:8000/api/v1/films/search?query=star'" in shown


def test_the_etl_runs_beside_the_services_and_listens_nowhere() -> None:
    """Contract 14: as its own process, always; stopped after the gateway, as the services are."""
    *_, etl, gateway = parts_of(Settings())

    assert (etl.name, etl.port, etl.words) == ("etl", 0, ("etl", "--watch"))
    assert gateway.name == "gateway"


async def test_late_are_all_that_do_not_answer_200_to_what_they_are_asked() -> None:
    """F5: asked at one moment; one that answers 503, talks nonsense, hangs up or is not there is late."""

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(answers[asked[-1].split()[1]])
        writer.close()

    asked: list[bytes] = []
    answers = {
        b"/health": b"HTTP/1.1 200 OK\r\n\r\n",
        b"/503": b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
        b"/nonsense": b"x" * 70_000,
        b"/nothing": b"",
    }
    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    parts = [StackProcess(path.decode(), "127.0.0.1", port, ready=path.decode()) for path in answers]
    async with server:
        names = [
            part.name
            for part in await late(
                [*parts, StackProcess("gone", "127.0.0.1", free_port()), StackProcess("etl")]
            )
        ]

    assert names == ["/503", "/nonsense", "/nothing", "gone"]
