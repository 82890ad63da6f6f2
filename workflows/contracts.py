"""What a saga is started with, its names on the Temporal server, and the search attributes of orders."""

from temporalio.common import SearchAttributeKey

from kernel.contracts import Contract, Policy
from services.orders.contracts import Order

TASK_QUEUE = "saga"
WORKFLOW = "OrderSaga"

# Search attributes are never encrypted, so they hold nothing personal.
ORDER_STATUS = SearchAttributeKey.for_keyword("OrderStatus")
ORDER_STAGE = SearchAttributeKey.for_keyword("OrderStage")
ORDER_REASON = SearchAttributeKey.for_keyword("OrderReason")


class PlaceOrder(Contract):
    order: Order
    policy: Policy = Policy()


class CancelRequest(Contract):
    reason: str = ""
