"""The books of stock: what each order has taken off the shelf, and what is left of what was received."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from sqlalchemy import select

from kernel.books import Books, Finding, OrderRecord, effects, otherwise_published, published
from kernel.database import Database
from services.inventory.events import StockReserved
from services.inventory.tables import reservations, stock


class InventoryBooks(Books):
    """Attributes: held: pieces by SKU, of each order that has any."""

    def __init__(self, database: Database) -> None:
        taken: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._held_in_all: Counter[str] = Counter()
        with database.begin() as tx:
            self._reserved = effects(tx, "reserve")
            self._published = published(tx, StockReserved)
            self._stock = {row.sku: (row.received, row.on_hand) for row in tx.execute(select(stock))}
            for row in tx.execute(select(reservations)):
                taken[row.order_id][row.sku] = row.quantity
                self._held_in_all[row.sku] += row.quantity
        self.held = dict(taken)

    def orders(self) -> set[str]:
        return self.held.keys() | self._reserved.stands.keys()

    def contradictions(self, order_id: str) -> Iterator[Finding]:
        holds = order_id in self.held
        # A release deletes the rows, so those of a step that was undone are as those of a step that was never done.
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
        for sku, (received, on_hand) in self._stock.items():
            held = self._held_in_all[sku]
            if on_hand < 0 or on_hand + held != received:
                detail = f"{sku}: {on_hand} on hand + {held} held or shipped is not {received} received"
                yield Finding("stock adds up", detail)
        for sku in sorted(self._held_in_all.keys() - self._stock.keys()):
            yield Finding(
                "stock adds up", f"{sku}: {self._held_in_all[sku]} held or shipped, and none was ever received"
            )
