"""The order as placed, so that its saga can be started again; and the sequence of flags."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    placed = sa.Column("placed", sa.Text, comment="what the customer gave, as JSON; null before release 0.2")
    op.add_column("orders", placed)
    op.add_column(
        "orders",
        sa.Column("flag_sequence", sa.BigInteger, nullable=False, server_default="0", comment="of the latest flag"),
    )
