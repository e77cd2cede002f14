"""Fixtures for the platform: an empty catalogue on each kind of database."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cinema.database import Database, engine, open_database
from cinema.database.migrate import migrate
from tests.kinds import kinds


@pytest.fixture(scope="session", autouse=True)
def patient() -> Iterator[None]:
    """Wait longer for databases: on a machine with other things to do a connection takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_CONNECT_SECONDS", 30.0)
        patch.setattr(engine, "_BUSY_SECONDS", 30.0)
        yield


@pytest.fixture(params=kinds("sqlite", "postgres"))
def catalogue_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'cinema.db'}"
    return str(request.getfixturevalue("database_url"))


@pytest.fixture
async def catalogue(catalogue_url: str) -> AsyncIterator[Database]:
    """Open it, with its tables."""
    opened = open_database(catalogue_url)
    await opened.write(migrate)
    yield opened
    await opened.close()
