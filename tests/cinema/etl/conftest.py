"""A small catalogue on each kind of database, and an ETL into memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cinema.database import Database
from tests.cinema.etl.sources import Bench, plant
from tests.cinema.etl.unlogged import foreign


@pytest.fixture
async def bench(catalogue_url: str, catalogue: Database, tmp_path: Path) -> Bench:
    """Give an ETL over four films; its index does not exist yet."""
    await catalogue.write(plant)
    return Bench(catalogue, tmp_path / "etl", catalogue_url)


@pytest.fixture
async def foreign_bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a foreign SQLite, whose moments are whatever was put there, all indexed."""
    foreign_bench = await foreign(f"sqlite+aiosqlite:///{tmp_path}/foreign.db", tmp_path / "etl", "text")
    await foreign_bench.run()
    yield foreign_bench
    await foreign_bench.database.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a foreign source of each kind, all indexed."""
    here = request.param == "sqlite"
    url = f"sqlite+aiosqlite:///{tmp_path}/foreign.db" if here else request.getfixturevalue("database_url")
    foreign_bench = await foreign(url, tmp_path / "etl", "text" if here else "timestamptz")
    await foreign_bench.run()
    yield foreign_bench
    await foreign_bench.database.close()
