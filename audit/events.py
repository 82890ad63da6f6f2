"""Was everything told that happened, and nothing else? The bus and the outboxes beside the services' records.

An operation is known by its key, `<order_id>:<step>`, with which the ids of its events begin.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from audit.invariants import Violation
from audit.reading import Sources, reading
from kernel.contracts import FailureEvent
from kernel.keys import Key
from kernel.operations import FORBIDDEN, REFUSED, operations
from kernel.outbox import is_waiting, outbox
from kernel.service import Kind
from messaging.bus import Bus, Unreadable
from services import SERVICES

_BATCH = 1_000
_NAMES = tuple(service.name for service in SERVICES)
# By service, the steps whose refusal is no event: past the pivot, an operator is called.
_REFUSED_SILENTLY = {
    service.name: {one.verb for one in service.operations if one.refused is None} for service in SERVICES
}
# By service, the operations that keep a record of events, and none of themselves.
_NOTES = {service.name: {one.verb for one in service.operations if one.kind is Kind.NOTE} for service in SERVICES}


@dataclass
class _Told:
    """The keys of what one service has told on the bus, and of what it says to have done."""

    keys: set[str] = field(default_factory=set)
    effects: set[str] = field(default_factory=set)


async def audit_events(sources: Sources, bus: Bus) -> list[Violation]:
    """What does not hold of events: each is published if and only if its transaction committed.

    Raises:
        SettingsError, BusDown: something cannot be read.
    """
    must_be_told: dict[str, dict[str, int]] = {}
    for service in _NAMES:
        with reading(sources, service) as tx:
            waiting = {_key(event_id) for event_id in tx.scalars(select(outbox.c.event_id).where(is_waiting))}
            must_be_told[service] = {key: at for key, at in _done(tx, service) if key not in waiting}
    violations: list[Violation] = []
    told, since = await _read(bus, violations)
    for service in _NAMES:
        with reading(sources, service) as tx:  # again: what was told by now had happened before
            known = set(tx.scalars(select(operations.c.key)))
        untold = [key for key, at in must_be_told[service].items() if key not in told[service].keys]
        # What happened before there were events was never told.
        recent = [key for key in untold if must_be_told[service][key] >= since]
        violations += [_violation(key, "what happened is told", f"{service} has told nobody") for key in sorted(recent)]
        unfounded = sorted(told[service].effects - known)
        violations += [_violation(key, "what is told happened", f"{service} has no record of it") for key in unfounded]
    return violations


def _done(tx: Connection, service: str) -> Iterator[tuple[str, int]]:
    """The keys of what must have been told, with the time in milliseconds."""
    for row in tx.execute(select(operations.c.key, operations.c.state, operations.c.recorded_at)):
        quiet = row.state == REFUSED and Key.parse(row.key).step in _REFUSED_SILENTLY[service]
        if row.state != FORBIDDEN and not quiet:
            yield row.key, row.recorded_at


async def _read(bus: Bus, unreadable: list[Violation]) -> tuple[dict[str, _Told], float]:
    """What each service told, and since when anything was told at all, in milliseconds."""
    told, since = {service: _Told() for service in _NAMES}, float("inf")
    refusals = {kind.type() for kind in FailureEvent.__subclasses__()}  # which may come from the service's boundary
    reader = await bus.read(None, 0)
    try:
        while batch := await reader.next(_BATCH, 0):
            for entry in batch:
                if isinstance(entry, Unreadable):
                    unreadable.append(_cannot_read(entry))
                    continue
                event = entry.event
                service = event.source.removeprefix("/")
                since = min(since, event.time.timestamp() * 1000)
                if service in told:
                    its, key = told[service], _key(event.id)
                    its.keys.add(key)
                    if event.type not in refusals and Key.parse(key).step not in _NOTES[service]:
                        its.effects.add(key)
    finally:
        await reader.close()
    return told, since


def _cannot_read(message: Unreadable) -> Violation:
    detail = f"'starter.py events show {message.position}' shows one that cannot be: {message.why}"
    return Violation(order_id="", invariant="what is on the bus can be read", detail=detail)


def _violation(key: str, invariant: str, detail: str) -> Violation:
    return Violation(order_id=Key.parse(key).order_id, invariant=invariant, detail=f"{key}: {detail}")


def _key(event_id: str) -> str:
    return str(Key.parse(event_id))
