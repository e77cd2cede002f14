"""Bring the database to the newest version of its tables, or say that it is there already.

Revisions are numbered files in `migrations/versions`, in one line; the number is the revision's id.
That lets `is_current` compare without loading Alembic, which a start that changes nothing need not pay for.
"""

import warnings
from pathlib import Path
from typing import Literal

from sqlalchemy import Column, Connection, MetaData, Table, Text, inspect, select, text

from cinema.database.tables import SCHEMA, metadata
from cinema.faults import Fault

__all__ = [
    "contents",
    "head",
    "is_current",
    "lacks_tables",
    "migrate",
    "revision",
    "take_turn",
    "upgrade",
    "validate_not_newer",
]

_VERSION = Table("alembic_version", MetaData(schema=SCHEMA), Column("version_num", Text))  # Alembic's own
_SCRIPTS = Path(__file__).with_name("migrations")
_LOCK = 7_346_911  # any number, as long as all writers of this schema agree on it


def head() -> str:
    """Return the newest revision there is a file for."""
    return max(file.name.partition("_")[0] for file in (_SCRIPTS / "versions").glob("[0-9]*_*.py"))


def revision(connection: Connection) -> str | None:
    """Return the revision that the database stands at; None if it is none of ours, or stands at several."""
    schema = None if connection.dialect.name == "sqlite" else SCHEMA
    if not inspect(connection).has_table(_VERSION.name, schema=schema):
        return None
    found = connection.execute(select(_VERSION.c.version_num)).scalars().all()
    return found[0] if len(found) == 1 else None


def is_current(connection: Connection) -> bool:
    """Tell whether the database stands at the newest revision."""
    return revision(connection) == head()


def validate_not_newer(connection: Connection) -> None:
    """Raise `Fault` where a newer release has made the tables: there is no way back from its revision."""
    found = revision(connection)
    if found is not None and found > head():
        line = f"its tables are of a newer release ({found}; this one has {head()})"
        raise Fault(f"DATABASE_URL: {line}; run that one, or restore a backup of before")


def lacks_tables(connection: Connection) -> bool:
    """Tell whether any of cinema's tables is missing, whichever revision made the others."""
    schema = None if connection.dialect.name == "sqlite" else SCHEMA
    there = set(inspect(connection).get_table_names(schema=schema))
    return not there >= {table.name for table in metadata.tables.values()}


def contents(connection: Connection) -> Literal["empty", "another", "older", "whole"]:
    """Return what a database is: without tables, somebody else's, of another release, or as this release has it."""
    inspector = inspect(connection)
    schemas = [None] if connection.dialect.name == "sqlite" else [None, SCHEMA]
    there = {name for schema in schemas for name in inspector.get_table_names(schema=schema)}
    ours = {table.name for table in metadata.tables.values()}
    if not there:
        return "empty"
    if not there & (ours | {_VERSION.name}):
        return "another"
    return "whole" if there >= ours else "older"


def migrate(connection: Connection) -> bool:
    """Upgrade to the newest revision in the caller's transaction; tell whether there was anything to do.

    Raises:
        Fault: the tables are of a newer release.

    """
    take_turn(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    if is_current(connection):
        return False
    validate_not_newer(connection)
    upgrade(connection)
    return True


def take_turn(connection: Connection) -> None:
    """Let one transaction at a time make the tables, or fill an empty catalogue; SQLite has one writer anyway.

    Processes may be started side by side: the second waits here, and then finds nothing to do.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def upgrade(connection: Connection, to: str = "head") -> None:
    """Run Alembic up to a revision on this connection."""
    from alembic import command  # noqa: PLC0415 - costs as much as a whole start, and is needed once
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        command.upgrade(config, to)
