"""What people publish, and what the choreography itself publishes when something does not move."""

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
    """A customer wants this."""

    private: ClassVar[tuple[str, ...]] = ("order",)

    order: OrderContent


class CancelRequested(Event):
    """The customer does not want it any more; `actor` is who says so for the customer."""

    reason: str
    actor: str = ""


class ReviewDecided(Event):
    """What a person decided on a possible fraud, or the deadline when no person did."""

    decision: Decision
    note: str
    actor: str = ""


class OrderStalled(FailureEvent):
    """Nothing happened to the order for longer than a step may take, or a step gave up: `step` is empty if unknown."""

    step: str


class AttentionNeeded(Event):
    """What must be done cannot be: an undo, or a step past the pivot. An operator settles it."""

    step: str
    problem: str


class AttentionSettled(Event):
    """What the operator `actor` did: `step` is empty for all that is stuck; `note` says how, if it was by hand."""

    step: str
    note: str
    reason: str = ""  # why the order is undone, if it is
    actor: str = ""


# Who publishes what no service does, by CloudEvents' `source`.
PUBLISHED: dict[str, tuple[type[Event], ...]] = {
    "/customer": (OrderPlaced, CancelRequested),
    "/reviewer": (ReviewDecided,),
    "/choreography": (OrderStalled, AttentionNeeded, ReviewDecided),
    "/operator": (AttentionSettled,),
}
