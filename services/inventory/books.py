"""The books of stock: what each order has reserved, and whether what was received, reserved and is left adds up."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import func, select

from kernel.books import Books, Finding, OrderRecord, effects, orders_on_record, otherwise_published, published
from kernel.database import Database
from services.inventory.events import StockReserved
from services.inventory.tables import reservations, stock


class InventoryBooks(Books):
    """Attributes: held: by order, the reserved pieces by SKU; without orders that have none."""

    def __init__(self, database: Database, orders: Sequence[str]) -> None:
        self._database = database
        taken: defaultdict[str, dict[str, int]] = defaultdict(dict)
        with database.begin() as tx:
            self._reserved = effects(tx, "reserve", orders)
            self._published = published(tx, StockReserved, orders)
            for row in tx.execute(select(reservations).where(reservations.c.order_id.in_(orders))):
                taken[row.order_id][row.sku] = row.quantity
        self.held = dict(taken)

    def orders(self, since: int = 0) -> Iterator[str]:
        return orders_on_record(self._database, since)

    def contradictions(self, order_id: str) -> Iterator[Finding]:
        holds = order_id in self.held
        # A release deletes the rows, so an undone step has no row, like a step that was never done.
        was_undone = not self._reserved.stands.get(order_id, True)
        yield from self._reserved.contradictions(order_id, on_record=holds or was_undone, stands=holds)
        if holds:
            for event in self._published.get(order_id, []):
                published = {line.sku: line.quantity for line in event.lines}
                yield from otherwise_published("stock", self.held[order_id], published)

    def missing(self, order_id: str, order: OrderRecord) -> Iterator[Finding]:
        held = self.held.get(order_id, {})
        if held != order.lines:
            yield Finding("completed: stock taken once", f"ordered {dict(order.lines)}, taken {held}")

    def kept(self, order_id: str) -> Iterator[Finding]:
        if order_id in self.held:
            yield Finding("no stock held", f"{self.held[order_id]}")

    def as_a_whole(self) -> Iterator[Finding]:
        with self._database.begin() as tx:
            on_shelf = {row.sku: (row.received, row.on_hand) for row in tx.execute(select(stock))}
            by_sku = select(reservations.c.sku, func.sum(reservations.c.quantity)).group_by(reservations.c.sku)
            taken = {sku: int(pieces) for sku, pieces in tx.execute(by_sku)}
        for sku, (received, on_hand) in on_shelf.items():
            held = taken.pop(sku, 0)
            if on_hand < 0 or on_hand + held != received:
                detail = f"{sku}: {on_hand} on hand + {held} held or shipped is not {received} received"
                yield Finding("stock adds up", detail)
        for sku, held in sorted(taken.items()):
            yield Finding("stock adds up", f"{sku}: {held} held or shipped, and none was ever received")
