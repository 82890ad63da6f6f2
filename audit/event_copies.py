"""Copies of what was written, received and published, on disk: of each event, its id, a digest and its position.

Effects are copied before their causes: consumers before inboxes, outboxes and inboxes before the bus. So an event that
arrives during the copy is not mistaken for one that is missing.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from audit.operations import owed_events
from audit.reading import Sources, reading
from audit.scratch import Scratch, batches
from kernel import inbox
from kernel.envelope import CloudEvent
from kernel.keys import Key, event_id
from kernel.operations import operations
from kernel.outbox import event_of, outbox
from messaging.bus import Bus, Recorded, Unreadable
from messaging.failure import failures
from messaging.progress import positions
from messaging.subscription import Rule
from services import SERVICES

BATCH = 500
_CLOCKS = timedelta(minutes=10)  # the most that the clocks of services and of the bus may differ

WAITS, PUBLISHED, SET_ASIDE, DAMAGED = "waits", "published", "set aside", "damaged"

_SCHEMA = """
CREATE TABLE places (consumer TEXT, partition INTEGER, position INTEGER, log TEXT, last_read INTEGER, last_event TEXT);
CREATE TABLE failed (consumer TEXT, event_id TEXT, state TEXT, correlation TEXT, PRIMARY KEY (consumer, event_id));
CREATE TABLE written (service TEXT, event_id TEXT, digest BLOB, state TEXT, occurred_at INTEGER);
CREATE TABLE received (service TEXT, event_id TEXT, digest BLOB);
CREATE TABLE owed (service TEXT, key TEXT, types TEXT);
CREATE TABLE by_nothing (service TEXT, event_id TEXT, type TEXT);
CREATE TABLE on_bus
    (position INTEGER, partition INTEGER, event_id TEXT, digest BLOB, source TEXT, type TEXT, sequence TEXT,
    correlation TEXT, style TEXT);
CREATE TABLE unreadable (position INTEGER, why TEXT);
CREATE TABLE wanted (consumer TEXT, partition INTEGER, position INTEGER, event_id TEXT);
"""
_INDEXES = (
    "CREATE INDEX written_id ON written (event_id)",
    "CREATE INDEX on_bus_id ON on_bus (event_id)",
    "CREATE INDEX on_bus_source ON on_bus (source)",
)


@dataclass(frozen=True)
class Listener:
    """A consumer that records what it has handled. `known` returns those of the given ids that are on record."""

    name: str
    rule: Rule
    known: Callable[[Sequence[str]], Collection[str]]


async def copy_events(scratch: Scratch, sources: Sources, bus: Bus, listeners: Sequence[Listener], since: int) -> None:
    """Fill the tables. `since`: only with events from this time on, in milliseconds since 1970.

    Raises:
        SettingsError, BusDown: a database or the bus cannot be read.
    """
    with reading(sources, "consumers") as tx:  # one snapshot, in which each passed event was handled or has failed
        place = (positions.c.consumer, positions.c.partition, positions.c.position)
        mark = (positions.c.log, positions.c.last_read, positions.c.last_event)
        rows = tx.execute(select(*place, *mark))
        scratch.add("INSERT INTO places VALUES (?, ?, ?, ?, ?, ?)", map(tuple, rows))
        failed = select(failures.c.consumer, failures.c.event_id, failures.c.state, failures.c.correlation)
        scratch.add("INSERT INTO failed VALUES (?, ?, ?, ?)", map(tuple, _streamed(tx).execute(failed)))
    for service in SERVICES:
        with reading(sources, service.name) as tx:
            _copy_service(scratch, _streamed(tx), service.name, since)
    await _copy_bus(scratch, bus, listeners, since)
    for statement in _INDEXES:
        scratch.run(statement)


def new_scratch() -> Scratch:
    return Scratch(_SCHEMA)


def digest(event: CloudEvent) -> bytes:
    return hashlib.blake2b(event.model_dump_json().encode(), digest_size=16).digest()


def _streamed(tx: Connection) -> Connection:
    return tx.execution_options(yield_per=BATCH)


def _copy_service(scratch: Scratch, tx: Connection, service: str, since: int) -> None:
    written = tx.execute(select(outbox).where(outbox.c.occurred_at >= since))
    for some in batches(written, BATCH):
        scratch.add("INSERT INTO written VALUES (?, ?, ?, ?, ?)", (_written(service, row) for row in some))
        keys = {row.event_id: str(Key.parse(row.event_id)) for row in some}
        there = set(tx.scalars(select(operations.c.key).where(operations.c.key.in_(keys.values()))))
        by_nothing = ((service, row.event_id, row.type) for row in some if keys[row.event_id] not in there)
        scratch.add("INSERT INTO by_nothing VALUES (?, ?, ?)", by_nothing)
    received = inbox.all_received(tx, since=since)
    scratch.add("INSERT INTO received VALUES (?, ?, ?)", ((service, event.id, digest(event)) for event in received))
    done = tx.execute(select(operations).where(operations.c.recorded_at >= since))
    for some in batches(done, BATCH):
        owed = [(row.key, types) for row in some for types in owed_events(service, row)]
        ids = [event_id(key, kind) for key, types in owed for kind in types]
        there = set(tx.scalars(select(outbox.c.event_id).where(outbox.c.event_id.in_(ids))))
        missing = ((service, key, " ".join(sorted(types))) for key, types in owed if not there & _ids(key, types))
        scratch.add("INSERT INTO owed VALUES (?, ?, ?)", missing)


def _ids(key: str, types: Collection[str]) -> set[str]:
    return {event_id(key, kind) for kind in types}


def _written(service: str, row: Row[Any]) -> tuple[Any, ...]:
    state = WAITS if row.published_at is None else PUBLISHED if row.published_at > 0 else SET_ASIDE
    try:
        return service, row.event_id, digest(event_of(f"/{service}", row)), state, row.occurred_at
    except (ValueError, ArithmeticError):
        return service, row.event_id, None, DAMAGED, row.occurred_at


async def _copy_bus(scratch: Scratch, bus: Bus, listeners: Sequence[Listener], since: int) -> None:
    moment = datetime.fromtimestamp(since / 1000, UTC)
    reader = await bus.read(None, await bus.before(moment - _CLOCKS) if since else 0)
    try:
        while batch := await reader.next(BATCH, 0):
            unreadable = [one for one in batch if isinstance(one, Unreadable)]
            scratch.add("INSERT INTO unreadable VALUES (?, ?)", ((one.position, one.why) for one in unreadable))
            events = [one for one in batch if isinstance(one, Recorded) and one.event.time >= moment]
            scratch.add("INSERT INTO on_bus VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_on_bus, events))
            scratch.add("INSERT INTO wanted VALUES (?, ?, ?, ?)", _wanted(events, listeners))
    finally:
        await reader.close()


def _on_bus(one: Recorded) -> tuple[Any, ...]:
    event = one.event
    place = one.position, one.partition, event.id, digest(event)
    return *place, event.source, event.type, event.sequence, event.correlationid, event.style


def _wanted(events: Sequence[Recorded], listeners: Sequence[Listener]) -> Iterator[tuple[Any, ...]]:
    for one in events:
        for listener in listeners:
            if listener.rule.fits(one.event):
                yield listener.name, one.partition, one.position, one.event.id
