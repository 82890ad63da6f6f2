"""The newest orders, those of a status, and those that need a person are found without reading the others."""

import sqlalchemy as sa
from alembic import op

from kernel.migrations.versions import find_by_time_0004

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    find_by_time_0004()
    is_flagged = sa.text("problem <> ''")
    op.create_index("ix_orders_placed_at", "orders", ["style", "placed_at"])
    op.create_index("ix_orders_status", "orders", ["status", "style", "placed_at"])
    op.create_index(
        "ix_orders_flagged", "orders", ["style", "placed_at"], sqlite_where=is_flagged, postgresql_where=is_flagged
    )
