"""Has each consumer handled all that it has passed? Its positions and its own records, beside the bus."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from audit.invariants import Violation
from messaging.bus import PARTITIONS, Bus, Mark, Recorded, WrongLog, readable
from messaging.log_check import check
from messaging.progress import FailureState, Progress, positions
from messaging.subscription import Rule

_BATCH = 1_000
_SETTLED, _PASSED = "dead letters are settled", "consumers handle what they pass"


@dataclass(frozen=True)
class Listener:
    """A consumer that keeps a record of what it has handled: `known` gives the ids of those events."""

    name: str
    rule: Rule
    known: Callable[[], set[str]]


async def audit_consumers(progress: Progress, bus: Bus, listeners: Sequence[Listener]) -> list[Violation]:
    """What does not hold of those who consume events. Raises BusDown, SettingsError, SQLAlchemyError."""
    of_name = {listener.name: listener for listener in listeners}
    with progress.database.begin() as tx:
        places = [
            (row.consumer, row.partition, row.position, Mark(row.log, row.last_read, row.last_event))
            for row in tx.execute(select(positions).order_by(positions.c.consumer, positions.c.partition))
        ]
    state = await bus.state()
    violations: list[Violation] = []
    for name, partition, position, mark in places:
        try:
            await check(bus, position, mark, state)
        except WrongLog as wrong:
            violations.append(
                Violation(order_id="", invariant=_PASSED, detail=f"{name}, partition {partition}: {wrong}")
            )
    events = await _events(bus)
    failures = progress.rows(tuple(FailureState), "", None, "")
    on_record = {(row.consumer, row.event_id) for row in failures}
    known = {name: listener.known() for name, listener in of_name.items()}
    for name, partition, position, mark in places:
        for recorded in events.get(partition, []):
            event_id = recorded.event.id
            if recorded.position > position or (name, event_id) in on_record:
                continue
            unread = bool(mark.event_id) and recorded.position > mark.position
            forgotten = name in known and of_name[name].rule.fits(recorded.event) and event_id not in known[name]
            if unread or forgotten:
                violations.append(
                    _violation(recorded.event.correlationid, _PASSED, f"{name} has passed over {event_id}")
                )
    violations += _dead(failures)
    return violations


async def _events(bus: Bus) -> dict[int, list[Recorded]]:
    events: dict[int, list[Recorded]] = {partition: [] for partition in range(PARTITIONS)}
    reader = await bus.read(None, 0)
    try:
        while batch := await reader.next(_BATCH, 0):
            for recorded in readable(batch):
                events[recorded.partition].append(recorded)
    finally:
        await reader.close()
    return events


def _dead(failures: Sequence[Row[Any]]) -> Iterator[Violation]:
    """What was discarded, a person has decided on."""
    for row in failures:
        if row.state in (FailureState.DEAD, FailureState.UNREADABLE):
            see = f"{row.consumer}: {row.event_id} is {row.state}; see 'starter.py events dead-letters list'"
            yield _violation(row.correlation, _SETTLED, see)


def _violation(order_id: str, invariant: str, detail: str) -> Violation:
    return Violation(order_id=order_id, invariant=invariant, detail=detail)
