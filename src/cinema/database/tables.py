"""Declare the tables, once for SQLite and PostgreSQL.

Money is numeric in the database and a float in Python: amounts have two digits and are only shown.
Instants are aware and in UTC; SQLite keeps them as text of one width, so that text order is time order.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cinema.database.columns import Id, Instant, Serial

__all__ = [
    "SCHEMA",
    "change_log",
    "change_log_mark",
    "change_log_pruned",
    "film_work",
    "genre",
    "genre_film_work",
    "media_cleanup",
    "media_taken",
    "meme",
    "meme_key",
    "metadata",
    "order",
    "order_item",
    "person",
    "person_film_work",
    "product",
    "user",
]

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

film_work = Table(
    "film_work",
    metadata,
    Column("id", Id, primary_key=True),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("creation_date", Date, index=True),
    Column("rating", Double),
    Column("type", Text, nullable=False),
    Column("certificate", Text),
    Column("file_path", Text),
    Column("created", Instant, nullable=False),
    Column("modified", Instant, nullable=False),
    Index("ix_film_work_modified", "modified", "id"),
)

genre = Table(
    "genre",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text),
    Column("created", Instant, nullable=False),
    Column("modified", Instant, nullable=False),
    Index("ix_genre_modified", "modified", "id"),
)

person = Table(
    "person",
    metadata,
    Column("id", Id, primary_key=True),
    Column("full_name", Text, nullable=False),
    Column("created", Instant, nullable=False),
    Column("modified", Instant, nullable=False),
    Index("ix_person_modified", "modified", "id"),
)

# The unique constraints are the indexes from a film to its ends; the others lead back.
genre_film_work = Table(
    "genre_film_work",
    metadata,
    Column("id", Id, primary_key=True),
    Column("genre_id", Id, ForeignKey(genre.c.id, ondelete="CASCADE"), nullable=False),
    Column("film_work_id", Id, ForeignKey(film_work.c.id, ondelete="CASCADE"), nullable=False),
    Column("created", Instant, nullable=False),
    UniqueConstraint("film_work_id", "genre_id"),
    Index("ix_genre_film_work_genre_id", "genre_id", "film_work_id"),
)

person_film_work = Table(
    "person_film_work",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person_id", Id, ForeignKey(person.c.id, ondelete="CASCADE"), nullable=False),
    Column("film_work_id", Id, ForeignKey(film_work.c.id, ondelete="CASCADE"), nullable=False),
    Column("role", Text, nullable=False),
    Column("created", Instant, nullable=False),
    UniqueConstraint("film_work_id", "person_id", "role"),
    Index("ix_person_film_work_person_id", "person_id", "film_work_id", "role"),
)

# Filled by triggers; PostgreSQL has a further column, `tx`: see revision 0002 and `cinema.etl.changes`.
change_log = Table(
    "change_log",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("entity", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("op", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

# How far each reader of the log has come, and when it said so; `tx` is PostgreSQL's, and 0 on SQLite.
change_log_mark = Table(
    "change_log_mark",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("marked_at", Instant, nullable=False),
    Column("tx", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
)

# Up to where rows of the log have been taken away: one row, or none.
change_log_pruned = Table(
    "change_log_pruned",
    metadata,
    Column("tx", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
)

meme = Table(
    "meme",
    metadata,
    Column("id", Id, primary_key=True),
    Column("title", String(100), nullable=False),
    Column("description", String(1_000), nullable=False),
    Column("image_name", Text, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
)
Index("ix_meme_created_at", meme.c.created_at.desc(), meme.c.id.desc())

# Pictures that are to be removed, and when to try (again): see `cinema.services.memes.changes`.
media_cleanup = Table(
    "media_cleanup",
    metadata,
    Column("image_name", Text, primary_key=True),
    Column("due_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Index("ix_media_cleanup_due_at", "due_at"),
)

# Pictures that a sweep has taken, and when; also after they are gone: see `cinema.services.memes.changes`.
media_taken = Table(
    "media_taken",
    metadata,
    Column("image_name", Text, primary_key=True),
    Column("taken_at", Instant, nullable=False),
)

# What was answered to a write that named a key: see `cinema.services.memes.keys`.
meme_key = Table(
    "meme_key",
    metadata,
    Column("key", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_meme_key_expires_at", "expires_at"),
)
