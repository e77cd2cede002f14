"""A bulk load that the server ends, or whose rows it refuses, on PostgreSQL's COPY."""

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from cinema.data.rows import Row, Rows
from cinema.database import Database, DatabaseUnavailable, open_database
from cinema.database.bulk import fill, quiet
from cinema.database.migrate import migrate

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Database]:
    found = open_database(database_url, 1)
    await found.write(migrate)
    yield found
    await found.close()


def person(key: str) -> Row:
    return (key, "Somebody", NOW, NOW)


def load(connection: Connection, limit: str) -> int:
    """Load persons in two portions, the second of them too late."""

    def portions() -> Iterator[Rows]:
        yield Rows("person", [person(str(uuid4()))])
        connection.exec_driver_sql(f"SET LOCAL {limit}")
        time.sleep(0.1)
        yield Rows("person", [person(str(uuid4())) for _ in range(2_000)])

    with quiet(connection):
        return fill(connection, portions())


@pytest.mark.parametrize("limit", ["idle_in_transaction_session_timeout = 1", "statement_timeout = 1"])
async def test_f3_a_load_that_the_server_ends_is_an_outage(opened: Database, limit: str) -> None:
    """F3: COPY goes past SQLAlchemy; what the driver said there ended commands with a traceback."""
    with pytest.raises(DatabaseUnavailable):
        await opened.write(partial(load, limit=limit))

    count = text("SELECT count(*) FROM content.person")
    assert await opened.read(lambda connection: connection.execute(count).scalar_one()) == 0


async def test_t15_rows_that_the_server_refuses_are_not_shown(opened: Database) -> None:
    """T15: they are data; the table is named."""
    rows = Rows("person", [person("3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff")] * 2)

    with pytest.raises(DBAPIError) as caught:
        await opened.write(partial(fill, portions=[rows]))

    assert "COPY person" in str(caught.value)
