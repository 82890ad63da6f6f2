"""Migrations of empty databases: Alembic runs each folder's once, and the next database takes the same statements.

A run of the tests makes thousands of databases, and Alembic loads and compiles all migrations for each of them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from sqlalchemy import Connection, event, inspect

Upgrade = Callable[[Config, str], None]


class Statements:
    """Those by which an empty database of a kind became one of the newest version."""

    def __init__(self, upgrade: Upgrade) -> None:
        self._upgrade = upgrade
        self._of: dict[tuple[str, str | None], list[str] | None] = {}

    def upgrade(self, config: Config, revision: str) -> None:
        tx: Connection = config.attributes["connection"]
        kind = tx.dialect.name, config.get_main_option("version_locations")
        if inspect(tx).get_table_names():
            self._upgrade(config, revision)
        elif known := self._of.get(kind):
            for statement in known:
                tx.exec_driver_sql(statement)
        else:
            with _recorded(tx) as statements:
                self._upgrade(config, revision)
            self._of[kind] = None if any(values for _, values in statements) else [sql for sql, _ in statements]


@contextmanager
def _recorded(tx: Connection) -> Iterator[list[tuple[str, Any]]]:
    """With the values that were bound: those of another database would be others, such as a log's identity."""
    statements: list[tuple[str, Any]] = []

    def add(_tx: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            statements.append((statement, parameters))

    event.listen(tx, "before_cursor_execute", add)
    try:
        yield statements
    finally:
        event.remove(tx, "before_cursor_execute", add)
