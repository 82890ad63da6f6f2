"""Which log a position belongs to, and the last event that was read of it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for column in (
        sa.Column("log", sa.String(64), nullable=False, server_default="", comment="empty: not known yet"),
        sa.Column("last_read", sa.BigInteger, nullable=False, server_default="0", comment="its position; 0: none"),
        sa.Column("last_event", sa.String(200), nullable=False, server_default="", comment="its id"),
    ):
        op.add_column("positions", column)
