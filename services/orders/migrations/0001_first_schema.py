"""The first schema."""

import sqlalchemy as sa
from alembic import op

from kernel.migrations.versions import create_operations_0001

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_operations_0001()
    op.create_table(
        "products",
        sa.Column("sku", sa.String(100), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("unit_price", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("customer_id", sa.String(100), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False, comment="why it was rejected or cancelled"),
        sa.Column("problem", sa.Text, nullable=False, comment="what an operator must settle; empty when nothing"),
        sa.Column("settled", sa.Text, nullable=False, comment="what an operator settled by hand"),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("ship_to", sa.Text, nullable=False, comment="JSON"),
        sa.Column("placed_at", sa.BigInteger, nullable=False, comment="milliseconds since 1970"),
    )
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("sku", sa.String(100), primary_key=True),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_price", sa.BigInteger, nullable=False),
    )
