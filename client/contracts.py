"""What an order's clients see of it and may decide, the same in either style."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kernel.contracts import Contract, Style
from kernel.money import Money
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus


class Stage(StrEnum):
    """What an order is waiting for, finer than its status."""

    PROCESSING = "processing"
    REVIEW = "review"
    UNDOING = "undoing"
    ATTENTION = "attention"
    ENDED = "ended"


class StepReport(Contract):
    """One activity of the saga, and how far it is."""

    step: str
    state: str
    detail: str = ""


class PendingStep(Contract):
    """A step or an undo that is being tried.

    Attributes:
        attempt: which attempt is next, or under way.
        error: why the last one failed, in plain words; empty if none has.
        since: when it was first asked for.
        next_attempt: when it is tried again; None while an attempt is under way, or when nobody knows.
        deadline: when it is given up.
    """

    step: str
    attempt: int
    error: str = ""
    since: datetime
    next_attempt: datetime | None = None
    deadline: datetime | None = None


class OrderState(Contract):
    """Where an order stands; also the saga's result. `reason` is empty while nothing went wrong.

    `since` is when it began to wait for a person, `deadline` until when it does so; None while it does not.
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
    """A person's decision on an order that is held as a possible fraud; `actor` is who decides."""

    decision: Decision
    note: str = ""
    actor: str = ""


class ResolveBy(StrEnum):
    """What an operator says of what is stuck.

    `resolved` is for what was settled by hand. Of a shipment that cannot be called back, one says where the parcel is:
    `returned`, and the rest is undone; or `delivered`, and the order is completed.
    """

    RETRY = "retry"
    RESOLVED = "resolved"
    RETURNED = "returned"
    DELIVERED = "delivered"

    @property
    def is_about_a_parcel(self) -> bool:
        return self in (ResolveBy.RETURNED, ResolveBy.DELIVERED)


class Resolution(Contract):
    """An operator's way out: try again what failed, or record that it was settled by hand.

    `step` is the one that is meant, such as `payments.refund`; empty for all that are stuck. `actor` is who decides.
    """

    decision: ResolveBy
    note: str = ""
    step: str = ""
    actor: str = ""


@dataclass(frozen=True)
class PlacedOrder:
    """An order as people see it. Without a workflow, a choreographed one has no id and no page of it.

    `pending` is what is being tried at this moment, in `get` only; `customer_id` is filled in lists only.
    """

    state: OrderState
    style: Style = Style.ORCHESTRATION
    workflow_id: str = ""
    link: str = ""
    placed_at: datetime | None = None
    pending: tuple[PendingStep, ...] = ()
    customer_id: str = ""
