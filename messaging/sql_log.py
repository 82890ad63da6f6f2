"""The bus as one growing SQL table: for one machine (SQLite), or for all that reach one PostgreSQL server."""

import asyncio
import bisect
import itertools
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    cast,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kernel.database import Database
from kernel.envelope import CloudEvent
from messaging.bus import BusDown, Entry, LogState, Reader, Recorded, partition_of, readable
from messaging.unreadable import entry

T = TypeVar("T")

_POLL_SECONDS = 0.01
_IDLE_POLL_SECONDS = 0.1
_BATCH = 500
_REMEMBERED = 1_000
_APPEND_LOCK = 7_233_002  # any number, the same for every process

_MIGRATIONS = Path(__file__).with_name("migrations") / "bus"

metadata = MetaData()

log = Table(
    "events",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", String(200), nullable=False, unique=True),
    Column("partition", Integer, nullable=False),
    Column("correlation", String(64), nullable=False),
    Column("type", String(50), nullable=False),
    Column("recorded_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Column("event", Text, nullable=False, comment="CloudEvents JSON"),
    Index("ix_events_partition", "partition", "position"),
    Index("ix_events_correlation", "correlation", "position"),
    Index("ix_events_recorded_at", "recorded_at"),
    sqlite_autoincrement=True,
)
identity = Table(
    "log_identity", metadata, Column("id", String(32), primary_key=True, comment="one row: this log's own")
)


_INSERT = insert(log)  # built once: building a statement costs more than running it


class SqlLog:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._tail = _Tail(self)

    def open(self) -> None:
        """Bring the table up to date."""
        self._database.migrate(_MIGRATIONS)

    async def append(self, events: Sequence[CloudEvent]) -> None:
        rows = [
            {
                "event_id": event.id,
                "partition": partition_of(event.correlationid),
                "correlation": event.correlationid,
                "type": event.type,
                "event": event.model_dump_json(),
            }
            for event in events
        ]
        await self._in_thread(lambda tx: self._append(tx, rows))

    def _append(self, tx: Connection, rows: list[dict[str, Any]]) -> None:
        if not self._database.is_sqlite:
            # Positions must become visible in order, or a reader would skip an event that commits late.
            tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _APPEND_LOCK})
        recorded_at = int(time.time() * 1000)  # read under the lock, so that it grows with the positions
        ids = [row["event_id"] for row in rows]
        known = set(tx.scalars(select(log.c.event_id).where(log.c.event_id.in_(ids))))
        new = {row["event_id"]: row | {"recorded_at": recorded_at} for row in reversed(rows)}  # the first of each id
        fresh = [new[event_id] for event_id in dict.fromkeys(ids) if event_id not in known]
        if fresh:
            tx.execute(_INSERT, fresh)

    async def read(self, partition: int | None, after: int) -> Reader:
        return _SqlReader(self, self._tail, partition, after)

    async def of(self, correlation: str) -> list[Recorded]:
        return readable(await self.entries_of(correlation))

    async def entries_of(self, correlation: str) -> list[Entry]:
        return await self.select(log.c.correlation == correlation)

    async def head(self) -> int:
        return await self._in_thread(lambda tx: tx.scalar(select(func.max(log.c.position))) or 0)

    async def state(self) -> LogState:
        return await self._in_thread(_state)

    async def id_at(self, position: int) -> str | None:
        query = select(log.c.event_id).where(log.c.position == position)
        return await self._in_thread(lambda tx: tx.scalar(query))

    async def before(self, moment: datetime) -> int:
        at = int(moment.timestamp() * 1000)
        # The clock may have stepped: rather return some events too many than miss one.
        first = select(func.min(log.c.position)).where(log.c.recorded_at >= at)
        position = await self._in_thread(lambda tx: tx.scalar(first))
        return await self.head() if position is None else position - 1

    async def close(self) -> None:
        """The caller that opened the database closes it."""
        await self._tail.close()

    async def select(self, condition: ColumnElement[bool], limit: int | None = None) -> list[Entry]:
        # SQLite stores any bytes as text, and its driver fails a whole query when some are not UTF-8.
        texts = [cast(one, LargeBinary) if self._database.is_sqlite else one for one in _TEXTS]
        query = select(log.c.position, log.c.partition, *texts).where(condition).order_by(log.c.position).limit(limit)
        rows = await self._in_thread(lambda tx: tx.execute(query).all())
        return [
            entry(_bytes(event), position=position, partition=partition, correlation=_text(order), type=_text(kind))
            for position, partition, event, order, kind in rows
        ]

    async def _in_thread(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._database.begin() as tx:
                return work(tx)

        working = asyncio.ensure_future(asyncio.to_thread(run))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            await asyncio.wait([working])  # a thread cannot be cancelled, and its connection is still in use
            raise
        except SQLAlchemyError as error:
            why = error.orig if isinstance(error, DBAPIError) else error  # without the statement and its values
            raise BusDown(f"the log cannot be used: {' '.join(str(why).split())}") from error


_TEXTS = (log.c.event, log.c.correlation, log.c.type)


def _bytes(stored: bytes | str) -> bytes:
    return stored if isinstance(stored, bytes) else stored.encode()


def _text(stored: bytes | str) -> str:
    return stored.decode(errors="replace") if isinstance(stored, bytes) else stored


def _state(tx: Connection) -> LogState:
    # Two queries: SQLite uses the index for a minimum or a maximum only when a query asks for just one of them.
    first, head = tx.scalar(select(func.min(log.c.position))), tx.scalar(select(func.max(log.c.position))) or 0
    return LogState(tx.scalars(select(identity.c.id)).one(), first or head + 1, head)


class _Tail:
    """The newest events, read once for all readers of this process that are up to date."""

    def __init__(self, log: SqlLog) -> None:
        self._log = log
        self._recent: list[Entry] = []
        self._pause = _POLL_SECONDS
        self._asking: asyncio.Task[None] | None = None
        # Everything recorded after `start` and up to `end` is in `_recent`.
        self.start: int | None = None
        self.end = 0

    def after(self, position: int, partition: int | None, limit: int) -> list[Entry]:
        first = bisect.bisect_right(self._recent, position, key=_position)
        of_partition = (
            one
            for one in itertools.islice(self._recent, first, None)
            if partition is None or one.partition == partition
        )
        return list(itertools.islice(of_partition, limit))

    async def news(self, after: int, wait: float) -> None:
        """Wait until there is something after this position, or at most `wait` seconds. Raises BusDown."""
        deadline = time.monotonic() + wait
        while self.end <= after and (left := deadline - time.monotonic()) > 0:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
                self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
            asking = self._asking
            await asyncio.wait([asking], timeout=left)
            if asking.cancelled():
                raise BusDown("the log is closed")
            if asking.done():
                asking.result()

    async def _ask(self) -> None:
        """Poll once for all waiting readers."""
        if self.start is None:
            self.start = self.end = await self._log.head()
            return
        await asyncio.sleep(self._pause)
        events = await self._log.select(log.c.position > self.end, _BATCH)
        self._pause = _POLL_SECONDS if events else min(2 * self._pause, _IDLE_POLL_SECONDS)
        if len(events) == _BATCH:  # too many to keep: go on at the end, and let each reader query what it needs
            self._recent.clear()
            self.start = self.end = await self._log.head()
        elif events:
            self._recent += events
            self.end = events[-1].position
            if len(self._recent) > 2 * _REMEMBERED:
                self.start = self._recent[-_REMEMBERED - 1].position
                del self._recent[:-_REMEMBERED]

    async def close(self) -> None:
        if self._asking:
            self._asking.cancel()
            await asyncio.wait([self._asking])


class _SqlReader:
    def __init__(self, log: SqlLog, tail: _Tail, partition: int | None, after: int) -> None:
        self._log = log
        self._tail = tail
        self._partition = partition
        self._after = after

    async def next(self, limit: int, wait: float) -> list[Entry]:
        deadline = time.monotonic() + wait
        events = await self._read(limit, from_memory=wait > 0)
        while not events and (left := deadline - time.monotonic()) > 0:
            await self._tail.news(self._after, left)
            events = await self._read(limit, from_memory=True)
        return events

    async def _read(self, limit: int, *, from_memory: bool) -> list[Entry]:
        start = self._tail.start
        if from_memory and start is not None and self._after >= start:
            events, read_up_to = self._tail.after(self._after, self._partition, limit), self._tail.end
        else:
            condition = log.c.position > self._after
            if self._partition is not None:
                condition &= log.c.partition == self._partition
            events, read_up_to = await self._log.select(condition, limit), start or 0
        self._after = events[-1].position if events else max(self._after, read_up_to)
        return events

    async def close(self) -> None:
        """Nothing to close."""


def _position(one: Entry) -> int:
    return one.position
