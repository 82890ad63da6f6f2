"""The mails to customers about their orders, in plain text. Each states only what its event states.

They promise nothing: an order may end before its refund is done, so only the refund's own mail mentions money.

There is no mail for OrderCompleted, which adds nothing to Shipped.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from kernel.envelope import CloudEvent
from kernel.money import Money
from services.fraud.events import PossibleFraud
from services.inventory.contracts import NotEnoughStock
from services.orders.events import OrderCancelled, OrderCreated, OrderRejected
from services.payments.contracts import PaymentDeclined
from services.payments.events import PaymentRefunded
from services.shipping.contracts import Undeliverable
from services.shipping.events import Shipped


class MailText(NamedTuple):
    subject: str
    body: str


def mail_text(event: CloudEvent) -> MailText | None:
    """The customer's mail; None for an event that does not concern the customer."""
    text = _WRITERS[event.type](event.subject, event.data)
    return text and MailText(text.subject, f"Hello,\n\n{text.body}\n\nYour shop\n")


def _created(order: str, data: dict[str, Any]) -> MailText:
    lines = "\n".join(
        f"  {line['quantity']} × {line['sku']}, {Money.model_validate(line['unit_price'])} each"
        for line in data["lines"]
    )
    total = Money.model_validate(data["total"])
    return MailText(f"We have your order {order}", f"Thank you for order {order}:\n\n{lines}\n\nTotal: {total}")


def _looked_at(order: str, _data: dict[str, Any]) -> MailText:
    return MailText(
        f"We are looking at your order {order}",
        f"Before we ship order {order}, one of us has a look at it. You need not do anything: we will write again.",
    )


def _shipped(order: str, data: dict[str, Any]) -> MailText:
    return MailText(
        f"Your parcel with order {order} is booked",
        f"Order {order} is booked with our courier. Its tracking number is {data['tracking_number']}.",
    )


def _refunded(order: str, data: dict[str, Any]) -> MailText | None:
    if not data["had_effect"]:
        return None
    amount = Money.model_validate(data["amount"]) if data.get("amount") else "what you have paid"
    return MailText(
        f"Your money for order {order}",
        f"We have given {amount} for order {order} back to your card. Your bank may take some days to show it.",
    )


def _rejected(order: str, data: dict[str, Any]) -> MailText:
    why = _REASONS.get(data["reason"].partition(":")[0], "We could not carry it out.")
    return MailText(
        f"We cannot fulfil your order {order}",
        f"We are sorry: order {order} has ended without a parcel. {why}",
    )


def _cancelled(order: str, _data: dict[str, Any]) -> MailText:
    return MailText(
        f"Your order {order} is cancelled",
        f"Order {order} is cancelled.",
    )


# Customers get no reason for a suspected fraud, nor for an outage.
_REASONS = {
    PaymentDeclined.name: "Your card was declined.",
    NotEnoughStock.name: "Not everything that you ordered is in stock.",
    Undeliverable.name: "We cannot deliver to your address.",
}
_WRITERS: dict[str, Callable[[str, dict[str, Any]], MailText | None]] = {
    OrderCreated.type(): _created,
    PossibleFraud.type(): _looked_at,
    Shipped.type(): _shipped,
    PaymentRefunded.type(): _refunded,
    OrderRejected.type(): _rejected,
    OrderCancelled.type(): _cancelled,
}
MAILED = tuple(_WRITERS)
