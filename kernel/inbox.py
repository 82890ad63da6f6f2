"""The inbox: what a consumer has heard, on record in the transaction of what it did about it.

Rows are never deleted, so an id is known for longer than any redelivery or replay can take.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

from kernel.database import Storage
from kernel.envelope import CloudEvent

metadata = MetaData()

inbox = Table(
    "inbox",
    metadata,
    Column("event_id", String(200), primary_key=True),
    Column("correlation", String(64), nullable=False),
    Column("type", String(50), nullable=False),
    Column("data", Text, nullable=False, comment="JSON"),
    Column("occurred_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Column("repeats", Integer, nullable=False, comment="deliveries after the first"),
    Index("ix_inbox_correlation", "correlation"),
)

_OF_ORDER = (
    select(inbox.c.event_id, inbox.c.type, inbox.c.data)
    .where(inbox.c.correlation == bindparam("correlation"))
    .order_by(inbox.c.occurred_at)
)
_REPEATED = update(inbox).where(inbox.c.event_id == bindparam("known")).values(repeats=inbox.c.repeats + 1)
_INSERT = insert(inbox)


class Known(NamedTuple):
    """An event that is on record."""

    type: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """What was heard about one order, oldest first, and whether this very event is among it."""

    already: bool
    events: list[Known]


def heard(tx: Connection, event: CloudEvent) -> Heard:
    """What was heard of the event's order before. A repeat is counted."""
    rows = tx.execute(_OF_ORDER, {"correlation": event.correlationid}).all()
    already = any(row.event_id == event.id for row in rows)
    if already:
        tx.execute(_REPEATED, {"known": event.id})
    return Heard(already, [Known(row.type, json.loads(row.data)) for row in rows])


def once(database: Storage, event: CloudEvent, effect: Callable[[Connection], None]) -> bool:
    """Run `effect` and note the event in one transaction, unless it was heard before; whether it ran."""
    with database.begin() as tx:
        if tx.execute(_REPEATED, {"known": event.id}).rowcount:
            return False
        effect(tx)
        record(tx, event)
        return True


def knows(tx: Connection, event: CloudEvent) -> bool:
    """Whether the event is on record."""
    return tx.scalar(select(inbox.c.event_id).where(inbox.c.event_id == event.id)) is not None


def note(tx: Connection, event: CloudEvent) -> None:
    """Note that the event was heard, unless that is on record."""
    if not knows(tx, event):
        record(tx, event)


def record(tx: Connection, event: CloudEvent) -> None:
    """Note that the event was heard. An IntegrityError is another delivery of it at this very moment."""
    row = {"event_id": event.id, "correlation": event.correlationid, "type": event.type}
    occurred_at = int(event.time.timestamp() * 1000)
    tx.execute(_INSERT, row | {"data": json.dumps(event.data), "occurred_at": occurred_at, "repeats": 0})
