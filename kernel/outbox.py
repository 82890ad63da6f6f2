"""The transactional outbox: an event is written where its effect is, in the same transaction; the relay takes it on.

A row is deleted once its event is on the bus, so the table is as long as what is still to be published.
"""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
)

from kernel.envelope import CloudEvent, cloud_event

metadata = MetaData()

outbox = Table(
    "outbox",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", String(200), nullable=False, unique=True),
    Column("type", String(50), nullable=False),
    Column("correlation", String(64), nullable=False),
    Column("causation", String(200), nullable=False),
    Column("style", String(20), nullable=False),
    Column("data", Text, nullable=False, comment="JSON"),
    Column("occurred_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    sqlite_autoincrement=True,  # a position is never used again: it is the event's sequence
)

_OLDEST = select(outbox).order_by(outbox.c.position).limit(bindparam("limit"))
_DELETE = delete(outbox).where(outbox.c.position == bindparam("sent"))
_INSERT = insert(outbox)


def write(
    tx: Connection,
    *,
    event_id: str,
    type: str,
    correlation: str,
    causation: str,
    style: str,
    data: str,
    occurred_at: int,
) -> None:
    """Publish with the transaction: if it commits, and only then. `data` is JSON; `occurred_at` in milliseconds."""
    row = {"event_id": event_id, "type": type, "correlation": correlation, "causation": causation, "style": style}
    tx.execute(_INSERT, row | {"data": data, "occurred_at": occurred_at})


def oldest(tx: Connection, source: str, limit: int) -> tuple[list[int], list[CloudEvent]]:
    """The events that were written first, as they go on the bus, with the positions to `forget` them by."""
    rows = tx.execute(_OLDEST, {"limit": limit}).all()
    return [row.position for row in rows], [_event(source, row) for row in rows]


def forget(tx: Connection, positions: list[int]) -> None:
    tx.execute(_DELETE, [{"sent": position} for position in positions])


def _event(source: str, row: Any) -> CloudEvent:
    return cloud_event(
        row.type,
        json.loads(row.data),
        event_id=row.event_id,
        source=source,
        correlation=row.correlation,
        causation=row.causation,
        style=row.style,
        at=datetime.fromtimestamp(row.occurred_at / 1000, UTC),
        sequence=row.position,
    )
