"""What the services have on record of an order: stock, money and parcel, from each change on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from client.contracts import OrderHistory, Resolution, ResolveBy
from kernel.contracts import Event
from kernel.envelope import CloudEvent
from kernel.money import Money
from services.inventory.declaration import INVENTORY
from services.inventory.events import StockReleased, StockReserved
from services.payments.declaration import PAYMENTS
from services.payments.events import PaymentProcessed, PaymentRefunded
from services.shipping.declaration import SHIPPING
from services.shipping.events import ShipmentCancelled, Shipped


@dataclass(frozen=True)
class Moment:
    """The records of an order from this moment on: `at` in milliseconds since 1970, money in minor units.

    They agree when nothing is kept of the order, or when it is paid, its stock taken, and its parcel out. What an
    operator settled by hand counts as done, though the service has no record of it: `by_hand` are those services.
    """

    at: int = 0
    pieces: int = 0
    charged: int = 0
    refunded: int = 0
    currency: str = ""
    parcel: str = ""
    by_hand: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        return len({self.pieces > 0, self.charged > self.refunded, bool(self.parcel)}) == 1

    def document(self) -> dict[str, Any]:
        by_hand = " by hand" if PAYMENTS.name in self.by_hand and self.refunded else ""
        return {
            "at": self.at,
            "pieces": self.pieces,
            "charged": _amount(self.charged, self.currency),
            "refunded": _amount(self.refunded, self.currency) + by_hand,
            "kept": self.charged - self.refunded,
            "parcel": self.parcel,
            "by_hand": list(self.by_hand),
            "agree": self.agree,
        }


def moments(events: Sequence[CloudEvent], history: OrderHistory) -> Iterator[Moment]:
    """The records after each event and resolution that changes them."""
    changes: list[tuple[datetime, CloudEvent | Resolution]] = [(event.time, event) for event in events]
    changes += [(one.at, one.resolution) for one in history.resolved]
    stuck = [one.step for one in history.failed if one.gave_up]
    now = Moment()
    for at, change in sorted(changes, key=lambda one: one[0]):
        if isinstance(change, Resolution):
            after = _settled(now, change, [change.step] if change.step else stuck)
        else:
            after = _recorded(now, change)
        if after != now:
            now = replace(after, at=round(at.timestamp() * 1000))
            yield now


def _recorded(now: Moment, event: CloudEvent) -> Moment:
    data = event.data
    if _is(event, StockReserved):
        return replace(now, pieces=sum(line["quantity"] for line in data["lines"]))
    if _is(event, StockReleased):
        return replace(now, pieces=0)
    if _is(event, PaymentProcessed):
        return replace(now, charged=data["amount"]["amount"], currency=data["amount"]["currency"])
    if _is(event, PaymentRefunded) and data.get("amount"):
        return replace(now, refunded=data["amount"]["amount"])
    if _is(event, Shipped):
        return replace(now, parcel=data["tracking_number"] or "delivered")
    if _is(event, ShipmentCancelled):
        return replace(now, parcel="")
    return now


def _settled(now: Moment, given: Resolution, steps: Sequence[str]) -> Moment:
    if given.decision is ResolveBy.RETRY:
        return now
    if given.decision is ResolveBy.DELIVERED:
        return replace(now, parcel=now.parcel or "delivered", by_hand=(*now.by_hand, SHIPPING.name))
    for service in (step.partition(".")[0] for step in steps):
        if service == PAYMENTS.name:
            now = replace(now, refunded=now.charged)
        elif service == INVENTORY.name:
            now = replace(now, pieces=0)
        elif service == SHIPPING.name:
            now = replace(now, parcel="")
        now = replace(now, by_hand=(*now.by_hand, service))
    return now


def _is(event: CloudEvent, kind: type[Event]) -> bool:
    return event.type == kind.type()


def _amount(amount: int, currency: str) -> str:
    return str(Money(amount=amount, currency=currency)) if amount else ""
