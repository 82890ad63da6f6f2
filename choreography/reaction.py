"""One line of the table of reactions: once a service has received these events of an order, it runs an operation."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from choreography import commands
from choreography.order_events import OrderEvents, PublishedEvent
from kernel.contracts import Command, Contract, Event, Undo, Undone
from kernel.envelope import CloudEvent
from kernel.service import Kind, Operation, Service, bound

P = TypeVar("P")
C = TypeVar("C", bound=Command)


def _always(_events: OrderEvents) -> bool:
    return True


@dataclass(frozen=True)
class Reaction(Generic[P, C]):
    """Once `service` has received all of `after`, it runs `do` with the command that `by` makes of the order's events.

    It does so once per order, or at each such event if `do` is a note. `when` is a condition on the events' content.
    """

    service: Service[P]
    operation: Operation[P]
    do: Callable[[P, C], Contract]
    by: Callable[[OrderEvents], C]
    after: tuple[type[Event], ...]
    when: Callable[[OrderEvents], bool] = _always

    @property
    def id(self) -> str:
        """Its name on dead letters and in the documentation of events; it changes only with the line."""
        return f"{self.service.name}_{self.operation.verb}_after_{'_'.join(self.types)}"

    @property
    def step(self) -> str:
        return f"{self.service.name}.{self.operation.verb}"

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(event.type() for event in self.after)

    @property
    def kind(self) -> Kind:
        return self.operation.kind

    @property
    def because(self) -> type[Event] | None:
        """The event that is an undo's reason: the first of `after`. None if it is not an undo."""
        return self.after[0] if self.after and self.kind is Kind.UNDO else None

    @property
    def must_be_done(self) -> bool:
        """Whether it is an undo or past the pivot: if it fails for good, an operator must settle it."""
        return self.kind in (Kind.UNDO, Kind.FORWARD)

    @property
    def is_conditional(self) -> bool:
        return self.when is not _always

    def lacks(self, known: Collection[str]) -> int:
        """How many of its events are not among the known types."""
        return len(set(self.types) - set(known))

    def known(self, before: Iterable[PublishedEvent], cause: CloudEvent) -> OrderEvents:
        step = self.operation.undoes or self.operation.method
        return OrderEvents((*before, cause), cause, step.__name__)

    def run(self, port: P, command: C) -> None:
        """Call the service. Its errors are passed on."""
        bound(port, self.do)(command)


Table = Sequence[Reaction[Any, Any]]  # each with a port and a command of its own


class Reactions(Generic[P]):
    """Makes the lines of one service; the type checker sees that each command fits its method."""

    def __init__(self, service: Service[P]) -> None:
        self._service = service

    def does(
        self,
        do: Callable[[P, C], Contract],
        by: Callable[[OrderEvents], C],
        *,
        after: tuple[type[Event], ...],
        when: Callable[[OrderEvents], bool] = _always,
    ) -> Reaction[P, C]:
        """Raises LookupError for a method that the service has not declared."""
        return Reaction(self._service, self._service.operation(do), do, by, after, when)

    def undoes(
        self,
        do: Callable[[P, Undo], Undone],
        *,
        because: type[Event],
        after: tuple[type[Event], ...] = (),
        when: Callable[[OrderEvents], bool] = _always,
    ) -> Reaction[P, Undo]:
        """Undo the step that `do` is declared to undo, for the reason that `because` gives, once `after` came too."""
        return self.does(do, commands.undo(because), after=(because, *after), when=when)


def lines_of(table: Table, service: str) -> Table:
    return [line for line in table if line.service.name == service]


def waiting_for(table: Table, event: CloudEvent) -> list[Reaction[Any, Any]]:
    """The lines that wait for this event, among others."""
    return [line for line in table if event.type in line.types]


def due_after(table: Table, event: CloudEvent, before: Iterable[PublishedEvent]) -> list[Reaction[Any, Any]]:
    """The lines that this event completes: the others that they wait for are among those before."""
    known = {one.type for one in before}
    due = [line for line in waiting_for(table, event) if not line.lacks({*known, event.type})]
    return [line for line in due if line.kind is Kind.NOTE or event.type not in known]


def must_be_done(table: Table, event: CloudEvent) -> bool:
    """Whether any line that waits for the event must be done. The inbox is not read: its database may be what fails."""
    return any(line.must_be_done for line in waiting_for(table, event))


def that_failed(
    table: Table, reaction_id: str, event: CloudEvent, of_order: Iterable[PublishedEvent]
) -> Reaction[Any, Any] | None:
    """The line with that id; if there is none, the line of which the fewest events are missing."""
    by_id = next((line for line in table if line.id == reaction_id), None)
    known = {one.type for one in of_order} | {event.type}
    return by_id or min(waiting_for(table, event), key=lambda line: line.lacks(known), default=None)
