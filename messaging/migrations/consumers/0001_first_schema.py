"""The first schema; made if it is not there, since release 0.1 made it without migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "positions",
        sa.Column("consumer", sa.String(100), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column(
            "position", sa.BigInteger, nullable=False, comment="everything up to here is handled, or a dead letter"
        ),
        if_not_exists=True,
    )
    op.create_table(
        "failures",
        sa.Column("consumer", sa.String(100), primary_key=True),
        sa.Column("event_id", sa.String(200), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("correlation", sa.String(64), nullable=False),
        sa.Column("event", sa.Text, nullable=False, comment="CloudEvents JSON"),
        sa.Column("state", sa.String(10), nullable=False, comment="retrying, dead, requeued or discarded"),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("first_failed_at", sa.Float, nullable=False, comment="seconds since 1970"),
        if_not_exists=True,
    )
