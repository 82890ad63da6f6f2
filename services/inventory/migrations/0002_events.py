"""Events: the outbox, the inbox, and how often an operation was repeated."""

from kernel.migrations.versions import add_events_0002

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    add_events_0002()
