"""A query for orders: for lists, and for decisions on many orders."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from client.contracts import PlacedOrder, Stage
from kernel.contracts import Style
from services.orders.contracts import OrderStatus


@dataclass(frozen=True)
class OrderQuery:
    """An order fits if it meets all conditions that are set.

    Attributes:
        reason: text in the order's reason, in one of its problems, or in the last error of a step.
        step: a step that is stuck or being retried, such as `payments.refund`.
        older_than, newer_than: the time since the order was placed.
    """

    status: OrderStatus | None = None
    stage: Stage | None = None
    style: Style | None = None
    reason: str = ""
    step: str = ""
    customer: str = ""
    older_than: timedelta | None = None
    newer_than: timedelta | None = None

    @property
    def asks_for_detail(self) -> bool:
        """Whether the query needs more of an order than a list has."""
        return bool(self.reason or self.step or self.stage)

    def may_fit(self, placed: PlacedOrder, now: datetime) -> bool:
        """Whether it may fit, by what a list has of it. `fits` decides once the whole order was read."""
        age = now - placed.placed_at if placed.placed_at else None
        if self.status not in (None, placed.state.status) or self.style not in (None, placed.style):
            return False
        if self.customer and placed.customer_id != self.customer:
            return False
        if self.older_than is not None and (age is None or age < self.older_than):
            return False
        return self.newer_than is None or (age is not None and age < self.newer_than)

    def is_too_old(self, placed: PlacedOrder, now: datetime) -> bool:
        """Whether neither this order nor any that was placed before it fits."""
        return self.newer_than is not None and placed.placed_at is not None and now - placed.placed_at > self.newer_than

    def fits(self, placed: PlacedOrder, now: datetime) -> bool:
        if not self.may_fit(placed, now) or self.stage not in (None, placed.state.stage):
            return False
        if self.step and self.step not in stuck_steps(placed):
            return False
        errors = (one.error for one in placed.pending)
        texts = (placed.state.reason, *placed.state.problems, *errors)
        return not self.reason or any(self.reason.casefold() in text.casefold() for text in texts)


def stuck_steps(placed: PlacedOrder) -> list[str]:
    """The steps that are stuck, and those that are being retried."""
    named = (problem.partition(": ")[0] for problem in placed.state.problems)
    return [*named, *(one.step for one in placed.pending if one.error)]


def why(placed: PlacedOrder) -> str:
    """What is wrong with the order, in one line; empty if nothing is."""
    if placed.state.problems:
        return placed.state.problems[0]
    failing = next((one for one in placed.pending if one.error), None)
    if failing:
        return f"{failing.step}: {failing.error} (attempt {failing.attempt})"
    return placed.state.reason
