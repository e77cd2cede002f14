"""Fixtures for tests on real processes."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.live.platform import prepare, seeded
from tests.live.redis_process import Process, until
from tests.servers import Server


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the address of a SQLite database with the demo data; nobody writes to it."""
    return seeded(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a SQLite database with a thousand films in it, to be copied."""
    folder = tmp_path_factory.mktemp("films")
    prepare(f"sqlite+aiosqlite:///{folder}/cinema.db", folder, films=1_000)
    return folder / "cinema.db"


@pytest.fixture(scope="session")
def deep() -> bool:
    """Tell whether loads shall be as long and as large as the acceptance list has them: DEEP=1."""
    return os.environ.get("DEEP") == "1"


@pytest.fixture
async def process(valkey: Server) -> AsyncIterator[Process]:
    """Give a process whose store is up on a server of its own."""
    made = Process(valkey.url)
    await made.store.start()
    await until(lambda: made.far.up)
    yield made
    await made.store.aclose()
