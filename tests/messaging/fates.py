"""What may happen to a log behind its readers' backs: it is lost, restored from an older backup, or truncated."""

from typing import Protocol

from sqlalchemy import text

from messaging.sql_log import SqlLog
from tests.databases import Databases
from tests.messaging.conftest import Log, sql_log


class Fate(Protocol):
    log: Log

    async def lose(self) -> None:
        """The process that opens it next makes another one."""

    async def back_up(self) -> None: ...

    async def restore(self) -> None:
        """As it was when it was backed up; it is written on from there."""

    async def truncate(self, up_to: int) -> None:
        """As a retention policy does it, which does not ask who has read."""


class SqlFate:
    def __init__(self, databases: Databases) -> None:
        self.log = sql_log(databases)
        self._database = databases.open("events")
        self._backed_up = 0

    async def lose(self) -> None:
        self._run("DROP TABLE events", "DROP TABLE log_identity", "DROP TABLE alembic_version")
        SqlLog(self._database).open()

    async def back_up(self) -> None:
        with self._database.begin() as tx:
            self._backed_up = tx.execute(text("SELECT max(position) FROM events")).scalar_one()

    async def restore(self) -> None:
        sqlite = f"UPDATE sqlite_sequence SET seq = {self._backed_up} WHERE name = 'events'"
        postgresql = f"SELECT setval('events_position_seq', {self._backed_up})"
        self._run(
            f"DELETE FROM events WHERE position > {self._backed_up}",
            sqlite if self._database.is_sqlite else postgresql,
        )

    async def truncate(self, up_to: int) -> None:
        self._run(f"DELETE FROM events WHERE position <= {up_to}")

    def _run(self, *statements: str) -> None:
        with self._database.begin() as tx:
            for statement in statements:
                tx.execute(text(statement))
