"""Create the tables of the memes: pictures with a title, what is to be removed, and what was answered to a key."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

SCHEMA = "content"


def upgrade() -> None:
    """Create the tables."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    instant = sa.Text() if on_sqlite else sa.DateTime(timezone=True)
    op.create_table(
        "meme",
        sa.Column("id", sa.Text() if on_sqlite else sa.Uuid(as_uuid=False)),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("description", sa.String(1_000), nullable=False),
        sa.Column("image_name", sa.Text, nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_meme"),
        sa.UniqueConstraint("image_name", name="uq_meme_image_name"),
        schema=SCHEMA,
    )
    newest_first = [sa.text("created_at DESC"), sa.text("id DESC")]
    op.create_index("ix_meme_created_at", "meme", newest_first, schema=SCHEMA)
    op.create_table(
        "media_cleanup",
        sa.Column("image_name", sa.Text),
        sa.Column("due_at", instant, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("image_name", name="pk_media_cleanup"),
        schema=SCHEMA,
    )
    op.create_index("ix_media_cleanup_due_at", "media_cleanup", ["due_at"], schema=SCHEMA)
    op.create_table(
        "meme_key",
        sa.Column("key", sa.Text),
        sa.Column("route", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("expires_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("key", "route", "subject", name="pk_meme_key"),
        schema=SCHEMA,
    )
    op.create_index("ix_meme_key_expires_at", "meme_key", ["expires_at"], schema=SCHEMA)


def downgrade() -> None:
    """Drop the tables."""
    for name in ("meme_key", "media_cleanup", "meme"):
        op.drop_table(name, schema=SCHEMA)
