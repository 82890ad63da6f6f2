"""The cause of each event of an order.

A choreographed event names its cause. An orchestrated event names only the workflow's command; but a step waits for the
same events in both styles, and an undo has the same reasons, so the table of reactions gives the event behind it.
"""

from collections.abc import Sequence

from choreography.reactions import REACTIONS
from kernel.contracts import FailureEvent, Style
from kernel.service import Kind
from messaging.bus import Recorded
from services import SERVICES


def _possible() -> dict[str, set[str]]:
    """The types of events that may cause an event, by its type."""
    possible: dict[str, set[str]] = {}
    for line in REACTIONS:
        for event in line.operation.events:
            if line.kind is not Kind.NOTE:
                possible.setdefault(event.type(), set()).update(line.types)
    # A note on an order is caused by a failure.
    failures = {event.type() for one in SERVICES for event in one.events if issubclass(event, FailureEvent)}
    notes = {e.type() for one in SERVICES for op in one.operations if op.kind is Kind.NOTE for e in op.publishes}
    return possible | dict.fromkeys(notes, failures)


_POSSIBLE = _possible()


def causes(events: Sequence[Recorded]) -> dict[str, str]:
    """The id of each event's cause (an event, a command or a person), by the event's id."""
    return {one.event.id: _cause(one, events) for one in events}


def _cause(recorded: Recorded, events: Sequence[Recorded]) -> str:
    event = recorded.event
    known = {one.event.id for one in events}
    if event.style != Style.ORCHESTRATION or event.causationid in known:
        return event.causationid
    possible = _POSSIBLE.get(event.type, set())
    before = [
        one.event
        for one in events
        if one.event.type in possible and one.event.time <= event.time and one is not recorded
    ]
    return max(before, key=lambda one: one.time).id if before else event.causationid
