"""The first schema; made if it is not there, since release 0.1 made it without migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(200), nullable=False, unique=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("correlation", sa.String(64), nullable=False),
        sa.Column("type", sa.String(50), nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False, comment="milliseconds since 1970"),
        sa.Column("event", sa.Text, nullable=False, comment="CloudEvents JSON"),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_partition", "events", ["partition", "position"], if_not_exists=True)
    op.create_index("ix_events_correlation", "events", ["correlation", "position"], if_not_exists=True)
    op.create_index("ix_events_recorded_at", "events", ["recorded_at"], if_not_exists=True)
