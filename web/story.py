"""An order's JSON documents for browsers: one for its state, and one for each event."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from choreography.causes import causes
from client.contracts import PlacedOrder, Stage
from kernel.contracts import Event, FailureEvent
from kernel.envelope import CloudEvent
from kernel.money import Money
from kernel.service import Kind
from messaging.bus import Recorded
from services import SERVICES
from services.inventory.events import StockReleased, StockReserved
from services.orders.events import END_OF_TYPE
from services.payments.events import PaymentProcessed, PaymentRefunded
from services.shipping.events import ShipmentCancelled, Shipped
from subscribers.redaction import UnknownEvent, redacted

Json = dict[str, Any]


def _about() -> dict[str, tuple[str, str]]:
    """The step and outcome of each event type. If two operations publish one type, an undo wins, else the first."""
    found: dict[str, tuple[str, str]] = {}
    operations = [(service, operation) for service in SERVICES for operation in service.operations]
    for service, operation in sorted(operations, key=lambda one: one[1].kind is not Kind.UNDO):
        for event in operation.events:
            became = (
                "undone" if operation.kind is Kind.UNDO else "refused" if issubclass(event, FailureEvent) else "done"
            )
            found.setdefault(event.type(), (f"{service.name}.{operation.verb}", became))
    return found


_ABOUT = _about()


@dataclass(frozen=True)
class Moment:
    """The records of an order from this moment on: `at` in milliseconds since 1970, money in minor units.

    They agree when nothing is kept of the order, or when it is paid, its stock taken, and its parcel out.
    """

    at: int
    pieces: int
    charged: int
    refunded: int
    currency: str
    parcel: str

    @property
    def agree(self) -> bool:
        return len({self.pieces > 0, self.charged > self.refunded, bool(self.parcel)}) == 1

    def document(self) -> Json:
        kept = self.charged - self.refunded
        return {
            "at": self.at,
            "pieces": self.pieces,
            "charged": _amount(self.charged, self.currency),
            "refunded": _amount(self.refunded, self.currency),
            "kept": kept,
            "parcel": self.parcel,
            "agree": self.agree,
        }


def moments(events: Sequence[CloudEvent]) -> Iterator[Moment]:
    """The services' records after each event that changes them."""
    pieces, charged, refunded, currency, parcel = 0, 0, 0, "", ""
    for event in sorted(events, key=lambda event: event.time):
        data = event.data
        if _is(event, StockReserved):
            pieces = sum(line["quantity"] for line in data["lines"])
        elif _is(event, StockReleased):
            pieces = 0
        elif _is(event, PaymentProcessed):
            charged, currency = data["amount"]["amount"], data["amount"]["currency"]
        elif _is(event, PaymentRefunded) and data.get("amount"):
            refunded = data["amount"]["amount"]
        elif _is(event, Shipped):
            parcel = data["tracking_number"] or "booked"
        elif _is(event, ShipmentCancelled):
            parcel = ""
        else:
            continue
        yield Moment(_milliseconds(event), pieces, charged, refunded, currency, parcel)


def as_json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def order_document(placed: PlacedOrder, recorded: Sequence[Recorded]) -> Json:
    """An order's state; times in milliseconds since 1970."""
    state = placed.state
    events = [one.event for one in recorded]
    # Its end may be on the bus a moment before its state says so; both are shown together.
    has_ended = state.stage is Stage.ENDED
    ended = [_milliseconds(event) for event in events if event.type in END_OF_TYPE and has_ended]
    done_at = {step_of(event): _milliseconds(event) for event in events if step_of(event)}
    return {
        "order_id": state.order_id,
        "style": placed.style,
        "status": state.status,
        "stage": state.stage,
        "reason": state.reason,
        "total": str(state.total) if state.total else "",
        "tracking_number": state.tracking_number,
        "problems": list(state.problems),
        "steps": [
            {"step": one.step, "state": one.state, "detail": one.detail, "at": done_at.get(one.step)}
            for one in state.steps
        ],
        "retrying": [
            {"step": one.step, "attempt": one.attempt, "error": one.error, "since": _moment(one.since)}
            for one in placed.pending
            if one.error or one.attempt > 1
        ],
        "books": [moment.document() for moment in moments(events)],
        "began": min(map(_milliseconds, events), default=None),
        "ended": min(ended, default=None),
        "link": placed.link,
        "now": round(time.time() * 1000),
    }


def event_document(recorded: Recorded) -> Json:
    """An event without private fields: `cause` is the event or the command behind it."""
    event = recorded.event
    try:
        data = redacted(event).data
    except UnknownEvent:
        data = {}
    return {
        "position": recorded.position,
        "id": event.id,
        "type": event.type,
        "source": event.source.strip("/"),
        "step": step_of(event),
        "kind": _ABOUT.get(event.type, ("", "word"))[1],
        "at": _milliseconds(event),
        "cause": event.causationid,
        "style": event.style,
        "data": data,
    }


def step_of(event: CloudEvent) -> str:
    """The step that this event reports as done, undone or refused; empty if there is none."""
    return _ABOUT.get(event.type, ("", ""))[0]


def tree(recorded: Sequence[Recorded]) -> list[tuple[int, Json]]:
    """The events as a tree of causes: each with its depth, effects below their cause."""
    cause, known = causes(recorded), {one.event.id for one in recorded}
    lines: list[tuple[int, Json]] = []

    def grow(one: Recorded, depth: int) -> None:
        lines.append((depth, event_document(one)))
        for effect in recorded:
            if cause[effect.event.id] == one.event.id != effect.event.id:
                grow(effect, depth + 1)

    for one in recorded:
        if cause[one.event.id] not in known:
            grow(one, 0)
    return lines


def _is(event: CloudEvent, kind: type[Event]) -> bool:
    return event.type == kind.type()


def _moment(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _milliseconds(event: CloudEvent) -> int:
    return _moment(event.time)


def _amount(amount: int, currency: str) -> str:
    return str(Money(amount=amount, currency=currency)) if amount else ""
