"""Which step an event is about, and how that step went."""

from kernel.contracts import FailureEvent
from kernel.envelope import CloudEvent
from kernel.service import Kind
from services import SERVICES

DONE, UNDONE, REFUSED, NOTED, WORD = "done", "undone", "refused", "noted", "word"
_OF_KIND = {Kind.UNDO: UNDONE, Kind.NOTE: NOTED}


def _about() -> dict[str, tuple[str, str]]:
    """The step and outcome of each event type. If two operations publish one type, an undo wins, else the first."""
    found: dict[str, tuple[str, str]] = {}
    operations = [(service, operation) for service in SERVICES for operation in service.operations]
    for service, operation in sorted(operations, key=lambda one: one[1].kind is not Kind.UNDO):
        for event in operation.events:
            became = _OF_KIND.get(operation.kind) or (REFUSED if issubclass(event, FailureEvent) else DONE)
            found.setdefault(event.type(), (f"{service.name}.{operation.verb}", became))
    return found


_ABOUT = _about()


def step_of(event: CloudEvent) -> str:
    """The step that this event reports as done, undone or refused; empty if there is none."""
    return _ABOUT.get(event.type, ("", ""))[0]


def outcome_of(event: CloudEvent) -> str:
    """Whether that step is done, undone or refused; `noted` for a note on the order; `word` for an event of no step."""
    return _ABOUT.get(event.type, ("", WORD))[1]
