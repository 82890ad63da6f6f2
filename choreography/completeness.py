"""Checks that the table of reactions is complete. A missing line shows only in what other lines publish or wait for."""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from choreography.events import PUBLISHED, CancelRequested, OrderStalled
from choreography.order_events import OrderEvents, PublishedEvent
from choreography.reaction import Reaction, Table
from kernel.contracts import Event, FailureEvent
from kernel.envelope import new_event
from kernel.errors import UserError
from kernel.service import Kind
from services.orders.events import ENDS

Line = Reaction[Any, Any]

_FROM_OUTSIDE = {event: source for source, events in PUBLISHED.items() for event in events}
# These may come after any step, so every step may have to be undone after them.
_AT_ANY_TIME = (CancelRequested, OrderStalled)


class IncompleteTable(UserError):
    """The table of reactions is incomplete; the text names what is missing."""


def check(table: Table) -> None:
    """Raises IncompleteTable."""
    found = gaps(table)
    if found:
        raise IncompleteTable(f"the table of reactions is incomplete: {'; '.join(found)}")


def gaps(table: Table) -> list[str]:
    """What the table lacks, one sentence each; empty if it is complete."""
    found = (_unclear(table), _unpublished(table), _unconsumed(table), _not_undone(table), _not_waited_for(table))
    return list(dict.fromkeys(gap for gaps in found for gap in gaps))


def _unclear(table: Table) -> Iterator[str]:
    """Lines that are wrong by themselves, or that contradict another line."""
    for line in table:
        if not line.after:
            yield f"{line.step} waits for no event, so it is never done"
        for unknown in _reads(line) - set(line.after):
            yield f"{line.step} reads {unknown.type()}, for which it does not wait"
    for one, other in combinations(table, 2):
        both = one.service is other.service and not (one.is_conditional and other.is_conditional)
        if both and one.id == other.id:
            yield f"{one.step} is listed twice after {' and '.join(one.types)}"
        elif both and {one.kind, other.kind} <= {Kind.STEP, Kind.FORWARD}:
            for event in set(one.after) & set(other.after):
                yield f"{one.step} and {other.step} both wait for {event.type()}, and only one would be done"


def _unpublished(table: Table) -> Iterator[str]:
    for line in table:
        for event in line.after:
            publishers = [one for one in table if event in one.operation.events]
            if event in _FROM_OUTSIDE:
                continue
            if not publishers:
                yield f"{line.step} waits for {event.type()}, which nobody publishes: {_missing(table, event)}"
            elif all(one.is_conditional for one in publishers) and not (line.is_conditional or event is line.because):
                steps = " and ".join(one.step for one in publishers)
                yield f"{line.step} waits for {event.type()}, but not every order has {steps}"


def _missing(table: Table, event: type[Event]) -> str:
    services = {line.service.name: line.service for line in table}.values()
    steps = [f"{one.name}.{its.verb}" for one in services for its in one.operations if event in its.events]
    return f"no line does {' or '.join(steps)}" if steps else "no service declares it"


def _unconsumed(table: Table) -> Iterator[str]:
    """Events that no line waits for, although they do not end the order."""
    awaited = {event for line in table for event in line.after}
    of_lines = {event: line.step for line in table if line.kind is not Kind.NOTE for event in line.operation.events}
    for event, publisher in (_FROM_OUTSIDE | of_lines).items():
        if event not in awaited and event not in ENDS:
            yield f"no line waits for {event.type()}, which {publisher} publishes"


def _not_undone(table: Table) -> Iterator[str]:
    """Steps that may have been done before a refusal, and that no line undoes after it."""
    for event, refusing in _causes(table):
        undone = {(line.service.name, _name(line.operation.undoes)) for line in _undone_by(table, event)}
        for line in table:
            undos = [one for one in line.service.operations if _name(one.undoes) == line.operation.verb]
            if not undos or (line.service.name, line.operation.verb) in undone:
                continue
            wanted = " or ".join(f"{line.service.name}.{one.verb}" for one in undos)
            too_late = f"{line.step} may have been done before {event.type()}, after which no line does {wanted}"
            if refusing is None:
                yield too_late
            elif line.step != refusing.step and not _comes_after(table, line, refusing):
                yield f"{too_late}; and it does not wait for {' or '.join(one.type() for one in _successes(refusing))}"


def _not_waited_for(table: Table) -> Iterator[str]:
    """Lines that end an order without waiting for every undo that has the same cause."""
    for end in table:
        if end.kind is Kind.UNDO and ENDS.keys() & set(end.operation.publishes):
            for line in _undone_by(table, end.because):
                for event in set(line.operation.publishes) - ENDS.keys() - set(end.after):
                    yield (
                        f"{end.step} after {' and '.join(end.types)} does not wait for {event.type()}, "
                        f"which {line.step} publishes for the same reason"
                    )


def _causes(table: Table) -> Iterator[tuple[type[Event], Line | None]]:
    """The events after which steps are undone, each with the line that publishes it as its refusal, if one does."""
    for event in _AT_ANY_TIME:
        yield event, None
    for line in table:
        if line.kind is Kind.STEP:
            yield from ((event, line) for event in line.operation.events if issubclass(event, FailureEvent))


def _undone_by(table: Table, cause: type[Event] | None) -> list[Line]:
    """The undos that this event causes, directly or through other undos."""
    found: list[Line] = []
    reasons = {cause} - {None}
    while more := [line for line in table if line not in found and line.because in reasons]:
        found += more
        reasons |= {event for line in more for event in line.operation.publishes}
    return found


def _comes_after(table: Table, line: Line, other: Line) -> bool:
    """Whether the line waits, directly or through other lines, for an event of the other line's success."""
    awaited = set(line.after)
    while (
        more := {
            event
            for one in table
            if one.kind is Kind.STEP and awaited & set(one.operation.publishes)
            for event in one.after
        }
        - awaited
    ):
        awaited |= more
    return not awaited.isdisjoint(_successes(other))


def _successes(line: Line) -> list[type[Event]]:
    return [event for event in line.operation.publishes if not issubclass(event, FailureEvent)]


def _name(method: Callable[..., object] | None) -> str:
    return method.__name__ if method else ""


class _Read(Exception):
    def __init__(self, event: type[Event]) -> None:
        super().__init__(event.type())
        self.event = event


class _NoEvents(OrderEvents):
    """Raises `_Read` with the event that is looked for."""

    def published(self, event: type[Event]) -> PublishedEvent:
        raise _Read(event)


def _reads(line: Line) -> set[type[Event]]:
    """The events that the line's command and its condition read; of each, only the first is found."""
    nothing = new_event("None", {}, event_id="-", source="-", correlation="-", causation="-", style="-")
    read = set()
    for function in (line.by, line.when):
        try:
            function(_NoEvents((), nothing, line.operation.verb))
        except _Read as one:
            read.add(one.event)
    return read
