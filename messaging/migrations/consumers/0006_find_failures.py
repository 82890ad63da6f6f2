"""The failures of a state or of an order are found without reading the discarded ones, which are kept."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("ix_failures_state", "failures", ["state", "consumer", "partition"])
    op.create_index("ix_failures_correlation", "failures", ["correlation"])
