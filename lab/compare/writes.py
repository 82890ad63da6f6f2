"""Counts the rows that are written to a run's databases: by triggers, in the transactions of the writes themselves.

So what is rolled back does not count, what was committed before a crash does, and nothing is counted twice.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_NOT_THE_SHOPS = ("faults.db", "temporal.db")
_VERBS = ("INSERT", "UPDATE", "DELETE")
_TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' "
    "AND name NOT IN ('rows_written', 'alembic_version')"
)


def begin_counting(folder: Path) -> None:
    """Install the triggers in all databases of the folder, after their migrations."""
    for file in _databases(folder):
        with _writing(file) as tx:
            tx.execute("CREATE TABLE rows_written (number INTEGER NOT NULL)")
            tx.execute("INSERT INTO rows_written VALUES (0)")
            for (table,) in tx.execute(_TABLES).fetchall():
                for verb in _VERBS:
                    after = f'CREATE TRIGGER "count_{verb}_{table}" AFTER {verb} ON "{table}"'
                    tx.execute(f"{after} BEGIN UPDATE rows_written SET number = number + 1; END")  # noqa: S608 - DDL takes no parameters; the names come from the schema


def rows_written(folder: Path) -> dict[str, int]:
    """Rows inserted, updated and deleted since then, by database."""
    counted = {}
    for file in _databases(folder):
        with closing(sqlite3.connect(file)) as connection:
            counted[file.stem] = int(connection.execute("SELECT number FROM rows_written").fetchone()[0])
    return counted


def _databases(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.db") if file.name not in _NOT_THE_SHOPS)


@contextmanager
def _writing(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
