"""Events: the outbox, the inbox, and how often an operation was asked for again."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "operations",
        sa.Column("repeats", sa.Integer, nullable=False, server_default="0", comment="requests after the first"),
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(200), nullable=False, unique=True),
        sa.Column("type", sa.String(50), nullable=False),
        sa.Column("correlation", sa.String(64), nullable=False),
        sa.Column("causation", sa.String(200), nullable=False),
        sa.Column("style", sa.String(20), nullable=False),
        sa.Column("data", sa.Text, nullable=False, comment="JSON"),
        sa.Column("occurred_at", sa.BigInteger, nullable=False, comment="milliseconds since 1970"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.String(200), primary_key=True),
        sa.Column("correlation", sa.String(64), nullable=False),
        sa.Column("type", sa.String(50), nullable=False),
        sa.Column("data", sa.Text, nullable=False, comment="JSON"),
        sa.Column("occurred_at", sa.BigInteger, nullable=False, comment="milliseconds since 1970"),
        sa.Column("repeats", sa.Integer, nullable=False, comment="deliveries after the first"),
    )
    op.create_index("ix_inbox_correlation", "inbox", ["correlation"])
