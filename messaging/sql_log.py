"""The bus as one growing SQL table: for one machine (SQLite), or for all that reach one PostgreSQL server."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    bindparam,
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
from messaging.changes import Changes
from messaging.sql_reader import PAUSE_SECONDS, SqlReader, Tail
from messaging.unreadable import entry

T = TypeVar("T")

_IDLE_PAUSE_SECONDS = 0.1
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
_TEXTS = (log.c.event, log.c.correlation, log.c.type)


class SqlLog:
    def __init__(self, database: Database) -> None:
        self._database = database
        # SQLite stores any bytes as text, and its driver fails a whole query when some are not UTF-8.
        texts = [cast(one, LargeBinary) if database.is_sqlite else one for one in _TEXTS]
        self._in_order = select(log.c.position, log.c.partition, *texts).order_by(log.c.position)
        self._later = self._in_order.where(log.c.position > bindparam("after")).limit(bindparam("limit"))
        self._changes = Changes(database, PAUSE_SECONDS, _IDLE_PAUSE_SECONDS)
        self._tail = Tail(self, self._changes)

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
        self._changes.nudge()

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
        return SqlReader(self, self._tail, partition, after)

    async def of(self, correlation: str) -> list[Recorded]:
        return readable(await self.entries_of(correlation))

    async def entries_of(self, correlation: str) -> list[Entry]:
        return await self._entries(self._in_order.where(log.c.correlation == correlation), {})

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

    async def after(self, position: int, limit: int, partition: int | None = None) -> list[Entry]:
        """The entries after this position, in one partition, or in all; at most `limit`. Raises BusDown."""
        query = self._later if partition is None else self._later.where(log.c.partition == partition)
        return await self._entries(query, {"after": position, "limit": limit})

    async def _entries(self, query: Select[Any], values: dict[str, int]) -> list[Entry]:
        rows = await self._in_thread(lambda tx: tx.execute(query, values).all())
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


def _bytes(stored: bytes | str) -> bytes:
    return stored if isinstance(stored, bytes) else stored.encode()


def _text(stored: bytes | str) -> str:
    return stored.decode(errors="replace") if isinstance(stored, bytes) else stored


def _state(tx: Connection) -> LogState:
    # Two queries: SQLite uses the index for a minimum or a maximum only when a query asks for just one of them.
    first, head = tx.scalar(select(func.min(log.c.position))), tx.scalar(select(func.max(log.c.position))) or 0
    return LogState(tx.scalars(select(identity.c.id)).one(), first or head + 1, head)
