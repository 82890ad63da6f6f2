"""What was published is kept, so that it can be published again."""

from kernel.migrations.versions import keep_what_is_published_0003

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    keep_what_is_published_0003()
