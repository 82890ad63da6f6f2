"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "operations",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("request", sa.String(64), nullable=False, comment="digest of the first command"),
        sa.Column("answer", sa.Text, nullable=False, comment="the first reply as JSON, or the refusal's text"),
        sa.Column("refusal", sa.String(50), nullable=False, comment="the refusal's name, or empty"),
        sa.Column("recorded_at", sa.BigInteger, nullable=False, comment="milliseconds since 1970"),
    )
    op.create_table(
        "shipments",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("tracking_number", sa.String(64), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, comment="booked or cancelled"),
    )
