"""One seeded database of each kind, and each service over both."""

import asyncio
import io
from collections.abc import AsyncIterator

import pytest

from cinema.database import open_database
from cinema.database.migrate import migrate
from cinema.seed import sow
from cinema.services.orders import app as orders_app
from cinema.services.products import app as products_app
from cinema.services.users import app as users_app
from cinema.settings import Settings
from tests import servers
from tests.cinema.services.asking import Asker, started
from tests.servers import Server


def prepare(url: str) -> str:
    async def preparing() -> None:
        database = open_database(url)
        await database.write(migrate)
        await database.write(sow)
        await database.close()

    asyncio.run(preparing())
    return url


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address a seeded SQLite file; services only read it."""
    return prepare(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('shop') / 'cinema.db'}")


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Server) -> str:
    """Address a seeded PostgreSQL database; services only read it."""
    return prepare(servers.create_database(postgres_server, "shop"))


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """Point the settings at each kind of database."""
    if request.param == "postgres":
        request.getfixturevalue("postgres")  # it is up, whatever a test before did
    return Settings(database_url=request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def log() -> io.BytesIO:
    """Keep log lines; they are all there once the service has been stopped."""
    return io.BytesIO()


@pytest.fixture
async def users(settings: Settings, log: io.BytesIO) -> AsyncIterator[Asker]:
    """Ask the user service."""
    async with started(users_app.build(settings, stream=log)) as asker:
        yield asker


@pytest.fixture
async def orders(settings: Settings, log: io.BytesIO) -> AsyncIterator[Asker]:
    """Ask the order service."""
    async with started(orders_app.build(settings, stream=log)) as asker:
        yield asker


@pytest.fixture
async def products(settings: Settings, log: io.BytesIO) -> AsyncIterator[Asker]:
    """Ask the product service."""
    async with started(products_app.build(settings, stream=log)) as asker:
        yield asker
