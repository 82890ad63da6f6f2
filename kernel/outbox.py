"""The transactional outbox: an event is written in the transaction of its effect, and the relay publishes it.

Rows are kept after publication, so that the events can be published again if the bus is lost.
"""

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    insert,
    select,
    text,
    update,
)

from kernel.envelope import CloudEvent, cloud_event
from kernel.environment import one_line

_log = logging.getLogger(__name__)

metadata = MetaData()

_waiting = text("published_at IS NULL")

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
    Column("published_at", BigInteger, comment="milliseconds since 1970; null: waits; 0: set aside"),
    Index("ix_outbox_waiting", "position", sqlite_where=_waiting, postgresql_where=_waiting),  # the relay polls often
    Index("ix_outbox_correlation", "correlation"),
    Index("ix_outbox_occurred_at", "occurred_at"),
    sqlite_autoincrement=True,  # a position is the event's sequence, so it is never reused
)

is_waiting = outbox.c.published_at.is_(None)
_is_published = outbox.c.published_at > 0

_OLDEST = select(outbox).where(is_waiting).order_by(outbox.c.position).limit(bindparam("limit"))
_PUBLISHED = update(outbox).where(outbox.c.position == bindparam("sent")).values(published_at=bindparam("now"))
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
    """Publish the event if, and only if, the transaction commits.

    Args:
        data: JSON.
        occurred_at: in milliseconds since 1970.
    """
    row = {"event_id": event_id, "type": type, "correlation": correlation, "causation": causation, "style": style}
    tx.execute(_INSERT, row | {"data": data, "occurred_at": occurred_at})


def oldest(tx: Connection, source: str, limit: int) -> tuple[list[int], list[CloudEvent]]:
    """The oldest events that wait for publication, with their positions for `published`."""
    rows = tx.execute(_OLDEST, {"limit": limit}).all()
    return [row.position for row in rows], [event_of(source, row) for row in rows]


def published(tx: Connection, positions: list[int]) -> None:
    """Record that the events at these positions are on the bus."""
    now = int(time.time() * 1000)
    tx.execute(_PUBLISHED, [{"sent": position, "now": now} for position in positions])


def set_aside(tx: Connection, position: int) -> None:
    """Skip an event that the bus refuses or that is damaged, so that the others are published. The relay records it."""
    tx.execute(_PUBLISHED, {"sent": position, "now": 0})


def newest_published(tx: Connection, source: str) -> CloudEvent | None:
    """The newest event that is on the bus."""
    row = tx.execute(select(outbox).where(_is_published).order_by(outbox.c.position.desc()).limit(1)).one_or_none()
    return event_of(source, row) if row else None


def all_published(tx: Connection, source: str, *, correlation: str = "", since: int = 0) -> Iterator[CloudEvent]:
    """All published events, by position: of this order, from this time on (milliseconds since 1970)."""
    query = select(outbox).where(_is_published, outbox.c.occurred_at >= since).order_by(outbox.c.position)
    if correlation:
        query = query.where(outbox.c.correlation == correlation)
    for row in tx.execution_options(yield_per=500).execute(query):
        try:
            yield event_of(source, row)
        except (ValueError, ArithmeticError) as error:  # damaged: it was never published, and must not stop the others
            _log.error("row %d of the outbox of %s is not a valid event: %s", row.position, source, one_line(error))


def oldest_as_text(tx: Connection) -> tuple[int, str, str]:
    """The oldest waiting row, if it is damaged: its position, its order, and the whole row as JSON."""
    row = tx.execute(_OLDEST, {"limit": 1}).one()
    return row.position, str(row.correlation), json.dumps(dict(row._mapping), default=str)


def event_of(source: str, row: Row[Any]) -> CloudEvent:
    """The row's event. Raises ValueError or ArithmeticError if the row is damaged."""
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
