"""What clients see of an order and may decide, the same in both styles."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kernel.contracts import Contract, Style
from kernel.money import Money
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus


class Stage(StrEnum):
    """What an order is waiting for, in more detail than its status."""

    PROCESSING = "processing"
    REVIEW = "review"
    UNDOING = "undoing"
    ATTENTION = "attention"
    ENDED = "ended"


class StepReport(Contract):
    """One activity of the saga, and its state."""

    step: str
    state: str
    detail: str = ""


class PendingStep(Contract):
    """A step or an undo that is running or being retried.

    Attributes:
        attempt: the number of the attempt that is running or next.
        error: why the last attempt failed, for people to read; empty if none has.
        since: when it was first scheduled.
        next_attempt: when it is retried; None while an attempt is running, or if unknown.
        deadline: when retrying ends.
    """

    step: str
    attempt: int
    error: str = ""
    since: datetime
    next_attempt: datetime | None = None
    deadline: datetime | None = None


class FailedAttempts(Contract):
    """The attempts of one step or undo that failed.

    Attributes:
        error: why the last one failed, for people to read.
        since: when the step was first scheduled or, in a choreographed order, when it first failed.
        until: when they ended: the step was done, was settled by hand, or was given up. None while it is retried.
        gave_up: whether it is not retried any more: an operator must settle it, or the order is undone.
    """

    step: str
    count: int
    error: str
    since: datetime
    until: datetime | None = None
    gave_up: bool = False


class OrderState(Contract):
    """An order's state, which is also the saga's result. `reason` is empty while nothing went wrong.

    While the order waits for a person, `since` is when that began and `deadline` when it ends; else both are None.
    """

    order_id: str
    status: OrderStatus
    stage: Stage
    reason: str = ""
    total: Money | None = None
    tracking_number: str = ""
    problems: tuple[str, ...] = ()
    steps: tuple[StepReport, ...] = ()
    since: datetime | None = None
    deadline: datetime | None = None


class Review(Contract):
    """A person's decision on an order that is held as a possible fraud; `actor` is that person."""

    decision: Decision
    note: str = ""
    actor: str = ""


class ResolveBy(StrEnum):
    """An operator's decision on what is stuck.

    `resolved` means that it was settled by hand. A shipment that cannot be called back has two decisions of its own:
    `returned` (the rest is undone) and `delivered` (the order is completed).
    """

    RETRY = "retry"
    RESOLVED = "resolved"
    RETURNED = "returned"
    DELIVERED = "delivered"

    @property
    def is_about_a_parcel(self) -> bool:
        return self in (ResolveBy.RETURNED, ResolveBy.DELIVERED)


class Resolution(Contract):
    """An operator's decision on an order that needs attention: retry, or record that it was settled by hand.

    `step` is the stuck step, such as `payments.refund`; empty for all stuck steps. `actor` is the operator.
    """

    decision: ResolveBy
    note: str = ""
    step: str = ""
    actor: str = ""


class Resolved(Contract):
    """A resolution that was applied, and when."""

    resolution: Resolution
    at: datetime


class OrderHistory(Contract):
    """What an order went through that its state does not show any more."""

    failed: tuple[FailedAttempts, ...] = ()
    resolved: tuple[Resolved, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether something is still being retried."""
        return any(one.until is None for one in self.failed)


@dataclass(frozen=True)
class PlacedOrder:
    """An order as clients see it. A choreographed order has no workflow, so `workflow_id` and `link` are empty.

    `pending` (what is running or being retried) is set by `get` only, `customer_id` by lists only.
    """

    state: OrderState
    style: Style = Style.ORCHESTRATION
    workflow_id: str = ""
    link: str = ""
    placed_at: datetime | None = None
    pending: tuple[PendingStep, ...] = ()
    customer_id: str = ""
