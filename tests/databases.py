"""Fresh databases for one test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from kernel.database import Database

_SERVICES = Path(__file__).parent.parent / "services"


def migrations_of(service: str) -> Path:
    return _SERVICES / service / "migrations"


class Databases:
    """A test's databases, of one kind, each made when it is first asked for by name."""

    def __init__(self, make: Callable[[str], str]) -> None:
        self._make = make
        self._urls: dict[str, str] = {}
        self._open: list[Database] = []
        self._migrated: set[str] = set()

    def url(self, name: str) -> str:
        if name not in self._urls:
            self._urls[name] = self._make(name)
        return self._urls[name]

    def open(self, name: str) -> Database:
        """Connections to it. Asked twice, they are another process's: nothing is shared but the database."""
        database = Database(self.url(name))
        self._open.append(database)
        return database

    def migrated(self, service: str) -> Database:
        database = self.open(service)
        if service not in self._migrated or not database.url.database:  # each one in memory is new
            database.migrate(migrations_of(service))
            self._migrated.add(service)
        return database

    def close(self) -> None:
        for database in self._open:
            database.close()


def rows(database: Database, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    """What a bookkeeper sees: the table's rows, of these columns, in their order."""
    wanted = [table.c[column] for column in columns]
    with database.begin() as tx:
        return [tuple(row) for row in tx.execute(select(*wanted).order_by(*wanted))]
