"""Which events an operation must have published, according to its service's declaration."""

from typing import Any

from sqlalchemy import Row

from kernel.contracts import Undone
from kernel.keys import Key
from kernel.operations import DONE, REFUSED, UNDONE
from kernel.service import Operation
from services import SERVICES

_DECLARED = {service.name: service.operations for service in SERVICES}


def owed_events(service: str, row: Row[Any]) -> list[frozenset[str]]:
    """Sets of event types; one event of each set is owed. Empty if only forbidden, or refused without an event."""
    verb = Key.parse(row.key).step
    operation = next((one for one in _DECLARED[service] if one.verb == verb), None)
    if operation is None:
        return []
    done = frozenset(event.type() for event in operation.publishes)
    if row.state == DONE:
        return [done]
    if row.state == REFUSED:
        return [frozenset({operation.refused.type()})] if operation.refused else []
    if row.state == UNDONE:
        had_effect = Undone.model_validate_json(row.answer).had_effect
        return [_undoing(service, operation), *([done] if had_effect else [])]
    return []


def _undoing(service: str, step: Operation[Any]) -> frozenset[str]:
    undos = (one for one in _DECLARED[service] if one.undoes is not None and one.undoes.__name__ == step.verb)
    return frozenset(event.type() for undo in undos for event in undo.publishes)
