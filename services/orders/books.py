"""The books of orders: what was agreed on with each customer, and how it ended."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping

from sqlalchemy import select

from kernel.books import Books, Finding, OrderRecord, effects
from kernel.database import Database
from kernel.money import Money
from services.orders.contracts import OrderStatus
from services.orders.tables import order_lines, orders

_UNDONE = (OrderStatus.REJECTED, OrderStatus.CANCELLED)


class OrdersBooks(Books):
    def __init__(self, database: Database) -> None:
        self._placed: dict[str, OrderRecord] = {}
        self._statuses: dict[str, OrderStatus] = {}
        self._priced: defaultdict[str, int] = defaultdict(int)
        lines: defaultdict[str, dict[str, int]] = defaultdict(dict)
        with database.begin() as tx:
            self._created = effects(tx, "create")
            self._completed = effects(tx, "complete")
            for line in tx.execute(select(order_lines)):
                lines[line.order_id][line.sku] = line.quantity
                self._priced[line.order_id] += line.quantity * line.unit_price
            for row in tx.execute(select(orders)):
                self._statuses[row.order_id] = OrderStatus(row.status)
                self._placed[row.order_id] = OrderRecord(
                    status=OrderStatus.NEEDS_ATTENTION if row.problem else OrderStatus(row.status),
                    placed_at=row.placed_at,
                    total=Money(amount=row.total, currency=row.currency),
                    lines=lines[row.order_id],
                    ship_to=json.loads(row.ship_to),
                    settled=row.settled,
                )

    def placed(self) -> Mapping[str, OrderRecord]:
        return self._placed

    def orders(self) -> set[str]:
        return self._placed.keys() | self._created.stands.keys()

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
