"""The first schema."""

import sqlalchemy as sa
from alembic import op

from kernel.migrations.versions import create_operations_0001

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_operations_0001()
    op.create_table(
        "shipments",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("tracking_number", sa.String(64), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, comment="booked or cancelled"),
    )
