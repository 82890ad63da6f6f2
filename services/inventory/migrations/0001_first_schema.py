"""The first schema."""

import sqlalchemy as sa
from alembic import op

from kernel.migrations.versions import create_operations_0001

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_operations_0001()
    op.create_table(
        "stock",
        sa.Column("sku", sa.String(100), primary_key=True),
        sa.Column("received", sa.Integer, nullable=False),
        sa.Column("on_hand", sa.Integer, nullable=False),
        sa.CheckConstraint("on_hand >= 0", name="ck_stock_on_hand"),
    )
    op.create_table(
        "reservations",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("sku", sa.String(100), primary_key=True),
        sa.Column("quantity", sa.Integer, nullable=False),
    )
