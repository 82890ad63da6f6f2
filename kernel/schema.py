"""What the migrations of all services do alike, each with a version of its own."""

import sqlalchemy as sa
from alembic import op


def keep_what_is_published() -> None:
    """The outbox keeps its rows once they are on the bus, and the inbox how an event came: both can be sent again."""
    published_at = sa.Column(
        "published_at", sa.BigInteger, comment="milliseconds since 1970; null until it is on the bus"
    )
    op.add_column("outbox", published_at)
    waiting = sa.text("published_at IS NULL")
    op.create_index("ix_outbox_waiting", "outbox", ["position"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_index("ix_outbox_correlation", "outbox", ["correlation"])
    op.add_column("inbox", sa.Column("envelope", sa.Text, comment="JSON without data; null before release 0.2"))
