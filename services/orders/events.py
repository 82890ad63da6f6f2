"""What the orders service publishes."""

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
    """The order is on record. Who needs the card or the address later must listen now: no other event has them."""

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
    """The order has failed. `customer_id` is empty when it never came on record."""

    customer_id: str = ""


class OrderCancelled(Event):
    """Its customer did not want it any more; `actor` is who cancelled it, if that was somebody else."""

    reason: str
    customer_id: str = ""
    actor: str = ""


class OrderFlagged(Event):
    """The order needs an operator for `problem`, or not any more if it is empty; `actor` did `settled` by hand."""

    problem: str
    settled: str
    actor: str = ""


class OrderAdjusted(Event):
    """Something was settled outside after the order was completed.

    `refunded` is how much of the charge was given back there in all; `returned`: the parcel came back.
    """

    refunded: Money
    returned: bool
    note: str


# Which event is which end of an order. It ends once: should more than one come, the first of these counts.
ENDS: dict[type[Event], OrderStatus] = {
    OrderCompleted: OrderStatus.COMPLETED,
    OrderRejected: OrderStatus.REJECTED,
    OrderCancelled: OrderStatus.CANCELLED,
}
END_OF_TYPE = {event.type(): status for event, status in ENDS.items()}
