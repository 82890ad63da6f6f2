"""The inbox: the events that a consumer has received, recorded in the transaction of their effect.

Rows are never deleted automatically, so an event's id is known for longer than any redelivery or replay can take.
"""

import json
from collections.abc import Callable, Iterator, Sequence
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
    delete,
    insert,
    inspect,
    select,
    text,
    update,
)

from kernel.database import Storage
from kernel.envelope import CloudEvent

metadata = MetaData()

_BY_TIME = Index("ix_inbox_occurred_at", "occurred_at", "event_id")

inbox = Table(
    "inbox",
    metadata,
    Column("event_id", String(200), primary_key=True),
    Column("correlation", String(64), nullable=False),
    Column("type", String(50), nullable=False),
    Column("data", Text, nullable=False, comment="JSON"),
    Column("occurred_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Column("repeats", Integer, nullable=False, comment="deliveries after the first"),
    Column("envelope", Text, comment="JSON without data; null before release 0.2"),
    Index("ix_inbox_correlation", "correlation"),
    _BY_TIME,
)

_OF_ORDER = (
    select(inbox.c.event_id, inbox.c.type, inbox.c.data)
    .where(inbox.c.correlation == bindparam("correlation"))
    .order_by(inbox.c.occurred_at)
)
_REPEATED = update(inbox).where(inbox.c.event_id == bindparam("known")).values(repeats=inbox.c.repeats + 1)
_KNOWN = select(inbox.c.event_id).where(inbox.c.event_id.in_(bindparam("ids", expanding=True)))
_INSERT = insert(inbox)


class Known(NamedTuple):
    """A received event, as the inbox has it."""

    type: str
    data: dict[str, Any]


def make(tx: Connection) -> None:
    """Create the table in a database without migrations, or upgrade the table of an earlier release."""
    metadata.create_all(tx)
    if "envelope" not in {column["name"] for column in inspect(tx).get_columns(inbox.name)}:
        tx.execute(text("ALTER TABLE inbox ADD COLUMN envelope TEXT"))
    _BY_TIME.create(tx, checkfirst=True)


@dataclass(frozen=True)
class Received:
    """The events received for one order, oldest first, and whether the current event is among them."""

    already: bool
    events: list[Known]


def received(tx: Connection, event: CloudEvent) -> Received:
    """The events received for this event's order before. A repeated delivery is counted."""
    rows = tx.execute(_OF_ORDER, {"correlation": event.correlationid}).all()
    already = any(row.event_id == event.id for row in rows)
    if already:
        tx.execute(_REPEATED, {"known": event.id})
    return Received(already, [Known(row.type, json.loads(row.data)) for row in rows])


def once(database: Storage, event: CloudEvent, effect: Callable[[Connection], None]) -> bool:
    """Run `effect` and record the event in one transaction, unless it was received before. Returns whether it ran."""
    with database.begin() as tx:
        if repeated(tx, event):
            return False
        effect(tx)
        record(tx, event)
        return True


def receive(tx: Connection, events: Sequence[CloudEvent]) -> list[CloudEvent]:
    """Record these events. Returns those that were not received before; the others are counted as repeats.

    Raises IntegrityError if another delivery of one was recorded at the same moment.
    """
    ids = tx.scalars(_KNOWN, {"ids": [event.id for event in events]})
    seen, new, repeats = set(ids), list[CloudEvent](), list[dict[str, str]]()
    for event in events:
        if event.id in seen:
            repeats.append({"known": event.id})
        else:
            new.append(event)
            seen.add(event.id)
    if new:
        tx.execute(_INSERT, [_row(event) for event in new])
    if repeats:
        tx.execute(_REPEATED, repeats)
    return new


def repeated(tx: Connection, event: CloudEvent) -> bool:
    """Whether the event was received before. A repeated delivery is counted."""
    return tx.execute(_REPEATED, {"known": event.id}).rowcount > 0


def settle(database: Storage, event: CloudEvent) -> bool:
    """Record an event that a person has handled, so that later deliveries are repeats. Returns whether it was new."""
    return once(database, event, lambda _tx: None)


def knows(tx: Connection, event: CloudEvent) -> bool:
    """Whether the event is on record."""
    return tx.scalar(select(inbox.c.event_id).where(inbox.c.event_id == event.id)) is not None


def known(database: Storage, events: Sequence[CloudEvent]) -> set[str]:
    """The ids of those of these events that are on record."""
    with database.begin() as tx:
        return set(tx.scalars(_KNOWN, {"ids": [event.id for event in events]}))


def note(tx: Connection, event: CloudEvent) -> None:
    """Record the event, unless it is on record."""
    if not knows(tx, event):
        record(tx, event)


def record(tx: Connection, event: CloudEvent) -> None:
    """Record the event. Raises IntegrityError if another delivery of it was recorded at the same moment."""
    tx.execute(_INSERT, _row(event))


def _row(event: CloudEvent) -> dict[str, Any]:
    row: dict[str, Any] = {"event_id": event.id, "correlation": event.correlationid, "type": event.type, "repeats": 0}
    row["envelope"] = event.model_dump_json(exclude={"data"})
    return row | {"data": json.dumps(event.data), "occurred_at": int(event.time.timestamp() * 1000)}


def forget(tx: Connection, event: CloudEvent) -> None:
    """Forget the event, so that its next delivery is handled as the first."""
    tx.execute(delete(inbox).where(inbox.c.event_id == event.id))


def all_received(tx: Connection, *, correlation: str = "", since: int = 0) -> Iterator[CloudEvent]:
    """The received events by time: of this order, from this time on (milliseconds since 1970).

    Events that release 0.1 received are left out: it did not store their envelopes.
    """
    query = select(inbox.c.envelope, inbox.c.data).where(inbox.c.envelope.is_not(None), inbox.c.occurred_at >= since)
    if correlation:
        query = query.where(inbox.c.correlation == correlation)
    ordered = query.order_by(inbox.c.occurred_at, inbox.c.event_id)
    for row in tx.execution_options(yield_per=500).execute(ordered):
        yield CloudEvent.model_validate(json.loads(row.envelope) | {"data": json.loads(row.data)})
