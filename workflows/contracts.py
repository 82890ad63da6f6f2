"""A saga's input and updates, and its names on the Temporal server."""

from typing import Any, Self

from pydantic import field_serializer

from client.order import Order
from kernel.contracts import Contract, Policy, Steps
from services.orders.contracts import Address, OrderLine

TASK_QUEUE = "saga"
WORKFLOW = "OrderSaga"

_ID_PREFIX = "order-"


def workflow_id(order_id: str) -> str:
    return _ID_PREFIX + order_id


def order_id_of(workflow_id: str) -> str:
    return workflow_id.removeprefix(_ID_PREFIX)


class OrderInput(Contract):
    """An order as the saga gets it. What it does not know it ignores: who started it may be newer."""

    order_id: str
    customer_id: str
    lines: tuple[OrderLine, ...]
    payment_token: str
    ship_to: Address

    @classmethod
    def of(cls, order: Order) -> Self:
        return cls.model_validate(order.content())

    def content(self) -> dict[str, Any]:
        """In JSON's types, without what was not given."""
        return self.model_dump(mode="json", exclude_unset=True)


class PlaceOrder(Contract):
    """`steps` is the queue for orders that began before there was a choice. `again`: an earlier run ended too early."""

    order: OrderInput
    policy: Policy = Policy()
    steps: Steps = Steps.QUEUE
    again: bool = False

    @field_serializer("order")
    def _as_given(self, order: OrderInput) -> dict[str, Any]:
        """Without what was not given: the workers may be older than who starts the saga, and refuse what is new."""
        return order.content()


BEING_CANCELLED = "BeingCancelled"  # why a second cancel is refused


class CancelRequest(Contract):
    """`actor` is who cancels the order for its customer."""

    reason: str = ""
    actor: str = ""
