"""Declare the tables, once for SQLite and PostgreSQL.

Money is numeric in the database and a float in Python: amounts have two digits and are only shown.
Instants are aware and in UTC; SQLite keeps them as text of one width, so that text order is time order.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

__all__ = ["SCHEMA", "Instant", "metadata", "order", "order_item", "product", "user"]

SCHEMA = "content"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    },
)


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
        moment = value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:
        """Read a moment in UTC."""
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


def _money() -> Numeric[float]:
    return Numeric(12, 2, asdecimal=False)


user = Table(
    "user",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("full_name", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
)

order = Table(
    "order",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("total_amount", _money(), nullable=False),
    Column("created_at", Instant, nullable=False),
    # Ordered within the user, so that a profile's orders come sorted out of the index.
    Index("ix_order_user_id", "user_id", "created_at", "id"),
)

order_item = Table(
    "order_item",
    metadata,
    Column("order_id", Text, ForeignKey(order.c.id, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("product_id", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price", _money(), nullable=False),
)

product = Table(
    "product",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("price", _money(), nullable=False),
    Column("category", Text, nullable=False),
    Column("stock_quantity", Integer, nullable=False),
)
