"""A process that dies where it commits: before, so that nothing is kept, or after, so that nobody learns of it.

A death is an exception that no code catches. Whatever was committed stays; the process goes on in no thread.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from kernel.database import Database

_WRITES = ("INSERT", "UPDATE", "DELETE")


# For whom the process is at what, and how many commits it has made of that, by database.
_work: ContextVar[tuple[str, str, Counter[str]] | None] = ContextVar("work", default=None)


class Died(BaseException):
    """The process is gone."""


class When(StrEnum):
    BEFORE = "before"
    AFTER = "after"


Reached = Callable[[str, When], None]


@contextmanager
def at_every_commit(reached: Reached) -> Iterator[None]:
    """Call `reached` before and after each transaction that writes, with the database's name; it may raise Died."""
    begin = Database.begin

    @contextmanager
    def watched(database: Database) -> Iterator[Connection]:
        name = Path(database.url.database or "").stem
        with begin(database) as tx:
            tx.info["wrote"] = False
            yield tx
            wrote = tx.info["wrote"]
            if wrote:
                reached(name, When.BEFORE)
        if wrote:
            reached(name, When.AFTER)

    def note(tx: Connection, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.lstrip().upper().startswith(_WRITES):
            tx.info["wrote"] = True

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Database, "begin", watched)
            yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@dataclass(frozen=True)
class Point:
    """A commit on an order's way: of the work that the process was at, the `number`th that wrote to this database."""

    work: str
    database: str
    number: int
    when: When

    def __str__(self) -> str:
        return f"{self.when} commit {self.number} of {self.work} in {self.database}"


class Deaths:
    """Where the process dies, by order; each death is died once.

    Attributes:
        seen: the points that each order has come to, in their order, each once.
        died: how often the process did.
    """

    def __init__(self, planned: Mapping[str, Sequence[Point]]) -> None:
        self._planned = {order_id: list(points) for order_id, points in planned.items()}
        self.seen: defaultdict[str, dict[Point, None]] = defaultdict(dict)
        self.died = 0

    @contextmanager
    def at(self, order_id: str, work: str) -> Iterator[None]:
        """What the process does meanwhile is this work, for this order."""
        token = _work.set((order_id, work, Counter()))
        try:
            yield
        finally:
            _work.reset(token)

    def reached(self, database: str, when: When) -> None:
        at = _work.get()
        if at is None:
            return
        order_id, work, commits = at
        commits[database] += when is When.BEFORE
        point = Point(work, database, commits[database], when)
        self.seen[order_id].setdefault(point)
        planned = self._planned.get(order_id)
        if planned and planned[0] == point:
            del planned[0]
            self.died += 1
            raise Died

    def left(self) -> dict[str, list[Point]]:
        """The points that nobody came to."""
        return {order_id: points for order_id, points in self._planned.items() if points}
