"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text, TypeDecorator, Uuid
from sqlalchemy.types import TypeEngine

__all__ = ["Id", "Instant", "Serial", "instant_text"]

Serial = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows by itself for INTEGER only


def instant_text(moment: datetime) -> str:
    """Return an aware moment as text of one width, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class Id(TypeDecorator[str]):
    """Keep a UUID in its hyphenated form in lower case: uuid on PostgreSQL, text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Choose the column's type in this database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(Uuid(as_uuid=False))


class Instant(TypeDecorator[datetime]):
    """Keep a moment: timestamptz on PostgreSQL, RFC 3339 text in UTC on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime] | TypeEngine[str]:
        """Choose the column's type in this database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Write an aware moment in UTC."""
        if value is None:
            return None
        return instant_text(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:
        """Read a moment in UTC."""
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        # asyncpg keeps the first and the last moment as -infinity and infinity, and returns them without a zone.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
