"""Sorts and joins what may not fit in memory: in a temporary SQLite file, which is removed when the audit ends."""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_ROWS = 1_000


class Scratch:
    """The tables of one audit. Results are streamed, never held whole.

    Args:
        schema: SQL statements that create the tables.
    """

    def __init__(self, schema: str) -> None:
        # Without a name, SQLite uses a temporary file, and keeps only its cache in memory.
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {schema}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")

    def rows(self, query: str, *values: float | str) -> Iterator[tuple[Any, ...]]:
        cursor = self._connection.execute(query, values)
        while batch := cursor.fetchmany(_ROWS):
            yield from batch

    def run(self, statement: str) -> None:
        self._connection.execute(statement)


def batches(many: Iterable[T], size: int) -> Iterator[list[T]]:
    """All items, `size` at a time."""
    left = iter(many)
    while batch := list(islice(left, size)):
        yield batch
