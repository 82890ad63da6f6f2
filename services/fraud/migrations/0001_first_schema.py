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
        "screenings",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("customer_id", sa.String(100), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("decision", sa.String(20), nullable=False, comment="empty until a person or the deadline decides"),
        sa.Column("screened_at", sa.BigInteger, nullable=False, comment="milliseconds since 1970"),
    )
    op.create_index("ix_screenings_velocity", "screenings", ["customer_id", "screened_at"])
    op.create_index("ix_screenings_country", "screenings", ["customer_id", "country"])
