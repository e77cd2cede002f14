"""The meme service over each kind of database, with a media service in memory behind it."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, delete

from cinema.database import open_database
from cinema.database.migrate import migrate
from cinema.database.tables import media_cleanup, media_taken, meme, meme_key
from cinema.services.memes import app as memes_app
from cinema.settings import Settings
from tests import servers
from tests.cinema.services.asking import Asker, started
from tests.cinema.services.memes.media import MediaStand, listening
from tests.kinds import kinds
from tests.servers import Server

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)


def prepare(url: str, work: Callable[[Connection], object] = migrate) -> str:
    async def preparing() -> None:
        database = open_database(url, 1)
        await database.write(work)
        await database.close()

    asyncio.run(preparing())
    return url


@pytest.fixture(scope="session")
def memes_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address an SQLite file with its tables."""
    return prepare(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('memes') / 'cinema.db'}")


@pytest.fixture(scope="session")
def memes_postgres_url(postgres_server: Server) -> str:
    """Address a PostgreSQL database with its tables."""
    return prepare(servers.create_database(postgres_server, "memes"))


def empty(connection: Connection) -> None:
    for table in (meme, media_cleanup, media_taken, meme_key):
        connection.execute(delete(table))


@pytest.fixture(params=kinds("sqlite", "postgres"))
def memes_url(request: pytest.FixtureRequest) -> str:
    """Address a database of each kind, without memes."""
    if request.param == "postgres":
        request.getfixturevalue("postgres")  # it is up, whatever a test before did
    return prepare(request.getfixturevalue(f"memes_{request.param}_url"), empty)


@pytest.fixture
async def media() -> MediaStand:
    """Give the media service."""
    return MediaStand(token="secret")


@pytest.fixture
async def media_url(media: MediaStand) -> AsyncIterator[str]:
    """Address it."""
    async with listening(media) as url:
        yield url


@pytest.fixture
async def memes(memes_url: str, media_url: str, log: io.BytesIO) -> AsyncIterator[Asker]:
    """Ask the meme service."""
    settings = Settings(
        database_url=memes_url,
        media_url=media_url,
        media_token="secret",
        gateway_upload_timeout_s=30,
        memes=0,
    )
    async with started(memes_app.build(settings, stream=log)) as asker:
        yield asker
