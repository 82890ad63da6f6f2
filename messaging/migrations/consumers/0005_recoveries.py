"""What failed before it was handled stays on record, so that an order's retries can be shown afterwards."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "recoveries",
        sa.Column("consumer", sa.String(100), primary_key=True),
        sa.Column("event_id", sa.String(200), primary_key=True),
        sa.Column("correlation", sa.String(64), nullable=False),
        sa.Column("event", sa.Text, nullable=False, comment="as in failures"),
        sa.Column("reaction", sa.String(200), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, comment="that failed"),
        sa.Column("error", sa.Text, nullable=False, comment="of the last one"),
        sa.Column("first_failed_at", sa.Float, nullable=False, comment="seconds since 1970"),
        sa.Column("recovered_at", sa.Float, nullable=False, comment="seconds since 1970"),
    )
    op.create_index("recoveries_of_order", "recoveries", ["correlation"])
