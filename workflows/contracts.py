"""The saga's input and updates, and its names on the Temporal server."""

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
    """The saga's input. Unknown fields are ignored: the client that started it may be newer."""

    order_id: str
    customer_id: str
    lines: tuple[OrderLine, ...]
    payment_token: str
    ship_to: Address

    @classmethod
    def of(cls, order: Order) -> Self:
        return cls.model_validate(order.content())

    def content(self) -> dict[str, Any]:
        """In JSON's types, without fields that were not set."""
        return self.model_dump(mode="json", exclude_unset=True)


class PlaceOrder(Contract):
    """`steps` is `QUEUE` for orders older than the field. `again`: an earlier run ended before the order did."""

    order: OrderInput
    policy: Policy = Policy()
    steps: Steps = Steps.QUEUE
    again: bool = False

    @field_serializer("order")
    def _as_given(self, order: OrderInput) -> dict[str, Any]:
        """Fields that were not set are left out: older workers may refuse new fields."""
        return order.content()


BEING_CANCELLED = "BeingCancelled"  # why a second cancel is refused


class CancelRequest(Contract):
    """`actor` is who cancels the order on the customer's behalf."""

    reason: str = ""
    actor: str = ""
