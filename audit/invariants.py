"""What must hold for every order, in whatever way it was run and whatever failed meanwhile.

Each service says of its own books what does not hold; here is decided what it is asked, by how the order stands.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from audit.books import AllBooks, read_all
from audit.reading import Sources
from kernel.books import Books, Finding, OrderRecord
from kernel.contracts import Policy
from kernel.service import Kind
from services import SERVICES
from services.orders.contracts import OrderStatus

_STEPS = sum(operation.kind is Kind.STEP for service in SERVICES for operation in service.operations)
_UNDOS = sum(operation.kind is Kind.UNDO for service in SERVICES for operation in service.operations)


class Violation(BaseModel):
    """`order_id` is empty for what concerns no single order, such as the stock."""

    order_id: str
    invariant: str
    detail: str


class Report(BaseModel):
    """Orders that an operator settled by hand are listed, not judged: their note says what was done instead."""

    orders: int
    by_status: dict[str, int]
    settled_by_hand: dict[str, str]
    violations: list[Violation]


def audit(sources: Sources) -> Report:
    """Raises SettingsError when something is not there or cannot be read."""
    found = read_all(sources)
    return Report(
        orders=len(found.placed),
        by_status=dict(sorted(Counter(order.status for order in found.placed.values()).items())),
        settled_by_hand={order_id: order.settled for order_id, order in found.placed.items() if order.settled},
        violations=[
            Violation(order_id=order_id, invariant=finding.invariant, detail=finding.detail)
            for order_id, finding in _findings(found, sources.policy)
        ],
    )


def _findings(found: AllBooks, policy: Policy) -> Iterator[tuple[str, Finding]]:
    for order_id, order in found.placed.items():
        if not order.settled:
            for finding in _of_order(found.services, order_id, order, policy):
                yield order_id, finding
    for order_id in sorted(found.unplaced):
        for finding in _of_undone(found.services, order_id, "without an order"):
            yield order_id, finding
    for books in found.services:
        for finding in books.as_a_whole():
            yield "", finding


def _of_order(services: Sequence[Books], order_id: str, order: OrderRecord, policy: Policy) -> Iterator[Finding]:
    match OrderStatus(order.status):
        case OrderStatus.COMPLETED:
            yield from _of_completed(services, order_id, order)
        case OrderStatus.REJECTED | OrderStatus.CANCELLED:
            yield from _of_undone(services, order_id, order.status)
        case OrderStatus.IN_PROGRESS:
            yield from _of_unended(order, policy)
            yield from _contradictions(services, order_id)
        case OrderStatus.NEEDS_ATTENTION:  # an operator knows
            yield from _contradictions(services, order_id)


def _of_completed(services: Sequence[Books], order_id: str, order: OrderRecord) -> Iterator[Finding]:
    for books in services:
        yield from books.missing(order_id, order)
        yield from books.disagreements(order_id)
    yield from _contradictions(services, order_id)


def _of_undone(services: Sequence[Books], order_id: str, ended: str) -> Iterator[Finding]:
    for books in services:
        for invariant, detail in books.kept(order_id):
            yield Finding(f"{ended}: {invariant}", detail)
        yield from books.disagreements(order_id)
    yield from _contradictions(services, order_id)


def _of_unended(order: OrderRecord, policy: Policy) -> Iterator[Finding]:
    """An order that takes longer than all its deadlines together was stopped by force, or is stuck."""
    longest = _STEPS * policy.step_deadline + policy.review_deadline + _UNDOS * policy.undo_deadline
    age = time.time() - order.placed_at / 1000
    if age > longest:
        yield Finding("every order ends", f"in progress for {age / 3600:.0f} h; see its workflow")


def _contradictions(services: Sequence[Books], order_id: str) -> Iterator[Finding]:
    for books in services:
        yield from books.contradictions(order_id)
