"""What is newer than a given time is found without reading what is older."""

from kernel.migrations.versions import find_by_time_0004

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    find_by_time_0004()
