"""A small catalogue on each kind of database, and an ETL into memory."""

from pathlib import Path

import pytest

from cinema.database import Database
from tests.cinema.etl.sources import Bench, plant


@pytest.fixture
async def bench(catalogue_url: str, catalogue: Database, tmp_path: Path) -> Bench:
    """Give an ETL over four films; its index does not exist yet."""
    await catalogue.write(plant)
    return Bench(catalogue, tmp_path / "etl", catalogue_url)
