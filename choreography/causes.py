"""What is behind each event of an order: its own word, or, where a workflow decided, the table's.

An orchestrated event names the workflow's command as its cause. But a step waits for the same events in either style,
and an undo has the same reasons, so the table of reactions says which event let the workflow go on.
"""

from collections.abc import Sequence

from choreography.reactions import REACTIONS
from kernel.contracts import FailureEvent, Style
from kernel.service import Kind
from messaging.bus import Recorded
from services import SERVICES


def _possible() -> dict[str, set[str]]:
    """The types of events that may be behind an event, by its type."""
    possible: dict[str, set[str]] = {}
    for line in REACTIONS:
        for event in line.operation.events:
            if line.kind is not Kind.NOTE:
                possible.setdefault(event.type(), set()).update(line.types)
    # What is noted of an order follows from what failed.
    failures = {event.type() for one in SERVICES for event in one.events if issubclass(event, FailureEvent)}
    notes = {e.type() for one in SERVICES for op in one.operations if op.kind is Kind.NOTE for e in op.publishes}
    return possible | dict.fromkeys(notes, failures)


_POSSIBLE = _possible()


def causes(events: Sequence[Recorded]) -> dict[str, str]:
    """The id of what is behind each event, by the event's id: another event's, or that of a command or a person."""
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
