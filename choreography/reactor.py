"""One service's reactions at work: an event comes in, its line of the table is looked up, the service does it."""

import time
from collections.abc import Iterable, Sequence

from choreography.commands import Heard
from choreography.events import AttentionNeeded, OrderStalled
from choreography.reactions import Reaction
from kernel import inbox, outbox
from kernel.contracts import Command, Event, Style
from kernel.database import Storage
from kernel.envelope import CloudEvent, new_event
from kernel.errors import AlreadyUndone, KeyReused, Refusal, TooLate
from kernel.keys import event_id
from messaging.bus import Recorded
from messaging.progress import DeliveryFailure
from messaging.subscription import NonRetryable, RetryPolicy, Rule, Subscription


class Reactor:
    """What one service does about the events of choreographed orders.

    Args:
        port: the service; its methods are the verbs of the table.
        database: the service's own, where its inbox is.
        step_deadline: seconds that a step is tried for; `undo_deadline` the same for what must be done.
    """

    def __init__(
        self,
        service: str,
        port: object,
        database: Storage,
        step_deadline: float,
        undo_deadline: float,
        reactions: Iterable[Reaction],
    ) -> None:
        self._service = service
        self._port = port
        self._database = database
        self._step_deadline = step_deadline
        self._undo_deadline = undo_deadline
        self._reactions = [reaction for reaction in reactions if reaction.service == service]

    def subscription(self) -> Subscription:
        types = sorted({event.type() for reaction in self._reactions for event in reaction.after})
        rule = Rule(types=tuple(types), content={"style": (Style.CHOREOGRAPHY.value,)})
        return Subscription(
            name=self._service,
            rule=rule,
            handle=self.handle,
            retry_policy=self._retry_policy,
            may_overtake=self._may_overtake,
            on_dead_letter=self._on_dead_letter,
            settle=lambda event: inbox.settle(self._database, event),
        )

    def handle(self, recorded: Recorded) -> None:
        """Raises whatever the service raises that is no answer; NonRetryable for one that nobody would hear of."""
        event = recorded.event
        with self._database.begin() as tx:
            heard = inbox.heard(tx, event)
        if heard.already:
            return
        reaction = self._reaction(event, heard.data)
        if reaction is None:
            self._note(event)
            return
        if not reaction.only_forward and self._is_undone(heard.data):
            self._note(event)
            return
        data = heard.data | {event.type: [*heard.data.get(event.type, []), event.data]}
        command = reaction.by(Heard(event, data))
        try:
            getattr(self._port, reaction.does)(command)
        except (AlreadyUndone, TooLate):
            self._note(event)  # there is nothing to do any more, and whoever made it so has told
        except KeyReused as refusal:
            raise NonRetryable(refusal.reason) from refusal
        except Refusal as refusal:
            if reaction.only_forward:
                raise NonRetryable(refusal.reason) from refusal
            self._refused(reaction, command, event, refusal.reason)

    def _is_undone(self, heard: dict[str, list[object]]) -> bool:
        """Whether an undo came first; then it is too late for the step, and the service need not be asked."""
        undos = (line for line in self._reactions if line.only_forward and line.does != "complete")
        return any(all(one.type() in heard for one in line.after) for line in undos)

    def _refused(self, reaction: Reaction, command: Command, event: CloudEvent, reason: str) -> None:
        """The service told of its refusal with the record of it, and noted the event; if it has no record, we tell."""
        with self._database.begin() as tx:
            if inbox.knows(tx, event):
                return
            if reaction.refused is None:
                inbox.record(tx, event)
                return
            inbox.record(tx, event)
            outbox.write(
                tx,
                event_id=event_id(command.key, reaction.refused.type()),
                type=reaction.refused.type(),
                correlation=command.order_id,
                causation=event.id,
                style=command.style,
                data=reaction.refused(reason=reason).model_dump_json(),
                occurred_at=int(time.time() * 1000),
            )

    def _note(self, event: CloudEvent) -> None:
        with self._database.begin() as tx:
            inbox.note(tx, event)

    def _reaction(self, event: CloudEvent, before: dict[str, list[object]]) -> Reaction | None:
        """The first line that this event completes."""
        for reaction in self._reactions:
            others = {one.type() for one in reaction.after} - {event.type}
            waits_for_it = len(others) < len(reaction.after)
            if waits_for_it and others <= before.keys() and (reaction.every_time or event.type not in before):
                return reaction
        return None

    def _lines_for(self, event: CloudEvent) -> list[Reaction]:
        """What the event alone may lead to: the service's database may be what fails."""
        return [line for line in self._reactions if any(one.type() == event.type for one in line.after)]

    def _retry_policy(self, event: CloudEvent) -> RetryPolicy:
        if any(line.only_forward for line in self._lines_for(event)):
            return RetryPolicy(longest=60, give_up_after=self._undo_deadline)
        return RetryPolicy(longest=10, give_up_after=self._step_deadline)

    def _may_overtake(self, failing: CloudEvent, waiting: CloudEvent) -> bool:
        """Nobody waits for a step that is to be undone: its undo goes first, and then it is too late for the step."""
        steps = self._lines_for(failing)
        return not any(line.only_forward for line in steps) and any(
            line.only_forward for line in self._lines_for(waiting)
        )

    def _on_dead_letter(self, failure: DeliveryFailure, _of_order: Sequence[Recorded]) -> CloudEvent | None:
        """A step that gives up is undone by all; an undo that gives up needs an operator."""
        event = failure.recorded.event
        problem = failure.error.removeprefix("NonRetryable: ")
        if problem.startswith(KeyReused.name):
            return None  # the key is another order's: nothing may be undone under it
        lines = self._lines_for(event)
        step = lines[0].step
        said: Event
        if any(line.only_forward for line in lines):
            said = AttentionNeeded(step=step, problem=problem)
        elif lines[0].every_time:
            return None
        else:
            said = OrderStalled(step=step, reason=f"Outage: no answer from {step} in time ({problem})")
        return new_event(
            said.type(),
            said.model_dump(mode="json"),
            event_id=event_id(event.id, self._service, str(failure.attempts), said.type()),
            source=f"/choreography/{self._service}",
            correlation=event.correlationid,
            causation=event.id,
            style=event.style,
        )
