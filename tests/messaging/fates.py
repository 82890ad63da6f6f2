"""What may happen to a log behind its readers' backs: it is lost, restored from an older backup, or truncated."""

import shutil
from pathlib import Path
from typing import Protocol

import nats
from sqlalchemy import text

from lab.servers.nats import NatsServer
from messaging.bus import Bus
from messaging.nats.log import NatsLog
from messaging.sql_log import SqlLog
from tests.databases import Databases
from tests.messaging.conftest import Log, sql_log

STREAM = "ORDERS"


class Fate(Protocol):
    log: Log

    async def lose(self) -> None:
        """Whoever opens it next makes another one."""

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


class NatsFate:
    """A server of its own, whose folder may be copied."""

    def __init__(self, server: NatsServer, folder: Path, backup: Path) -> None:
        self._server = server
        self._folder = folder
        self._backup = backup
        self.log = Log(self._connect)

    def _connect(self) -> Bus:
        return NatsLog(self._server.url, STREAM)

    async def lose(self) -> None:
        async with await nats.connect(self._server.url) as operator:
            await operator.jsm().delete_stream(STREAM)

    async def back_up(self) -> None:
        self._server.stop()
        shutil.copytree(self._folder, self._backup)
        self._server.start()

    async def restore(self) -> None:
        self._server.stop()
        shutil.rmtree(self._folder)
        shutil.copytree(self._backup, self._folder)
        self._server.start()

    async def truncate(self, up_to: int) -> None:
        async with await nats.connect(self._server.url) as operator:
            info = await operator.jsm().stream_info(STREAM)
            for limit in (info.state.last_seq - up_to, -1):
                await operator.jsm().update_stream(info.config, max_msgs=limit)
