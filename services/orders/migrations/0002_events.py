"""Events: the outbox, the inbox, and how often an operation was repeated."""

import sqlalchemy as sa
from alembic import op

from kernel.migrations.versions import add_events_0002

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    add_events_0002()
    op.add_column(
        "orders",
        sa.Column(
            "style",
            sa.String(20),
            nullable=False,
            server_default="orchestration",
            comment="who decides what happens next to it",
        ),
    )
