"""The invariants of every order, whichever style ran it and whatever failed meanwhile.

Each service checks its own books; this module chooses the checks by the order's status.
"""

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from audit.books import BooksOfSome, pages
from audit.reading import Reading, Sources
from kernel.books import Books, Finding, OrderRecord
from kernel.contracts import Policy, Style
from kernel.money import Money
from kernel.service import Kind
from services import SERVICES
from services.orders.contracts import OrderStatus

_STEPS = sum(operation.kind is Kind.STEP for service in SERVICES for operation in service.operations)
_SERVICES = frozenset(service.name for service in SERVICES)
# Release 0.1 did not record it.
_UNKNOWN_DEADLINE = "it is in review, and its own policy may allow longer than this program's"
SETTLED = "it was settled by hand"
_UNDOS = sum(operation.kind is Kind.UNDO for service in SERVICES for operation in service.operations)


class Violation(BaseModel):
    """`order_id` is empty for what concerns no single order, such as the stock."""

    order_id: str
    invariant: str
    detail: str


class NotJudged(BaseModel):
    """What the audit left out, and why. `order_id` is empty for what concerns no single order."""

    order_id: str
    why: str


class Report(BaseModel):
    """Everything adds up only if there are no violations and nothing is `not_judged`."""

    orders: int
    by_status: dict[str, int]
    settled_by_hand: dict[str, str]
    violations: list[Violation]
    not_judged: list[NotJudged] = []

    def add(self, order_id: str, finding: Finding, excuse: str = "") -> None:
        """Record a violation; with an excuse, record it as not judged, and why."""
        if excuse:
            why = f"{excuse}: {finding.invariant}: {finding.detail}"
            self.not_judged.append(NotJudged(order_id=order_id, why=why))
        else:
            violation = Violation(order_id=order_id, invariant=finding.invariant, detail=finding.detail)
            self.violations.append(violation)


def audit(sources: Sources, since: int = 0, orders: Iterable[str] | None = None) -> Report:
    """Judge the books of all services.

    Args:
        since: only orders that changed at or after this time (milliseconds since 1970), or that have not ended.
        orders: only these orders.

    Raises:
        SettingsError: a database is missing or cannot be read.
    """
    report = Report(orders=0, by_status={}, settled_by_hand={}, violations=[])
    statuses: Counter[str] = Counter()
    with Reading(sources) as reading:
        for some in pages(reading, since, orders):
            for order_id, finding, why in _findings(some, sources.policy):
                report.add(order_id, finding, why)
            statuses.update(order.status for order in some.placed.values())
            by_hand = {order_id: _settled_by_hand(order) for order_id, order in some.placed.items()}
            report.settled_by_hand.update({order_id: note for order_id, note in by_hand.items() if note})
        for service in SERVICES:
            for finding in reading.as_a_whole(service):
                report.add("", finding)
    report.orders, report.by_status = statuses.total(), dict(sorted(statuses.items()))
    return report


def _settled_by_hand(order: OrderRecord) -> str:
    outside = []
    if order.refunded_outside:
        outside.append(f"refunded {Money(amount=order.refunded_outside, currency=order.total.currency)} outside")
    if order.is_returned:
        outside.append("parcel returned")
    adjusted = f"{', '.join(outside) or 'nothing outside'} – {order.adjusted}" if order.adjusted else ""
    return "; ".join(filter(None, [order.settled, adjusted]))


def _findings(found: BooksOfSome, policy: Policy) -> Iterator[tuple[str, Finding, str]]:
    """Each finding with its order and its excuse, which is empty if there is none."""
    for order_id, order in found.placed.items():
        for books in found.services:
            for finding in books.contradictions(order_id):
                yield order_id, finding, ""
        for service, books in zip(found.names, found.services, strict=True):
            for finding in _of_books(books, order_id, order):
                yield order_id, finding, excuse(service, order)
        if order.ends == OrderStatus.IN_PROGRESS and not order.problem:
            in_review = any(books.waits_for_a_person(order_id) for books in found.services)
            unknown = in_review and order.policy is None and order.style is Style.ORCHESTRATION
            for finding in _of_unended(order, order.policy or policy):
                yield order_id, finding, _UNKNOWN_DEADLINE if unknown else ""
    for order_id in found.unplaced:
        for books in found.services:
            for finding in (*_undone(books, order_id, "without an order"), *books.contradictions(order_id)):
                yield order_id, finding, ""


def _of_books(books: Books, order_id: str, order: OrderRecord) -> Iterator[Finding]:
    match OrderStatus(order.ends):
        case OrderStatus.COMPLETED:
            yield from books.missing(order_id, order)
            yield from books.disagreements(order_id, order)
        case OrderStatus.REJECTED | OrderStatus.CANCELLED:
            yield from _undone(books, order_id, order.ends, order)


def _undone(books: Books, order_id: str, ended: str, order: OrderRecord | None = None) -> Iterator[Finding]:
    for invariant, detail in books.kept(order_id):
        yield Finding(f"{ended}: {invariant}", detail)
    yield from books.disagreements(order_id, order)


def excuse(service: str, order: OrderRecord) -> str:
    """Why this service's findings are excused: its step waits for an operator, or an operator settled it; or empty."""
    for text, why in ((order.problem, "it waits for an operator"), (order.settled, SETTLED)):
        named = {name for name in _SERVICES if re.search(rf"(^|; ){name}\.[a-z_]+: ", text)}
        if text and (service in named or not named):
            return f"{why} ({text})"
    return ""


def _of_unended(order: OrderRecord, policy: Policy) -> Iterator[Finding]:
    """An order that takes longer than all its deadlines together was stopped by force, or is stuck."""
    longest = _STEPS * policy.step_deadline + policy.review_deadline + _UNDOS * policy.undo_deadline
    age = time.time() - max(order.placed_at, order.flagged_at) / 1000
    if age > longest:
        yield Finding("every order ends", f"in progress for {age / 3600:.0f} h; see its workflow")
