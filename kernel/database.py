"""One service's database: SQLite by default, PostgreSQL by URL; the same SQL for both."""

import sqlite3
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError, ProgrammingError

_ALEMBIC = Path(__file__).with_name("migrations")
_HELD_BY_OTHERS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_MIGRATION_LOCK = 7_233_001  # any number, the same for every process
_MIGRATING = threading.Lock()
_CONNECT_SECONDS = 10
_CLOCK_TICK_SECONDS = 0.05  # of the times of files, with a margin


class Storage(Protocol):
    """The part of a database that most code needs."""

    @property
    def is_sqlite(self) -> bool: ...

    def begin(self) -> AbstractContextManager[Connection]:
        """One transaction."""
        ...

    def alone(self, change: Callable[[Connection], object]) -> None:
        """Run `change` in one transaction, while no other process runs one."""
        ...


class Database:
    """Connections to one database, and its transactions.

    Args:
        url: an SQLAlchemy URL; `postgresql://` means the psycopg driver.
        connections: the most PostgreSQL connections; SQLite always has one, since it has one writer.
        for_reading: transactions are read-only and block no writer, and the schema is not migrated; a missing SQLite
            file raises FileNotFoundError.
    """

    def __init__(self, url: str, connections: int = 5, *, for_reading: bool = False) -> None:
        self.url = make_url(url)
        self._for_reading = for_reading
        if for_reading and self.is_sqlite and not Path(self.url.database or "").exists():
            raise FileNotFoundError(f"there is no {self.url.database}")
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        if self.is_sqlite:
            self.engine = self._sqlite("BEGIN" if for_reading else "BEGIN IMMEDIATE")
        else:
            options: dict[str, Any] = {"isolation_level": "REPEATABLE READ"} if for_reading else {}
            options["connect_args"] = {"connect_timeout": self.url.query.get("connect_timeout", _CONNECT_SECONDS)}
            self.engine = create_engine(
                self.url, pool_size=connections, max_overflow=0, hide_parameters=True, **options
            )
        event.listen(self.engine, "handle_error", _without_values)

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    def _sqlite(self, begin: str) -> Engine:
        if self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        # Threads queue for the one connection here, which is fairer and cheaper than SQLite's busy polling.
        engine = create_engine(
            self.url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=60, hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back by an exception."""
        with self.engine.begin() as tx:
            yield tx

    def stamp(self) -> Hashable | None:
        """A value that changes with every commit, of any process; None if only a query shows that.

        It is the time and size of SQLite's write-ahead log.
        """
        if not self.is_sqlite or not self.url.database:
            return None
        try:
            stat = Path(f"{self.url.database}-wal").stat()
        except OSError:
            return None
        if abs(time.time() - stat.st_mtime) < _CLOCK_TICK_SECONDS:
            return None  # another commit within the same tick would leave the same time
        return stat.st_mtime_ns, stat.st_size

    def migrate(self, versions: Path) -> None:
        """Upgrade the schema to the newest Alembic version in this folder. Concurrent processes take turns."""
        newest = max(file.name for file in versions.glob("[0-9]*.py")).partition("_")[0]
        if self._for_reading or self._revision() == newest:
            return
        # Imported here: it is slow, and most commands find their databases up to date.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_ALEMBIC))
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", str(versions))

        def upgrade(tx: Connection) -> None:
            with _MIGRATING:  # Alembic keeps its context in a module, so threads take turns
                config.attributes["connection"] = tx
                command.upgrade(config, "head")

        self.alone(upgrade)

    def _revision(self) -> str | None:
        try:
            with self.begin() as tx:
                revision: str | None = tx.scalar(text("SELECT version_num FROM alembic_version"))
        except (OperationalError, ProgrammingError):  # a new database; an unusable one fails again soon
            return None
        return revision

    def alone(self, change: Callable[[Connection], object]) -> None:
        """Run `change` in one transaction, while no other process runs one. Does nothing if `for_reading`."""
        if self._for_reading:
            return
        with self.begin() as tx:
            if not self.is_sqlite:
                tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            change(tx)

    def close(self) -> None:
        self.engine.dispose()


def _without_values(context: ExceptionContext) -> None:
    """Remove a row's values from an error, since errors are logged and stored.

    PostgreSQL puts them in the lines after the first, such as
    `DETAIL: Failing row contains (ord-1, A. Customer, 1 Street, ...)`.
    """
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            error.args = (str(error.args[0]).partition("\n")[0], *error.args[1:])


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin a deferred transaction, and late: the engine's begin event does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout = 30000")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")  # money: a commit survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: sqlite3.Connection) -> None:
    # This pragma ignores the busy timeout if another process writes to a new file at the same moment.
    deadline = time.monotonic() + 30
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _HELD_BY_OTHERS or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
