"""What was settled outside after an order was completed, such as a goodwill refund made at the card processor."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("orders", sa.Column("adjusted", sa.Text, comment="JSON; null if nothing was settled outside"))
