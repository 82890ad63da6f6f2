"""Runs one service's reactions: consumes an event, finds the lines of the table that are due, calls the service."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from choreography.events import AttentionNeeded, OrderStalled
from choreography.order_events import has_ended
from choreography.reaction import Reaction, Table, due_after, lines_of, must_be_done, that_failed
from kernel import inbox, outbox
from kernel.contracts import Command, Event, Style
from kernel.database import Storage
from kernel.envelope import CloudEvent, new_event
from kernel.errors import AlreadyUndone, KeyReused, Refusal, TooLate
from kernel.inbox import Known
from kernel.keys import event_id
from kernel.service import Kind, Service
from messaging.bus import Recorded
from messaging.failure import DeliveryFailure
from messaging.subscription import NonRetryable, ReactionFailed, RetryPolicy, Rule, Subscription

P = TypeVar("P")


class Reactor(Generic[P]):
    """Consumes the events of choreographed orders for one service.

    Args:
        port: the opened service.
        database: the service's own, which has its inbox.
        step_deadline: for how many seconds a step is retried.
        undo_deadline: for how many seconds an undo, or a step past the pivot, is retried.
        table: every service's lines.
    """

    def __init__(
        self,
        service: Service[P],
        port: P,
        database: Storage,
        step_deadline: float,
        undo_deadline: float,
        table: Table,
    ) -> None:
        self._service = service
        self._port = port
        self._database = database
        self._step_deadline = step_deadline
        self._undo_deadline = undo_deadline
        self._table = lines_of(table, service.name)

    def subscription(self) -> Subscription:
        return Subscription(
            name=self._service.name,
            rule=rule_of(self._table),
            handle=self.handle,
            retry_policy=self._retry_policy,
            may_overtake=self._may_overtake,
            on_dead_letter=self._on_dead_letter,
            settle=lambda event: inbox.settle(self._database, event),
            handled=partial(inbox.known, self._database),
            is_over=lambda of_order: has_ended(recorded.event for recorded in of_order),
        )

    def handle(self, recorded: Recorded) -> None:
        """Raises ReactionFailed for any error of the service that is not a refusal."""
        event = recorded.event
        with self._database.begin() as tx:
            received = inbox.received(tx, event)
            due = due_after(self._table, event, received.events)
            if not due and not received.already:
                inbox.record(tx, event)
        if received.already or not due:
            return
        for line in due:
            try:
                if self._react(line, event, received.events):
                    return
            except Exception as error:
                raise ReactionFailed(line.id) from error
        self._note(event)

    def _react(self, line: Reaction[P, Any], event: CloudEvent, before: list[Known]) -> bool:
        """Whether the line's condition held. Raises NonRetryable for a refusal that needs an operator."""
        events = line.known(before, event)
        if not line.when(events):
            return False
        if line.kind is Kind.STEP and self._is_undone(before):
            self._note(event)
            return True
        command = line.by(events)
        try:
            line.run(self._port, command)
        except (AlreadyUndone, TooLate):
            self._note(event)  # nothing is left to do, and the event of what settled it is published
        except KeyReused as refusal:
            raise NonRetryable(refusal.reason) from refusal
        except Refusal as refusal:
            if line.must_be_done:
                raise NonRetryable(refusal.reason) from refusal
            self._refused(line, command, event, refusal.reason)
        return True

    def _is_undone(self, before: list[Known]) -> bool:
        """Whether an undo came first: then the step is too late, and the service is not called."""
        known = {one.type for one in before}
        return any(line.kind is Kind.UNDO and not line.lacks(known) for line in self._table)

    def _refused(self, line: Reaction[P, Any], command: Command, event: CloudEvent, reason: str) -> None:
        """Publish the refusal unless the service has recorded the event, and so published the refusal itself."""
        refused = line.operation.refused
        with self._database.begin() as tx:
            if inbox.knows(tx, event):
                return
            inbox.record(tx, event)
            if refused is None:
                return
            outbox.write(
                tx,
                event_id=event_id(command.key, refused.type()),
                type=refused.type(),
                correlation=command.order_id,
                causation=event.id,
                style=command.style,
                data=refused(reason=reason).model_dump_json(),
                occurred_at=int(time.time() * 1000),
            )

    def _note(self, event: CloudEvent) -> None:
        with self._database.begin() as tx:
            inbox.note(tx, event)

    def _must_be_done(self, event: CloudEvent) -> bool:
        return must_be_done(self._table, event)

    def _retry_policy(self, event: CloudEvent) -> RetryPolicy:
        if self._must_be_done(event):
            return RetryPolicy(longest=60, give_up_after=self._undo_deadline)
        return RetryPolicy(longest=10, give_up_after=self._step_deadline)

    def _may_overtake(self, failing: CloudEvent, waiting: CloudEvent) -> bool:
        """An undo need not wait for a failing step of the same order: it goes first, and the step is then too late."""
        return not self._must_be_done(failing) and self._must_be_done(waiting)

    def _on_dead_letter(self, failure: DeliveryFailure, of_order: Sequence[Recorded]) -> CloudEvent | None:
        """A step that gives up stalls the order, so all services undo; an undo that gives up needs an operator."""
        event = failure.recorded.event
        problem = failure.error.removeprefix(f"{NonRetryable.__name__}: ")
        if problem.startswith(KeyReused.name):
            return None  # the key belongs to another order: nothing may be undone under it
        line = that_failed(self._table, failure.reaction, event, [one.event for one in of_order])
        if line is None or line.kind is Kind.NOTE:
            return None
        notice: Event
        if line.must_be_done:
            notice = AttentionNeeded(step=line.step, problem=problem)
        else:
            notice = OrderStalled(step=line.step, reason=f"Outage: no answer from {line.step} in time ({problem})")
        return new_event(
            notice.type(),
            notice.model_dump(mode="json"),
            event_id=event_id(event.id, self._service.name, str(failure.attempts), notice.type()),
            source=f"/choreography/{self._service.name}",
            correlation=event.correlationid,
            causation=event.id,
            style=event.style,
        )


def rule_of(table: Table) -> Rule:
    """The subscription's rule: all events that these lines wait for."""
    types = sorted({kind for line in table for kind in line.types})
    return Rule(types=tuple(types), content={"style": (Style.CHOREOGRAPHY.value,)})
