"""The log of deliveries: the endpoint, time and outcome of each attempt, one row per attempt, without event data."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

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
    delete,
    insert,
    select,
)

from kernel.contracts import Contract
from kernel.database import Storage
from kernel.envelope import CloudEvent

_KEPT_SECONDS = 30 * 86_400
_PRUNED_EVERY = 500  # rows

metadata = MetaData()

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("endpoint", String(40), nullable=False),
    Column("event_id", String(200), nullable=False),
    Column("order_id", String(64), nullable=False),
    Column("type", String(50), nullable=False),
    Column("at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Column("took", Integer, nullable=False, comment="milliseconds"),
    Column("outcome", Text, nullable=False, comment="empty: accepted; else why it was not"),
    Index("ix_deliveries_order", "order_id"),
)


class Delivery(Contract):
    """One attempt; `problem` is empty if the endpoint accepted the event. `took` is in seconds."""

    endpoint: str
    event_id: str
    order_id: str
    type: str
    at: datetime
    took: float
    problem: str


def make(tx: Connection) -> None:
    metadata.create_all(tx)


def note(tx: Connection, endpoint: str, event: CloudEvent, began: float, outcome: str = "") -> None:
    """Record an attempt that began then, in seconds since 1970, and has just ended."""
    now = time.time()
    row: dict[str, Any] = {
        "endpoint": endpoint,
        "event_id": event.id,
        "order_id": event.correlationid,
        "type": event.type,
    }
    row |= {"at": int(began * 1000), "took": int((now - began) * 1000), "outcome": outcome[:500]}
    number = tx.execute(insert(deliveries), row).inserted_primary_key
    if number and number[0] % _PRUNED_EVERY == 0:
        tx.execute(delete(deliveries).where(deliveries.c.at < int((now - _KEPT_SECONDS) * 1000)))


def newest(
    database: Storage, limit: int, *, endpoint: str = "", order: str = "", failed: bool = False
) -> Sequence[Delivery]:
    """The newest attempts first: to this endpoint, about this order, or only failed ones."""
    query = select(deliveries).order_by(deliveries.c.number.desc()).limit(limit)
    if endpoint:
        query = query.where(deliveries.c.endpoint == endpoint)
    if order:
        query = query.where(deliveries.c.order_id == order)
    if failed:
        query = query.where(deliveries.c.outcome != "")
    with database.begin() as tx:
        return [
            Delivery(
                endpoint=row.endpoint,
                event_id=row.event_id,
                order_id=row.order_id,
                type=row.type,
                at=datetime.fromtimestamp(row.at / 1000, UTC),
                took=row.took / 1000,
                problem=row.outcome,
            )
            for row in tx.execute(query)
        ]
