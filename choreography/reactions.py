"""The whole event-driven saga as one table: once all of these events were heard of an order, this service does that.

What `workflows/order_saga.py` says as a story stands here in pieces, a line for each service that is interested. To
follow an order, look for the line that waits for the event that the line before it tells.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import choreography.commands as commands
from choreography.events import (
    AttentionNeeded,
    AttentionSettled,
    CancelRequested,
    OrderPlaced,
    OrderStalled,
    ReviewDecided,
)
from kernel.contracts import Command, Event, FailureEvent
from services.fraud.events import FraudConfirmed, NoFraudDetected, PossibleFraud
from services.inventory.events import OutOfStock, StockReleased, StockReserved
from services.orders.events import OrderCreated, OrderRejected
from services.payments.events import PaymentFailed, PaymentProcessed, PaymentRefunded
from services.shipping.events import ShipmentCancelled, Shipped, ShippingFailed


@dataclass(frozen=True)
class Reaction:
    """When `service` has heard all of `after`, it does `does`, with the command that `by` makes of what it heard.

    It does so once an order, or `every_time` that one of them is heard. A refusal is told as `says_no`.
    """

    service: str
    after: tuple[type[Event], ...]
    does: str
    by: Callable[[commands.Heard], Command]
    refused: type[FailureEvent] | None = None
    every_time: bool = False

    @property
    def step(self) -> str:
        return f"{self.service}.{self.does}"

    @property
    def only_forward(self) -> bool:
        """An undo, or past the pivot: it must be done, or an operator must know."""
        return self.refused is None and not self.every_time


# Nothing is shipped before both.
CLEARED_AND_PAID = (NoFraudDetected, PaymentProcessed)

# What services tell once nothing of an order is left with them.
UNDONE = (StockReleased, PaymentRefunded)
ALL_UNDONE = (*UNDONE, ShipmentCancelled)


def _on(service: str, *after: type[Event], does: str, by: Callable[[commands.Heard], Command], **more: Any) -> Reaction:
    return Reaction(service, after, does, by, **more)


# fmt: off
REACTIONS = (
    # The order goes well.
    _on("orders", OrderPlaced, does="create", by=commands.create, refused=OrderRejected),
    _on("fraud", OrderCreated, does="screen", by=commands.screen, refused=FraudConfirmed),
    _on("inventory", OrderCreated, does="reserve", by=commands.reserve, refused=OutOfStock),
    _on("payments", OrderCreated, StockReserved, does="charge", by=commands.charge, refused=PaymentFailed),
    _on("fraud", PossibleFraud, ReviewDecided, does="decide", by=commands.decide, refused=FraudConfirmed),
    _on("shipping", OrderCreated, *CLEARED_AND_PAID, does="ship", by=commands.ship, refused=ShippingFailed),
    _on("orders", Shipped, does="complete", by=commands.complete),

    # A service says no, and who did something for the order undoes it.
    _on("inventory", PaymentFailed, does="release", by=commands.undo("reserve", PaymentFailed)),
    _on("inventory", ShippingFailed, does="release", by=commands.undo("reserve", ShippingFailed)),
    _on("inventory", FraudConfirmed, does="release", by=commands.undo("reserve", FraudConfirmed)),
    _on("payments", ShippingFailed, does="refund", by=commands.undo("charge", ShippingFailed)),
    _on("payments", FraudConfirmed, does="refund", by=commands.undo("charge", FraudConfirmed)),

    # The customer does not want it any more, or it does not move. Shipping is asked first: it knows the pivot.
    _on("shipping", CancelRequested, does="withdraw", by=commands.undo("ship", CancelRequested)),
    _on("shipping", OrderStalled, does="withdraw", by=commands.undo("ship", OrderStalled)),
    _on("payments", ShipmentCancelled, does="refund", by=commands.undo("charge", ShipmentCancelled)),
    _on("inventory", ShipmentCancelled, does="release", by=commands.undo("reserve", ShipmentCancelled)),

    # The order ends when nothing is left of it.
    _on("orders", OutOfStock, does="reject", by=commands.undo("create", OutOfStock)),
    _on("orders", PaymentFailed, StockReleased, does="reject", by=commands.undo("create", PaymentFailed)),
    _on("orders", ShippingFailed, *UNDONE, does="reject", by=commands.undo("create", ShippingFailed)),
    _on("orders", FraudConfirmed, *UNDONE, does="reject", by=commands.undo("create", FraudConfirmed)),
    _on("orders", CancelRequested, *ALL_UNDONE, does="cancel", by=commands.undo("create", CancelRequested)),
    _on("orders", OrderStalled, *ALL_UNDONE, does="reject", by=commands.undo("create", OrderStalled)),

    # What cannot be done waits for an operator.
    _on("orders", AttentionNeeded, does="flag", by=commands.flag, every_time=True),
    _on("orders", AttentionSettled, does="flag", by=commands.flag, every_time=True),
)
# fmt: on

# After any of these an order is not going on, but being undone.
STOPS: tuple[type[Event], ...] = (
    CancelRequested,
    OrderStalled,
    *dict.fromkeys(line.refused for line in REACTIONS if line.refused not in (None, OrderRejected)),
)
