"""Has each consumer handled all events up to its position? Compares their positions and records with the bus."""

from collections.abc import Iterator, Sequence

from audit.event_copies import BATCH, Listener
from audit.invariants import Violation
from audit.scratch import Scratch, batches
from kernel.keys import Key
from messaging.bus import Bus, Mark, WrongLog
from messaging.failure import FailureState
from messaging.log_check import check

_SETTLED, _PASSED = "dead letters are settled", "consumers handle what they pass"


async def audit_consumers(copies: Scratch, bus: Bus, listeners: Sequence[Listener]) -> list[Violation]:
    """Violations: skipped events, and dead letters. Raises BusDown, SettingsError, SQLAlchemyError."""
    violations: list[Violation] = []
    state = await bus.state()
    query = "SELECT consumer, partition, position, log, last_read, last_event FROM places ORDER BY consumer, partition"
    for name, partition, position, log, last_read, last_event in copies.rows(query):
        try:
            await check(bus, position, Mark(log, last_read, last_event), state)
        except WrongLog as wrong:
            detail = f"{name}, partition {partition}: {wrong}"
            violations.append(Violation(order_id="", invariant=_PASSED, detail=detail))
    return [*violations, *_unread(copies), *_forgotten(copies, listeners), *_dead(copies)]


def _unread(copies: Scratch) -> Iterator[Violation]:
    """Events up to a consumer's position, but after the last event that it read."""
    query = (
        "SELECT places.consumer, on_bus.event_id FROM places JOIN on_bus USING (partition) "
        "LEFT JOIN failed ON failed.consumer = places.consumer AND failed.event_id = on_bus.event_id "
        "WHERE last_event <> '' AND last_read < places.position "
        "AND on_bus.position > last_read AND on_bus.position <= places.position AND failed.event_id IS NULL"
    )
    for name, event_id in copies.rows(query):
        yield _violation(event_id, _PASSED, f"{name} has passed over {event_id}")


def _forgotten(copies: Scratch, listeners: Sequence[Listener]) -> Iterator[Violation]:
    """Events up to a consumer's position that are neither on its own record nor among its failures."""
    query = (
        "SELECT wanted.event_id FROM wanted "
        "JOIN places ON places.consumer = wanted.consumer AND places.partition = wanted.partition "
        "LEFT JOIN failed ON failed.consumer = wanted.consumer AND failed.event_id = wanted.event_id "
        "WHERE wanted.consumer = ? AND wanted.position <= places.position AND failed.event_id IS NULL"
    )
    for listener in listeners:
        passed = (event_id for (event_id,) in copies.rows(query, listener.name))
        for some in batches(passed, BATCH):
            known = listener.known(some)
            for event_id in some:
                if event_id not in known:
                    yield _violation(event_id, _PASSED, f"{listener.name} has passed over {event_id}")


def _dead(copies: Scratch) -> Iterator[Violation]:
    """Dead letters and unreadable messages; a discarded one is a person's decision."""
    query = (
        "SELECT consumer, event_id, state, correlation FROM failed WHERE state IN (?, ?) ORDER BY consumer, event_id"
    )
    for name, event_id, state, correlation in copies.rows(query, FailureState.DEAD, FailureState.UNREADABLE):
        see = f"{name}: {event_id} is {state}; see 'starter.py events dead-letters list'"
        yield Violation(order_id=correlation, invariant=_SETTLED, detail=see)


def _violation(event_id: str, invariant: str, detail: str) -> Violation:
    return Violation(order_id=Key.parse(event_id).order_id, invariant=invariant, detail=detail)
