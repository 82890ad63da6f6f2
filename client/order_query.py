"""Which orders are meant: what a list shows, and what a decision on many orders is about."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from client.contracts import PlacedOrder, Stage
from kernel.contracts import Style
from services.orders.contracts import OrderStatus


@dataclass(frozen=True)
class OrderQuery:
    """All that is given must fit.

    Attributes:
        reason: is contained in the order's reason, in what of it cannot be done, or in the last error of a step.
        step: is stuck or being retried, such as `payments.refund`.
        older_than, newer_than: by the time since it was placed.
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
        """Whether an order has to be looked at more closely than its place in a list says."""
        return bool(self.reason or self.step or self.stage)

    def may_fit(self, placed: PlacedOrder, now: datetime) -> bool:
        """By what a list knows of it; whether it does fit, `fits` says of an order that was looked at."""
        age = now - placed.placed_at if placed.placed_at else None
        if self.status not in (None, placed.state.status) or self.style not in (None, placed.style):
            return False
        if self.customer and placed.customer_id != self.customer:
            return False
        if self.older_than is not None and (age is None or age < self.older_than):
            return False
        return self.newer_than is None or (age is not None and age < self.newer_than)

    def fits(self, placed: PlacedOrder, now: datetime) -> bool:
        if not self.may_fit(placed, now) or self.stage not in (None, placed.state.stage):
            return False
        if self.step and self.step not in stuck_steps(placed):
            return False
        errors = (one.error for one in placed.pending)
        texts = (placed.state.reason, *placed.state.problems, *errors)
        return not self.reason or any(self.reason.casefold() in text.casefold() for text in texts)


def stuck_steps(placed: PlacedOrder) -> list[str]:
    """The steps that could not be done, and those that are being retried."""
    named = (problem.partition(": ")[0] for problem in placed.state.problems)
    return [*named, *(one.step for one in placed.pending if one.error)]


def why(placed: PlacedOrder) -> str:
    """In one line, why the order is not simply going well; empty if it is."""
    if placed.state.problems:
        return placed.state.problems[0]
    failing = next((one for one in placed.pending if one.error), None)
    if failing:
        return f"{failing.step}: {failing.error} (attempt {failing.attempt})"
    return placed.state.reason
