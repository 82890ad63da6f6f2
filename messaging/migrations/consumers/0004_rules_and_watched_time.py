"""The rules that a position was made with; and time as it was watched, since the clock on the wall may step."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "positions",
        sa.Column("rules", sa.Text, nullable=False, server_default="", comment="JSON; empty: not known yet"),
    )
    op.add_column(
        "failures",
        sa.Column("tried_seconds", sa.Float, nullable=False, server_default="0", comment="for how long it was tried"),
    )
    op.create_table(
        "watches",
        sa.Column("name", sa.String(50), primary_key=True),
        sa.Column("seconds", sa.Float, nullable=False, comment="that were watched in all"),
    )
    op.create_table(
        "watched",
        sa.Column("name", sa.String(50), primary_key=True),
        sa.Column("thing", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(200), nullable=False),
        sa.Column("since", sa.Float, nullable=False, comment="by its watch"),
    )
