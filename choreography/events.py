"""The events that clients publish, and those that the choreography publishes when an order stalls or gets stuck."""

from typing import Annotated, ClassVar

from pydantic import Field

from kernel.contracts import Contract, Event, FailureEvent
from services.fraud.contracts import Decision
from services.orders.contracts import MAX_LINES, Address, OrderId, OrderLine, Text


class OrderContent(Contract):
    """An order as its customer placed it. It carries no price: prices come from the catalogue."""

    private: ClassVar[tuple[str, ...]] = ("payment_token", "ship_to")

    order_id: OrderId
    customer_id: Text
    lines: Annotated[tuple[OrderLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    payment_token: Text
    ship_to: Address


class OrderPlaced(Event):
    """A customer has placed this order."""

    private: ClassVar[tuple[str, ...]] = ("order",)

    order: OrderContent


class CancelRequested(Event):
    """The customer cancels the order; `actor` is who did so on the customer's behalf."""

    reason: str
    actor: str = ""


class ReviewDecided(Event):
    """The decision on a possible fraud, by a person or by the deadline."""

    decision: Decision
    note: str
    actor: str = ""


class OrderStalled(FailureEvent):
    """The order had no event for longer than the step deadline, or a step gave up. `step` is empty if unknown."""

    step: str


class AttentionNeeded(Event):
    """An undo, or a step past the pivot, could not be done. An operator must settle it."""

    step: str
    problem: str


class AttentionSettled(Event):
    """The operator `actor` settled `step` (empty: all that is stuck). `note` is empty for a retry."""

    step: str
    note: str
    reason: str = ""  # why the order is undone, if it is
    actor: str = ""


# The events that no service publishes, by their CloudEvents `source`.
PUBLISHED: dict[str, tuple[type[Event], ...]] = {
    "/customer": (OrderPlaced, CancelRequested),
    "/reviewer": (ReviewDecided,),
    "/choreography": (OrderStalled, AttentionNeeded, ReviewDecided),
    "/operator": (AttentionSettled,),
}
