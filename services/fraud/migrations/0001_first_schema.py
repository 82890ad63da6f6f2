"""The first schema."""

import sqlalchemy as sa
from alembic import op

from kernel.migrations.versions import create_operations_0001

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_operations_0001()
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
