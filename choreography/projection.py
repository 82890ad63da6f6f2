"""What the archive says of an order, in the same words as the saga's own state."""

from collections.abc import Sequence
from typing import Any

from choreography.events import (
    AttentionNeeded,
    AttentionSettled,
    OrderPlaced,
    OrderStalled,
    ReviewDecided,
)
from choreography.reactions import STOPS
from client.contracts import OrderState, Stage, StepReport
from kernel.contracts import Event
from kernel.envelope import CloudEvent
from kernel.money import Money
from messaging.bus import Recorded
from services.fraud.events import FraudConfirmed, NoFraudDetected, PossibleFraud
from services.inventory.events import OutOfStock, StockReleased, StockReserved
from services.orders.contracts import OrderStatus
from services.orders.events import OrderCancelled, OrderCompleted, OrderCreated, OrderRejected
from services.payments.events import PaymentFailed, PaymentProcessed, PaymentRefunded
from services.shipping.events import ShipmentCancelled, Shipped, ShippingFailed

_ENDS: dict[str, OrderStatus] = {
    OrderCompleted.type(): OrderStatus.COMPLETED,
    OrderRejected.type(): OrderStatus.REJECTED,
    OrderCancelled.type(): OrderStatus.CANCELLED,
}
# Which step an event tells of, and how far it is.
_STEPS: dict[type[Event], tuple[str, str]] = {
    OrderCreated: ("orders.create", "done"),
    NoFraudDetected: ("fraud.screen", "done"),
    PossibleFraud: ("fraud.screen", "held"),
    FraudConfirmed: ("fraud.screen", "refused"),
    StockReserved: ("inventory.reserve", "done"),
    OutOfStock: ("inventory.reserve", "refused"),
    StockReleased: ("inventory.release", "undone"),
    PaymentProcessed: ("payments.charge", "done"),
    PaymentFailed: ("payments.charge", "refused"),
    PaymentRefunded: ("payments.refund", "undone"),
    Shipped: ("shipping.ship", "done"),
    ShippingFailed: ("shipping.ship", "refused"),
    ShipmentCancelled: ("shipping.withdraw", "undone"),
    OrderCompleted: ("orders.complete", "done"),
    OrderRejected: ("orders.reject", "undone"),
    OrderCancelled: ("orders.cancel", "undone"),
}
_STEP_OF = {event.type(): step for event, step in _STEPS.items()}


def state_of(order_id: str, events: Sequence[Recorded]) -> OrderState:
    """Where the order stands, from its events in the log's order."""
    heard = [recorded.event for recorded in events]
    of = {event.type: event for event in reversed(heard)}  # each type's first
    problems = _problems(heard)
    end = next((status for event, status in _ENDS.items() if event in of), None)
    status = end or (OrderStatus.NEEDS_ATTENTION if problems else OrderStatus.IN_PROGRESS)
    created, shipped = of.get(OrderCreated.type()), of.get(Shipped.type())
    return OrderState(
        order_id=order_id,
        status=status,
        stage=Stage.ENDED if end else _stage(of, problems),
        reason=_reason(of),
        total=Money.model_validate(created.data["total"]) if created else None,
        tracking_number=shipped.data["tracking_number"] if shipped else "",
        problems=tuple(f"{step}: {problem}" if step else problem for step, problem in problems.items()),
        steps=tuple(_reports(heard)),
    )


def is_choreographed(events: Sequence[Recorded]) -> bool:
    return any(recorded.event.type == OrderPlaced.type() for recorded in events)


def _stage(of: dict[str, CloudEvent], problems: dict[str, str]) -> Stage:
    if problems:
        return Stage.ATTENTION
    if any(event.type() in of for event in STOPS) and Shipped.type() not in of:
        return Stage.UNDOING
    if PossibleFraud.type() in of and not {NoFraudDetected.type(), ReviewDecided.type()} & of.keys():
        return Stage.REVIEW
    return Stage.PROCESSING


def _reason(of: dict[str, CloudEvent]) -> str:
    """Of its end, or of what stops it; empty while nothing went wrong."""
    if OrderCompleted.type() in of:
        return ""
    told: tuple[type[Event], ...] = (OrderRejected, OrderCancelled, *STOPS)
    for event in told:
        if event.type() in of:
            reason: str = of[event.type()].data["reason"]
            return reason
    held = of.get(PossibleFraud.type())
    if held and not {NoFraudDetected.type(), ReviewDecided.type()} & of.keys():
        return f"PossibleFraud: {', '.join(held.data['rules'])} (score {held.data['score']})"
    return ""


def _problems(heard: Sequence[CloudEvent]) -> dict[str, str]:
    """What needs an operator, by step: what was needed, but for what was settled or done since."""
    problems: dict[str, str] = {}
    for event in heard:
        if event.type == AttentionNeeded.type():
            problems[event.data["step"]] = event.data["problem"]
        elif event.type == AttentionSettled.type():
            settled = event.data["step"]
            problems = {step: problem for step, problem in problems.items() if settled not in ("", step)}
        elif event.type in _STEP_OF:
            problems.pop(_STEP_OF[event.type][0], None)
    return problems


def _reports(heard: Sequence[CloudEvent]) -> list[StepReport]:
    reports: dict[str, StepReport] = {}
    for event in heard:
        if event.type in _STEP_OF:
            step, state = _STEP_OF[event.type]
            if event.data.get("had_effect", True):
                reports[step] = StepReport(step=step, state=state, detail=_detail(event.data))
        elif event.type in (OrderStalled.type(), AttentionNeeded.type()) and event.data["step"]:
            step, problem = event.data["step"], event.data.get("problem") or event.data["reason"]
            reports[step] = StepReport(step=step, state="failed", detail=problem)
    return list(reports.values())


def _detail(data: dict[str, Any]) -> str:
    detail: str = data.get("reason") or data.get("note") or ""
    return detail
