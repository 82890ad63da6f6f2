"""What must hold for every order that has ended, in whatever way it was run and whatever failed meanwhile."""

import time
from collections import Counter
from collections.abc import Iterator

from pydantic import BaseModel

from audit.books import Books, OrderBooks, read
from kernel.contracts import Policy
from services.orders.contracts import OrderStatus
from settings import Settings


class Violation(BaseModel):
    """`order_id` is empty for what concerns the stock as a whole."""

    order_id: str
    invariant: str
    detail: str


class Report(BaseModel):
    """Orders that an operator settled by hand are listed, not judged: their note says what was done instead."""

    orders: int
    by_status: dict[str, int]
    settled_by_hand: dict[str, str]
    violations: list[Violation]


def audit(settings: Settings) -> Report:
    """Raises SettingsError when a database cannot be read."""
    books = read(settings)
    recorded = {order_id: order for order_id, order in books.orders.items() if order.status}
    return Report(
        orders=len(recorded),
        by_status=dict(sorted(Counter(str(order.status) for order in recorded.values()).items())),
        settled_by_hand={
            order_id: order.settled_by_hand for order_id, order in recorded.items() if order.settled_by_hand
        },
        violations=[
            Violation(order_id=order_id, invariant=invariant, detail=detail)
            for order_id, invariant, detail in _violations(books, settings.policy)
        ],
    )


def _violations(books: Books, policy: Policy) -> Iterator[tuple[str, str, str]]:
    for order_id, order in books.orders.items():
        if not order.settled_by_hand:
            for invariant, detail in _of_order(order, policy):
                yield order_id, invariant, detail
    for sku, (received, on_hand) in books.stock.items():
        held = books.held.get(sku, 0)
        if on_hand < 0 or on_hand + held != received:
            yield (
                "",
                "stock adds up",
                f"{sku}: {on_hand} on hand + {held} held or shipped is not {received} received",
            )


def _of_order(order: OrderBooks, policy: Policy) -> Iterator[tuple[str, str]]:
    match order.status:
        case OrderStatus.COMPLETED:
            yield from _of_completed(order)
        case OrderStatus.REJECTED | OrderStatus.CANCELLED | None:
            yield from _of_undone(order)
        case OrderStatus.IN_PROGRESS:
            yield from _of_unended(order, policy)
            return
        case OrderStatus.NEEDS_ATTENTION:
            return  # an operator knows
    recorded, refunded = order.payment
    if recorded - refunded != order.charged - order.refunded:
        ledger = f"charged {order.charged}, refunded {order.refunded}"
        yield "payments agree with the processor", f"recorded {recorded}, refunded {refunded}; ledger: {ledger}"
    if order.shipment_booked != (order.parcels_booked > 0):
        yield "shipments agree with the courier", f"{order.parcels_booked} parcels booked with the courier"


def _of_unended(order: OrderBooks, policy: Policy) -> Iterator[tuple[str, str]]:
    """An order that takes longer than all its deadlines together was stopped by force, or is stuck."""
    longest = 5 * policy.step_deadline + policy.review_deadline + 4 * policy.undo_deadline
    age = time.time() - order.placed_at / 1000
    if age > longest:
        yield "every order ends", f"in progress for {age / 3600:.0f} h; see its workflow"


def _of_completed(order: OrderBooks) -> Iterator[tuple[str, str]]:
    if order.charges != [order.total] or order.refunded:
        yield (
            "completed: charged once in full",
            f"total {order.total}, charges {order.charges}, refunds {order.refunded}",
        )
    if order.parcels_booked != 1:
        yield "completed: shipped once", f"{order.parcels_booked} parcels"
    if order.held != order.lines:
        yield "completed: stock taken once", f"ordered {order.lines}, taken {order.held}"
    if not order.cleared_of_fraud:
        yield "shipped only when cleared of fraud", "neither cleared nor approved"


def _of_undone(order: OrderBooks) -> Iterator[tuple[str, str]]:
    ended = order.status or "without an order"
    if order.charged != order.refunded:
        yield f"{ended}: no money kept", f"charged {order.charged}, refunded {order.refunded}"
    if order.held:
        yield f"{ended}: no stock held", f"{order.held}"
    if order.parcels_booked:
        yield f"{ended}: nothing shipped", f"{order.parcels_booked} parcels"
