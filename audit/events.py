"""Was every event published exactly as it happened, and nothing else? Compares the bus with outboxes and inboxes.

A service keeps what it published and received, so that contents are compared, too.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select

from audit.consumers import audit_consumers
from audit.event_copies import BATCH, DAMAGED, PUBLISHED, SET_ASIDE, WAITS, Listener, copy_events, digest, new_scratch
from audit.invariants import NotJudged, Violation
from audit.reading import Sources, reading
from audit.scratch import Scratch, batches
from kernel.contracts import FailureEvent
from kernel.keys import Key, event_id
from kernel.operations import operations
from kernel.outbox import event_of, outbox
from kernel.service import Kind
from messaging.bus import Bus
from messaging.failure import FailureState
from services import SERVICES

_WAITS_SECONDS = 300  # how long a relay may be down before the audit reports it
_PUBLISHED, _FOUNDED, _AS_WRITTEN = (
    "every operation is published",
    "every event has its operation",
    "events are as they were written",
)
# A service's boundary may refuse before any operation begins, and a note is no operation.
_BY_NO_OPERATION = frozenset(
    [kind.type() for kind in FailureEvent.__subclasses__()]
    + [
        event.type()
        for service in SERVICES
        for one in service.operations
        if one.kind is Kind.NOTE
        for event in one.events
    ]
)


async def audit_events(
    sources: Sources,
    bus: Bus,
    not_judged: list[NotJudged] | None = None,
    listeners: Sequence[Listener] = (),
    since: int = 0,
    outside: Collection[str] = (),
) -> list[Violation]:
    """Violations: events that were not published as they were written, or not handled by their consumers.

    Each event must be published, unchanged, if and only if its transaction committed; a consumer must have handled the
    events up to its position.

    Args:
        not_judged: gets what could not be compared, and why.
        since: only events from this time on, in milliseconds since 1970.
        outside: other publishers, as CloudEvents' `source` or its prefix; if empty, publishers are not judged.

    Raises:
        SettingsError, BusDown: a database or the bus cannot be read.
    """
    with new_scratch() as copies:
        await copy_events(copies, sources, bus, listeners, since)
        violations = [*_unreadable(copies), *_twice(copies), *_of_two_styles(copies), *_received(copies)]
        violations += _by_strangers(copies, outside)
        for service in SERVICES:
            violations += _unpublished(copies, sources, service.name)
            violations += _otherwise(copies, service.name)
            violations += _unfounded(copies, sources, service.name, [] if not_judged is None else not_judged)
        return violations + await audit_consumers(copies, bus, listeners)


def _unreadable(copies: Scratch) -> Iterator[Violation]:
    for position, why in copies.rows("SELECT position, why FROM unreadable"):
        detail = f"the message at position {position} cannot be read: {why}; see 'starter.py events show {position}'"
        yield _violation("", "what is on the bus can be read", detail)


def _twice(copies: Scratch) -> Iterator[Violation]:
    twice = "SELECT event_id FROM on_bus GROUP BY event_id HAVING count(DISTINCT digest) > 1"
    for (one,) in copies.rows(twice):
        yield _violation(one, _AS_WRITTEN, "is on the bus with two contents")


def _of_two_styles(copies: Scratch) -> Iterator[Violation]:
    for (order_id,) in copies.rows(
        "SELECT correlation FROM on_bus GROUP BY correlation HAVING min(style) < max(style)"
    ):
        yield Violation(order_id=order_id, invariant="an order has one style", detail="its events have two")


def _by_strangers(copies: Scratch, outside: Collection[str]) -> Iterator[Violation]:
    known = {f"/{service.name}" for service in SERVICES}
    for one, source in copies.rows("SELECT event_id, source FROM on_bus") if outside else ():
        if source not in known and not any(f"{source}/".startswith(f"{of}/") for of in outside):
            yield _violation(one, _FOUNDED, f"no part of the system publishes as {source}")


def _received(copies: Scratch) -> Iterator[Violation]:
    query = (
        "SELECT service, received.event_id, on_bus.digest IS NULL FROM received LEFT JOIN on_bus USING (event_id) "
        "WHERE on_bus.digest IS NULL OR on_bus.digest <> received.digest"
    )
    for service, one, is_missing in copies.rows(query):
        if is_missing:
            yield _violation(one, "what was received is on the bus", f"{service} received it, and it is not there")
        else:
            yield _violation(one, _AS_WRITTEN, f"{service} received another content than the bus has")


def _unpublished(copies: Scratch, sources: Sources, service: str) -> Iterator[Violation]:
    missing = (
        "SELECT event_id FROM written LEFT JOIN on_bus USING (event_id) "
        "WHERE service = ? AND written.state = ? AND on_bus.event_id IS NULL ORDER BY event_id"
    )
    for (one,) in copies.rows(missing, service, PUBLISHED):
        yield _violation(one, _PUBLISHED, f"{service} has published it, and it is not on the bus")
    discarded = " AND event_id NOT IN (SELECT event_id FROM failed WHERE state = ?)"
    query = missing.replace(" ORDER", f"{discarded} ORDER")
    for (one,) in copies.rows(query, service, SET_ASIDE, FailureState.DISCARDED.value):
        yield _violation(one, _PUBLISHED, f"{service} has written it, and its relay has set it aside")
    for (one,) in copies.rows("SELECT event_id FROM written WHERE service = ? AND state = ?", service, DAMAGED):
        yield _violation(one, _AS_WRITTEN, f"what the outbox of {service} has is no event")
    yield from _late(copies, sources, service)
    for key, types in copies.rows("SELECT key, types FROM owed WHERE service = ?", service):
        place = "SELECT 1 FROM on_bus WHERE source = ? AND event_id = ?"
        ids = (event_id(key, kind) for kind in types.split())
        if not any(any(copies.rows(place, f"/{service}", one)) for one in ids):
            yield _violation(key, _PUBLISHED, f"{service} has published no {' or '.join(types.split())}")


def _late(copies: Scratch, sources: Sources, service: str) -> Iterator[Violation]:
    now = time.time()
    query = "SELECT event_id, occurred_at FROM written WHERE service = ? AND state = ? AND occurred_at < ?"
    late = copies.rows(query, service, WAITS, (now - _WAITS_SECONDS) * 1000)
    for some in batches(late, BATCH):
        still = select(outbox.c.event_id).where(outbox.c.published_at.is_(None))
        with reading(sources, service) as tx:
            waiting = set(tx.scalars(still.where(outbox.c.event_id.in_([one for one, _ in some]))))
        for one, at in some:
            if one in waiting:
                waits = f"waits in the outbox of {service} for {(now - at / 1000) / 60:.0f} minutes; does a relay run?"
                yield _violation(one, _PUBLISHED, waits)


def _otherwise(copies: Scratch, service: str) -> Iterator[Violation]:
    query = (
        "SELECT DISTINCT event_id FROM on_bus JOIN written USING (event_id) "
        "WHERE source = ? AND service = ? AND written.digest <> on_bus.digest"
    )
    for (one,) in copies.rows(query, f"/{service}", service):
        yield _violation(one, _AS_WRITTEN, f"the bus has another content than the outbox of {service}")


def _unfounded(copies: Scratch, sources: Sources, service: str, not_judged: list[NotJudged]) -> Iterator[Violation]:
    """Events on the bus that were not in the outbox when it was copied; they may have been written since."""
    query = (
        "SELECT event_id, on_bus.digest, type, sequence FROM on_bus WHERE source = ? "
        "AND NOT EXISTS (SELECT 1 FROM written WHERE written.event_id = on_bus.event_id AND service = ?)"
    )
    for one, kind in copies.rows("SELECT event_id, type FROM by_nothing WHERE service = ?", service):
        if kind not in _BY_NO_OPERATION:
            yield _violation(one, _FOUNDED, f"the outbox of {service} has it, but no operation is on record")
    earlier = 0
    for some in batches(copies.rows(query, f"/{service}", service), BATCH):
        with reading(sources, service) as tx:
            first = tx.scalar(select(func.min(outbox.c.position)))
            since = {row.event_id: row for row in tx.execute(select(outbox).where(_in(outbox.c.event_id, some)))}
            keys = [str(Key.parse(one)) for one, *_ in some]
            done = set(tx.scalars(select(operations.c.key).where(operations.c.key.in_(keys))))
        for one, content, kind, written_as in some:
            sequence = int(written_as) if written_as.isdecimal() else 0
            if one in since:
                if digest(event_of(f"/{service}", since[one])) != content:
                    yield _violation(one, _AS_WRITTEN, f"the bus has another content than the outbox of {service}")
            elif first and sequence >= first:
                yield _violation(one, _FOUNDED, f"{service} has never written it")
            elif not (kind in _BY_NO_OPERATION or str(Key.parse(one)) in done):
                yield _violation(one, _FOUNDED, f"{service} has no record of it")
            else:
                earlier += 1
    if earlier:
        why = (
            f"{earlier} events of {service} are compared by their keys only: its outbox has them no more (release 0.1)"
        )
        not_judged.append(NotJudged(order_id="", why=why))


def _in(column: ColumnElement[str], rows: Sequence[tuple[Any, ...]]) -> ColumnElement[bool]:
    return column.in_([row[0] for row in rows])


def _violation(about: str, invariant: str, detail: str) -> Violation:
    order_id = Key.parse(about).order_id if about else ""
    return Violation(order_id=order_id, invariant=invariant, detail=f"{about}: {detail}" if about else detail)
