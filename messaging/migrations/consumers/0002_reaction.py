"""Which of its consumer's reactions failed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "failures",
        sa.Column(
            "reaction",
            sa.String(200),
            nullable=False,
            server_default="",
            comment="the id of the reaction that failed; empty when the consumer has only one, or it is not known",
        ),
    )
