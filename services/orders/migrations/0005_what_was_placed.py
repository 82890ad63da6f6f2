"""What was placed is kept as it came, so that its saga can be started again; and flags have an order."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "orders",
        sa.Column("placed", sa.Text, nullable=False, server_default="", comment="JSON; empty before release 0.2"),
    )
    op.add_column(
        "orders",
        sa.Column("flag_sequence", sa.BigInteger, nullable=False, server_default="0", comment="of the latest flag"),
    )
