"""The tables that every service has, one function for each revision of the services.

Never change a function: existing databases were made by it. Add one, with the next revision's number.
"""

import sqlalchemy as sa
from alembic import op


def create_operations_0001() -> None:
    op.create_table(
        "operations",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("request", sa.String(64), nullable=False, comment="digest of the first command"),
        sa.Column("answer", sa.Text, nullable=False, comment="the first reply as JSON, or the refusal's text"),
        sa.Column("refusal", sa.String(50), nullable=False, comment="the refusal's name, or empty"),
        sa.Column("recorded_at", sa.BigInteger, nullable=False, comment="milliseconds since 1970"),
    )


def add_events_0002() -> None:
    """The outbox, the inbox, and how often an operation was repeated."""
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


def keep_what_is_published_0003() -> None:
    """The outbox keeps published rows, and the inbox keeps envelopes, so that both can be published again."""
    published_at = sa.Column(
        "published_at", sa.BigInteger, comment="milliseconds since 1970; null: waits; 0: set aside"
    )
    op.add_column("outbox", published_at)
    waiting = sa.text("published_at IS NULL")
    op.create_index("ix_outbox_waiting", "outbox", ["position"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_index("ix_outbox_correlation", "outbox", ["correlation"])
    op.add_column("inbox", sa.Column("envelope", sa.Text, comment="JSON without data; null before release 0.2"))


def find_by_time_0004() -> None:
    """What is newer than a given time is found without reading what is older."""
    op.create_index("ix_operations_recorded_at", "operations", ["recorded_at"])
    op.create_index("ix_outbox_occurred_at", "outbox", ["occurred_at"])
    op.create_index("ix_inbox_occurred_at", "inbox", ["occurred_at", "event_id"])
