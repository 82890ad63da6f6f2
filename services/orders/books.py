"""The books of orders: what was agreed on with each customer, and how it ended."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import func, select

from kernel.books import Books, Finding, OrderRecord, effects, orders_on_record, otherwise_published, published
from kernel.contracts import Policy, Style
from kernel.database import Database
from kernel.money import Money
from kernel.outbox import outbox
from services.orders.contracts import Adjustment, OrderStatus
from services.orders.events import OrderAdjusted, OrderCancelled, OrderCreated, OrderFlagged, OrderRejected
from services.orders.tables import is_flagged, order_lines, orders

_UNDONE = (OrderStatus.REJECTED, OrderStatus.CANCELLED)


class OrdersBooks(Books):
    def __init__(self, database: Database, chosen: Sequence[str]) -> None:
        self._database = database
        self._placed: dict[str, OrderRecord] = {}
        self._statuses: dict[str, OrderStatus] = {}
        self._priced: defaultdict[str, int] = defaultdict(int)
        self._lines: defaultdict[str, set[tuple[str, int, int]]] = defaultdict(set)
        lines: defaultdict[str, dict[str, int]] = defaultdict(dict)
        with database.begin() as tx:
            self._created = effects(tx, "create", chosen)
            self._completed = effects(tx, "complete", chosen)
            self._creations, self._flagged = published(tx, OrderCreated, chosen), published(tx, OrderFlagged, chosen)
            self._adjusted = published(tx, OrderAdjusted, chosen)
            self._rejected = published(tx, OrderRejected, chosen)
            self._cancelled = published(tx, OrderCancelled, chosen)
            for line in tx.execute(select(order_lines).where(order_lines.c.order_id.in_(chosen))):
                lines[line.order_id][line.sku] = line.quantity
                self._priced[line.order_id] += line.quantity * line.unit_price
                self._lines[line.order_id].add((line.sku, line.quantity, line.unit_price))
            flags = select(outbox.c.correlation, func.max(outbox.c.occurred_at).label("at")).group_by(
                outbox.c.correlation
            )
            of_type = flags.where(outbox.c.correlation.in_(chosen), outbox.c.type == OrderFlagged.type())
            flagged_at = {row.correlation: row.at for row in tx.execute(of_type)}
            self._rows = {row.order_id: row for row in tx.execute(select(orders).where(orders.c.order_id.in_(chosen)))}
            for row in self._rows.values():
                self._statuses[row.order_id] = OrderStatus(row.status)
                adjusted = Adjustment.model_validate_json(row.adjusted) if row.adjusted else Adjustment()
                self._placed[row.order_id] = OrderRecord(
                    status=OrderStatus.NEEDS_ATTENTION if row.problem else OrderStatus(row.status),
                    placed_at=row.placed_at,
                    total=Money(amount=row.total, currency=row.currency),
                    lines=lines[row.order_id],
                    ship_to=json.loads(row.ship_to),
                    settled=row.settled,
                    problem=row.problem,
                    ends=row.status,
                    flagged_at=flagged_at.get(row.order_id, 0),
                    style=Style(row.style),
                    policy=Policy.model_validate_json(row.policy) if row.policy else None,
                    refunded_outside=adjusted.refunded,
                    is_returned=adjusted.returned,
                    adjusted=adjusted.note,
                )

    def placed(self) -> Mapping[str, OrderRecord]:
        return self._placed

    def orders(self, since: int = 0) -> Iterator[str]:
        """Includes every order in progress: the last event of a stuck order may be old."""
        yield from orders_on_record(self._database, since)
        if since:
            with self._database.begin() as tx:
                for condition in (orders.c.status == OrderStatus.IN_PROGRESS, is_flagged):
                    yield from tx.scalars(select(orders.c.order_id).where(condition))

    def contradictions(self, order_id: str) -> Iterator[Finding]:
        status = self._statuses.get(order_id)
        stands = status is not None and status not in _UNDONE
        yield from self._created.contradictions(order_id, on_record=status is not None, stands=stands)
        completed = status is OrderStatus.COMPLETED
        if status is not None:
            yield from self._completed.contradictions(order_id, on_record=completed, stands=completed)
            total, priced = self._placed[order_id].total, self._priced[order_id]
            if priced != total.amount:
                yield Finding("an order costs what its lines do", f"total {total.amount}, lines {priced}")
            yield from self._unlike_events(order_id, status)

    def _unlike_events(self, order_id: str, status: OrderStatus) -> Iterator[Finding]:
        record, row = self._placed[order_id], self._rows[order_id]
        for created in self._creations.get(order_id, []):
            yield from otherwise_published("customer", row.customer_id, created.customer_id)
            yield from otherwise_published("total", record.total, created.total)
            yield from otherwise_published("address", record.ship_to, created.ship_to.model_dump(mode="json"))
            lines = {(line.sku, line.quantity, line.unit_price.amount) for line in created.lines}
            yield from otherwise_published("set of lines", self._lines[order_id], lines)
        if order_id not in self._creations:
            return  # release 0.1 did not keep what it published
        flags = self._flagged.get(order_id, [])
        yield from otherwise_published("problem", row.problem, flags[-1].problem if flags else "")
        notes = [flag.settled for flag in flags if flag.settled]
        yield from otherwise_published("note of what was settled", row.settled, notes[-1] if notes else "")
        adjustments = [(one.refunded.amount, one.returned, one.note) for one in self._adjusted.get(order_id, [])]
        recorded = (record.refunded_outside, record.is_returned, record.adjusted)
        yield from otherwise_published("adjustment", recorded, adjustments[-1] if adjustments else (0, False, ""))
        ends = {
            OrderStatus.REJECTED: [event.reason for event in self._rejected.get(order_id, [])],
            OrderStatus.CANCELLED: [event.reason for event in self._cancelled.get(order_id, [])],
        }.get(status, [""])
        yield from otherwise_published("reason", [row.reason], ends)
