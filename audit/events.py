"""Was everything published that happened, as it happened, and nothing else? The bus beside outboxes and inboxes.

A service keeps what it published and what it received, so that contents are compared.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import select

from audit.invariants import NotJudged, Violation
from audit.operations import owed_events
from audit.reading import Sources, reading
from kernel import inbox, outbox
from kernel.contracts import FailureEvent
from kernel.envelope import CloudEvent
from kernel.keys import Key
from kernel.operations import operations
from kernel.service import Kind
from messaging.bus import Bus, Unreadable
from messaging.progress import FailureState, failures
from services import SERVICES

_BATCH = 1_000
_WAITS_SECONDS = 300  # as long as a relay may be down before it is one that nobody runs
_PUBLISHED, _FOUNDED, _AS_WRITTEN = (
    "every operation is published",
    "every event has its operation",
    "events are as they were written",
)
# Refusals may come from a service's boundary, and a note is no operation.
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


@dataclass
class _Written:
    """What one service has on record at one moment: digests of events by their ids."""

    events: dict[str, bytes] = field(default_factory=dict)
    received: dict[str, bytes] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)
    set_aside: set[str] = field(default_factory=set)
    waiting: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    owed: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    first: int = 0


@dataclass
class _OnBus:
    digests: dict[str, bytes] = field(default_factory=dict)
    of_service: defaultdict[str, list[tuple[str, str, int]]] = field(default_factory=lambda: defaultdict(list))
    violations: list[Violation] = field(default_factory=list)


async def audit_events(sources: Sources, bus: Bus, not_judged: list[NotJudged] | None = None) -> list[Violation]:
    """What does not hold of events: each is published, as it is, if and only if its transaction committed.

    Args:
        not_judged: gets what could not be compared, and why.

    Raises:
        SettingsError, BusDown: something cannot be read.
    """
    before = {service.name: _written(sources, service.name) for service in SERVICES}
    with reading(sources, "consumers") as tx:
        discarded = frozenset(tx.scalars(select(failures.c.event_id).where(failures.c.state == FailureState.DISCARDED)))
    there = await _read(bus)
    violations = there.violations
    for name, written in before.items():
        now = _written(sources, name)  # again: what was published by now had been written before
        violations += _unpublished(name, written, now, there, discarded)
        violations += _unfounded(name, now, there, [] if not_judged is None else not_judged)
    return violations


def _written(sources: Sources, service: str) -> _Written:
    found = _Written()
    with reading(sources, service) as tx:
        for row in tx.execute(select(outbox.outbox).order_by(outbox.outbox.c.position)):
            found.first = found.first or row.position
            try:
                found.events[row.event_id] = _digest(outbox.event_of(f"/{service}", row))
            except (ValueError, ArithmeticError):
                found.damaged.append(row.event_id)
            if row.published_at is None:
                found.waiting[row.event_id] = row.occurred_at
            elif row.published_at > 0:
                found.published.add(row.event_id)
            else:
                found.set_aside.add(row.event_id)
        for event in inbox.all_received(tx):
            found.received[event.id] = _digest(event)
        for operation in tx.execute(select(operations)):
            found.keys.add(operation.key)
            found.owed += [(operation.key, types) for types in owed_events(service, operation)]
    return found


async def _read(bus: Bus) -> _OnBus:
    there = _OnBus()
    reader = await bus.read(None, 0)
    try:
        while batch := await reader.next(_BATCH, 0):
            for entry in batch:
                if isinstance(entry, Unreadable):
                    detail = f"'starter.py events show {entry.position}' shows one that cannot be: {entry.why}"
                    there.violations.append(_violation("", "what is on the bus can be read", detail))
                    continue
                event, digest = entry.event, _digest(entry.event)
                if there.digests.setdefault(event.id, digest) != digest:
                    there.violations.append(_violation(event.id, _AS_WRITTEN, "is on the bus with two contents"))
                sequence = int(event.sequence) if event.sequence.isdecimal() else 0
                there.of_service[event.source].append((event.id, event.type, sequence))
    finally:
        await reader.close()
    return there


def _unpublished(
    service: str, written: _Written, now: _Written, there: _OnBus, discarded: frozenset[str]
) -> Iterator[Violation]:
    for event_id in sorted(written.published - there.digests.keys()):
        yield _violation(event_id, _PUBLISHED, f"{service} has published it, and it is not on the bus")
    for event_id in sorted(written.set_aside - there.digests.keys() - discarded):
        yield _violation(event_id, _PUBLISHED, f"{service} has written it, and its relay has set it aside")
    late = (time.time() - _WAITS_SECONDS) * 1000
    for event_id, at in written.waiting.items():
        if at < late and event_id in now.waiting:
            waits = (
                f"waits in the outbox of {service} for {(time.time() - at / 1000) / 60:.0f} minutes; does a relay run?"
            )
            yield _violation(event_id, _PUBLISHED, waits)
    for event_id in written.damaged:
        yield _violation(event_id, _AS_WRITTEN, f"what the outbox of {service} has is no event")
    published: defaultdict[str, set[str]] = defaultdict(set)
    for event_id in (*written.events, *written.damaged, *(one for one, _, _ in there.of_service[f"/{service}"])):
        published[str(Key.parse(event_id))].add(event_id.rpartition(":")[2])
    for key, types in written.owed:
        if not published[key] & types:
            yield _violation(key, _PUBLISHED, f"{service} has published no {' or '.join(sorted(types))}")
    for event_id, digest in written.received.items():
        if there.digests.get(event_id, digest) != digest:
            yield _violation(event_id, _AS_WRITTEN, f"{service} received something else than is on the bus")
        elif event_id not in there.digests:
            yield _violation(event_id, "what was received is on the bus", f"{service} received it, and it is not there")


def _unfounded(service: str, now: _Written, there: _OnBus, not_judged: list[NotJudged]) -> Iterator[Violation]:
    earlier = 0
    for event_id, kind, sequence in there.of_service[f"/{service}"]:
        if event_id in now.events:
            if now.events[event_id] != there.digests[event_id]:
                yield _violation(event_id, _AS_WRITTEN, f"the bus has another content than the outbox of {service}")
        elif event_id not in now.damaged and now.first and sequence >= now.first:
            yield _violation(event_id, _FOUNDED, f"{service} has never written it")
        elif not (kind in _BY_NO_OPERATION or str(Key.parse(event_id)) in now.keys):
            yield _violation(event_id, _FOUNDED, f"{service} has no record of it")
        else:
            earlier += 1
    if earlier:
        why = (
            f"{earlier} events of {service} are compared by their keys only: its outbox has them no more (release 0.1)"
        )
        not_judged.append(NotJudged(order_id="", why=why))


def _digest(event: CloudEvent) -> bytes:
    return hashlib.blake2b(event.model_dump_json().encode(), digest_size=16).digest()


def _violation(about: str, invariant: str, detail: str) -> Violation:
    order_id = Key.parse(about).order_id if about else ""
    return Violation(order_id=order_id, invariant=invariant, detail=f"{about}: {detail}" if about else detail)
