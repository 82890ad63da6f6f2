"""Which log this is: a new one, in the place of one that was lost, has another identity."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    identity = op.create_table(
        "log_identity", sa.Column("id", sa.String(32), primary_key=True, comment="one row: this log's own")
    )
    op.bulk_insert(identity, [{"id": uuid.uuid4().hex}])
