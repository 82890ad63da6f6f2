"""The events that the orders service publishes."""

from typing import ClassVar

from kernel.contracts import Contract, Event, FailureEvent
from kernel.money import Money
from services.orders.contracts import Address, OrderStatus


class PricedLine(Contract):
    """A line of an order; `unit_price` is the catalogue's at that time."""

    sku: str
    quantity: int
    unit_price: Money


class OrderCreated(Event):
    """The order is on record. No other event has the card or the address: consumers that need them must keep them."""

    private: ClassVar[tuple[str, ...]] = ("payment_token", "ship_to")

    customer_id: str
    lines: tuple[PricedLine, ...]
    total: Money
    payment_token: str
    ship_to: Address


class OrderCompleted(Event):
    """Paid and shipped."""

    customer_id: str
    total: Money


class OrderRejected(FailureEvent):
    """The order has failed. `customer_id` is empty if the order was never recorded."""

    customer_id: str = ""


class OrderCancelled(Event):
    """The customer cancelled the order; `actor` is who did so on the customer's behalf."""

    reason: str
    customer_id: str = ""
    actor: str = ""


class OrderFlagged(Event):
    """The order needs an operator for `problem`, or no longer if it is empty; `actor` settled `settled` by hand."""

    problem: str
    settled: str
    actor: str = ""


class OrderAdjusted(Event):
    """Something was settled outside after the order was completed.

    `refunded` is the total refunded there; `returned`: the parcel came back.
    """

    refunded: Money
    returned: bool
    note: str


# The status that each final event gives. Should an order have more than one of them, the first in this list counts.
ENDS: dict[type[Event], OrderStatus] = {
    OrderCompleted: OrderStatus.COMPLETED,
    OrderRejected: OrderStatus.REJECTED,
    OrderCancelled: OrderStatus.CANCELLED,
}
END_OF_TYPE = {event.type(): status for event, status in ENDS.items()}
