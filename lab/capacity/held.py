"""Measures in a worker how long each database and the bus are held, and can hold a database longer.

The seconds of a transaction count from the moment when it has its lock: SQLite's writer, or the lock of the log on
PostgreSQL. They end when the connection returns to its pool.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import URL, Connection, Engine, Pool, event

from kernel.envelope import CloudEvent
from messaging.nats.log import NatsLog

LOG = "bus"  # the database of the log in SQL
APPEND = "append to NATS: "

_WRITE_SECONDS = 0.25
_TAKES_ITS_LOCK = ("BEGIN IMMEDIATE", "SELECT pg_advisory_xact_lock")


@dataclass
class Total:
    """`writing` is how many of the times something was written: transactions, or events appended."""

    times: int = 0
    writing: int = 0
    seconds: float = 0


Totals = dict[str, Total]


class Held:
    """The totals of this process, by database and by appending service.

    Args:
        slow: seconds that each writing transaction holds a database longer; of the log, for each event.
    """

    def __init__(self, slow: dict[str, float]) -> None:
        self._slow = slow
        self._totals: defaultdict[str, Total] = defaultdict(Total)
        self._lock = threading.Lock()

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure every engine, and NATS, of this process, for the block."""
        listeners: Sequence[tuple[type, str, Callable[..., None]]] = (
            (Engine, "begin", self._begun),
            (Engine, "after_cursor_execute", self._executed),
            (Engine, "commit", self._commits),
            (Pool, "checkin", self._returned),
        )
        append = NatsLog.append

        async def timed(log: NatsLog, events: Sequence[CloudEvent]) -> None:
            began = time.perf_counter()
            await append(log, events)
            self._add(APPEND + events[0].source.strip("/"), len(events), time.perf_counter() - began)

        for listener in listeners:
            event.listen(*listener)
        try:
            with patch.object(NatsLog, append.__name__, timed):  # the product has no hook here, and needs none
                yield
        finally:
            for listener in listeners:
                event.remove(*listener)

    def totals(self) -> Totals:
        with self._lock:
            return {name: replace(total) for name, total in self._totals.items()}

    def keep_writing(self, file: Path) -> None:
        """Write the totals to this file again and again, in a thread."""
        threading.Thread(target=self._write, args=[file], daemon=True).start()

    def _write(self, file: Path) -> None:
        new = file.with_suffix(".new")
        while True:
            new.write_text(json.dumps({name: asdict(total) for name, total in self.totals().items()}))
            new.replace(file)
            time.sleep(_WRITE_SECONDS)

    def _begun(self, connection: Connection) -> None:
        connection.info.update(held_since=time.perf_counter(), held=_name(connection.engine.url), rows=0)

    def _executed(self, connection: Connection, cursor: Any, statement: str, *_more: object) -> None:
        if statement.startswith(_TAKES_ITS_LOCK):
            connection.info["held_since"] = time.perf_counter()
        elif statement.startswith(("INSERT", "UPDATE", "DELETE")):
            connection.info["rows"] = connection.info.get("rows", 0) + max(1, cursor.rowcount)

    def _commits(self, connection: Connection) -> None:
        name, rows = connection.info.get("held"), connection.info.get("rows", 0)
        if rows and name in self._slow:
            time.sleep(self._slow[name] * (rows if name == LOG else 1))

    def _returned(self, _connection: object, record: Any) -> None:
        since = record.info.pop("held_since", None)
        if since is not None:
            self._add(record.info["held"], int(record.info["rows"] > 0), time.perf_counter() - since)

    def _add(self, name: str, writing: int, seconds: float) -> None:
        with self._lock:
            total = self._totals[name]
            total.times += 1
            total.writing += writing
            total.seconds += seconds


def read(file: Path) -> Totals:
    """The totals that a worker has written last."""
    return {name: Total(**total) for name, total in json.loads(file.read_text()).items()}


def since(before: Totals, after: Totals) -> Totals:
    none = Total()
    return {
        name: Total(
            now.times - before.get(name, none).times,
            now.writing - before.get(name, none).writing,
            now.seconds - before.get(name, none).seconds,
        )
        for name, now in after.items()
    }


def _name(url: URL) -> str:
    """The database's name in the settings; a subscriber's schema in PostgreSQL."""
    options = str(url.query.get("options", ""))
    return options.rpartition("search_path=")[2] if "search_path=" in options else Path(url.database or "").stem
