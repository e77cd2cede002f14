"""Keep the names of pictures that a sweep has taken: one that is removed leaves the outbox, and stays taken."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

SCHEMA = "content"


def upgrade() -> None:
    """Create the table."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "media_taken",
        sa.Column("image_name", sa.Text),
        sa.Column("taken_at", sa.Text() if on_sqlite else sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("image_name", name="pk_media_taken"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("media_taken", schema=SCHEMA)
