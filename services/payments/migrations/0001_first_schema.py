"""The first schema."""

import sqlalchemy as sa
from alembic import op

from kernel.migrations.versions import create_operations_0001

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_operations_0001()
    op.create_table(
        "payments",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("charge_id", sa.String(64), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("refunded", sa.BigInteger, nullable=False),
    )
