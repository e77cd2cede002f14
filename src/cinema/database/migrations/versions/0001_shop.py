"""Create the tables of the shop: users, orders and their items, products.

A revision names its columns itself and never imports `tables`: those go on changing, history does not.
`content` is translated away on SQLite by the connection.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SCHEMA = "content"


def upgrade() -> None:
    """Create the tables."""
    instant = sa.Text() if op.get_bind().dialect.name == "sqlite" else sa.DateTime(timezone=True)
    money = sa.Numeric(12, 2)
    op.create_table(
        "user",
        sa.Column("id", sa.Text),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("full_name", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        schema=SCHEMA,
    )
    op.create_table(
        "order",
        sa.Column("id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("total_amount", money, nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_order"),
        schema=SCHEMA,
    )
    op.create_index("ix_order_user_id", "order", ["user_id", "created_at", "id"], schema=SCHEMA)
    op.create_table(
        "order_item",
        sa.Column("order_id", sa.Text),
        sa.Column("position", sa.Integer, autoincrement=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("price", money, nullable=False),
        sa.PrimaryKeyConstraint("order_id", "position", name="pk_order_item"),
        sa.ForeignKeyConstraint(
            ["order_id"], [f"{SCHEMA}.order.id"], name="fk_order_item_order_id", ondelete="CASCADE"
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "product",
        sa.Column("id", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("price", money, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("stock_quantity", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_product"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("product", "order_item", "order", "user"):
        op.drop_table(name, schema=SCHEMA)
