"""What a saga is given, what it can be asked and told, and how it ends."""

from enum import StrEnum

from temporalio.common import SearchAttributeKey

from services.contracts import Contract, Money, Seconds
from services.fraud.contracts import Decision
from services.orders.contracts import Order, OrderStatus

TASK_QUEUE = "saga"
WORKFLOW = "OrderSaga"

# Search attributes are never encrypted, so they hold nothing personal.
ORDER_STATUS = SearchAttributeKey.for_keyword("OrderStatus")
ORDER_STAGE = SearchAttributeKey.for_keyword("OrderStage")
ORDER_REASON = SearchAttributeKey.for_keyword("OrderReason")


class Stage(StrEnum):
    """What an order is waiting for, finer than its status."""

    PROCESSING = "processing"
    REVIEW = "review"
    UNDOING = "undoing"
    ATTENTION = "attention"
    ENDED = "ended"


class Policy(Contract):
    """How patient a saga is, in seconds. It travels with the order, so a change of settings affects new orders only.

    A step that nobody answered within `step_deadline` is undone; an undo that failed for `undo_deadline` needs an
    operator; an order held for `review_deadline` is declined. `attempt_timeout` is one attempt's.
    """

    attempt_timeout: Seconds = 10
    step_deadline: Seconds = 600
    undo_deadline: Seconds = 3600
    review_deadline: Seconds = 86_400


class PlaceOrder(Contract):
    order: Order
    policy: Policy = Policy()


class StepReport(Contract):
    """One activity of the saga, and how far it is."""

    step: str
    state: str
    detail: str = ""


class OrderState(Contract):
    """Where an order stands; also the saga's result. `reason` is empty while nothing went wrong."""

    order_id: str
    status: OrderStatus
    stage: Stage
    reason: str = ""
    total: Money | None = None
    tracking_number: str = ""
    problems: tuple[str, ...] = ()
    steps: tuple[StepReport, ...] = ()


class CancelRequest(Contract):
    reason: str = ""


class Review(Contract):
    """A person's decision on an order that is held as a possible fraud."""

    decision: Decision
    note: str = ""


class ResolveBy(StrEnum):
    RETRY = "retry"
    RESOLVED = "resolved"


class Resolution(Contract):
    """An operator's way out: try again what failed, or record that it was settled by hand.

    `step` is the one that is meant, such as `payments.refund`; empty for all that are stuck.
    """

    decision: ResolveBy
    note: str = ""
    step: str = ""
