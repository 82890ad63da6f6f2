"""Each order's policy (its time limits), so that the audit sees which is in progress for too long."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    policy = sa.Column("policy", sa.Text, comment="JSON; null if it has none of its own, and before release 0.2")
    op.add_column("orders", policy)
