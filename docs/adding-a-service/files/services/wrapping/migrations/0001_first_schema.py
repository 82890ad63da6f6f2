"""The first schema."""

import sqlalchemy as sa
from alembic import op

from kernel.migrations.versions import add_events_0002, create_operations_0001, keep_what_is_published_0003

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_operations_0001()
    add_events_0002()
    keep_what_is_published_0003()
    op.create_table(
        "wrappings",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("pieces", sa.Integer, nullable=False),
    )
