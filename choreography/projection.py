"""One choreographed order's state, derived from its events, in the terms of the orchestrated saga's state."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from choreography.events import AttentionNeeded, AttentionSettled, OrderPlaced, OrderStalled, ReviewDecided
from choreography.order_events import in_words, is_past_pivot, problems_of, reason_of, stop_of
from choreography.reactions import REACTIONS
from client.contracts import OrderState, Stage, StepReport
from kernel.contracts import Event, FailureEvent, Style
from kernel.envelope import CloudEvent
from kernel.money import Money
from kernel.service import Kind
from messaging.bus import Recorded
from services.orders.contracts import OrderStatus
from services.orders.events import ENDS, OrderCreated
from services.shipping.events import Shipped

# With these, a service holds an order until a person decides.
_HELD = tuple(
    event for line in REACTIONS for event in line.after if ReviewDecided in line.after and event in line.service.events
)


def _state(event: type[Event], kind: Kind) -> str:
    if kind is Kind.UNDO:
        return "undone"
    if issubclass(event, FailureEvent):
        return "refused"
    return "held" if event in _HELD else "done"


def _steps() -> dict[str, tuple[str, str]]:
    """Each event type's step and state. Where two operations publish it, an undo wins, or else the first."""
    steps: dict[str, tuple[str, str]] = {}
    for line in sorted(REACTIONS, key=lambda line: line.kind is not Kind.UNDO):
        if line.kind is not Kind.NOTE:
            for event in line.operation.events:
                steps.setdefault(event.type(), (line.step, _state(event, line.kind)))
    return steps


_STEPS = _steps()


class OrderView:
    """An order's state, derived from its events in the log's order.

    Attributes:
        problems: what needs an operator, by step; the step is empty if only a deadline has passed.
        stop: the event after which the order is to be undone, if any.
        is_past_pivot: whether it can only go forward, even if `stop` is set.
        held: the event that a person must decide on, until a decision is made.
        end: how it ended.
    """

    def __init__(self, order_id: str, events: Sequence[Recorded]) -> None:
        self.order_id = order_id
        # An orchestrated order may have been placed under the same id at the same moment.
        self.events = [one.event for one in events if one.event.style == Style.CHOREOGRAPHY]
        self._first = {event.type: event for event in reversed(self.events)}
        self.problems = problems_of(self.events)
        self.stop = stop_of(self.events)
        self.is_past_pivot = is_past_pivot(self.events)
        self.end = next((status for event, status in ENDS.items() if self.first(event)), None)
        decided = self.first(ReviewDecided) is not None
        self.held = None if decided or self.stop else next(filter(None, map(self.first, _HELD)), None)

    def first(self, event: type[Event]) -> CloudEvent | None:
        return self._first.get(event.type())

    @property
    def is_choreographed(self) -> bool:
        return self.first(OrderPlaced) is not None

    @property
    def is_being_undone(self) -> bool:
        return self.stop is not None and not self.is_past_pivot

    @property
    def status(self) -> OrderStatus:
        return self.end or (OrderStatus.NEEDS_ATTENTION if self.problems else OrderStatus.IN_PROGRESS)

    @property
    def stage(self) -> Stage:
        if self.end:
            return Stage.ENDED
        if self.problems:
            return Stage.ATTENTION
        if self.is_being_undone:
            return Stage.UNDOING
        return Stage.REVIEW if self.held else Stage.PROCESSING

    @property
    def reason(self) -> str:
        """Why it ended or is being undone; empty while nothing went wrong."""
        if self.end is OrderStatus.COMPLETED:
            return ""
        ended = next((self.first(event) for event, status in ENDS.items() if status is self.end), None)
        why = ended or self.stop
        if why:
            return reason_of(why)
        if self.held:
            return f"{self.held.type}: {', '.join(self.held.data['rules'])} (score {self.held.data['score']})"
        return ""

    @property
    def since(self) -> datetime | None:
        """Since when it waits for a person; None if it does not."""
        if self.stage is Stage.REVIEW and self.held:
            return self.held.time
        if self.stage is not Stage.ATTENTION:
            return None
        needed = {e.data["step"]: e.time for e in self.events if e.type == AttentionNeeded.type()}
        return min((at for step, at in needed.items() if step in self.problems), default=None)

    @property
    def steps(self) -> tuple[StepReport, ...]:
        reports: dict[str, StepReport] = {}
        for event in self.events:
            if event.type in _STEPS:
                step, state = _STEPS[event.type]
                if event.data.get("had_effect", True):
                    reports[step] = StepReport(step=step, state=state, detail=_detail(event.data))
            elif event.type in (OrderStalled.type(), AttentionNeeded.type()) and event.data["step"]:
                step, problem = event.data["step"], event.data.get("problem") or event.data["reason"]
                reports[step] = StepReport(step=step, state="failed", detail=problem)
            elif event.type == AttentionSettled.type() and event.data["note"]:
                for step in [one.step for one in reports.values() if one.state == "failed"]:
                    if event.data["step"] in ("", step):
                        reports[step] = StepReport(step=step, state="settled by hand", detail=event.data["note"])
        return tuple(reports.values())

    @property
    def state(self) -> OrderState:
        created, shipped = self.first(OrderCreated), self.first(Shipped)
        return OrderState(
            order_id=self.order_id,
            status=self.status,
            stage=self.stage,
            reason=self.reason,
            total=Money.model_validate(created.data["total"]) if created else None,
            tracking_number=shipped.data["tracking_number"] if shipped else "",
            problems=() if self.end else in_words(self.problems),
            steps=self.steps,
            since=self.since,
        )


def _detail(data: dict[str, Any]) -> str:
    detail: str = data.get("reason") or data.get("note") or ""
    return detail
