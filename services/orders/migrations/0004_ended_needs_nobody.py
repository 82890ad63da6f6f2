"""Remove problems that were flagged after a choreographed order had ended: it needs no operator."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("UPDATE orders SET problem = '' WHERE status <> 'in-progress' AND style = 'choreography'")
