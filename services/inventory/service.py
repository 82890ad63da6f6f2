"""The rules of stock: no piece is promised twice."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select, update

from kernel.contracts import Undo, Undone
from kernel.database import Database
from kernel.operations import Clock, Operations, system_clock
from services.inventory.contracts import NotEnoughStock, Reserved, ReserveStock, StockLine
from services.inventory.events import OutOfStock, StockReleased, StockReserved
from services.inventory.tables import reservations, stock


class Inventory:
    def __init__(self, database: Database, clock: Clock = system_clock) -> None:
        self._database = database
        self._operations = Operations(database, clock)

    def stock(self, lines: Iterable[StockLine]) -> None:
        """Add the first stock of products that are not on record yet."""

        def receive(tx: Connection) -> None:
            known = set(tx.scalars(select(stock.c.sku)))
            for line in lines:
                if line.sku not in known:
                    row = {"sku": line.sku, "received": line.quantity, "on_hand": line.quantity}
                    tx.execute(insert(stock), row)

        self._database.alone(receive)

    def on_hand(self) -> dict[str, int]:
        """Pieces free to be reserved, by SKU."""
        with self._database.begin() as tx:
            return {row.sku: row.on_hand for row in tx.execute(select(stock.c.sku, stock.c.on_hand))}

    def reserve(self, command: ReserveStock) -> Reserved:
        """Hold every line, or none. Raises NotEnoughStock."""

        def effect(tx: Connection) -> tuple[Reserved, StockReserved]:
            # Always lock in the same sequence, so that two orders for the same products do not deadlock.
            lines = sorted(command.lines, key=lambda line: line.sku)
            for line in lines:
                enough = (stock.c.sku == line.sku) & (stock.c.on_hand >= line.quantity)
                taken = update(stock).where(enough).values(on_hand=stock.c.on_hand - line.quantity)
                if tx.execute(taken).rowcount == 0:
                    left = tx.scalar(select(stock.c.on_hand).where(stock.c.sku == line.sku)) or 0
                    raise NotEnoughStock(f"{line.sku}: {line.quantity} wanted, {left} on hand")
            rows = [{"order_id": command.order_id, "sku": line.sku, "quantity": line.quantity} for line in lines]
            tx.execute(insert(reservations), rows)
            return Reserved(), StockReserved(lines=tuple(lines))

        return self._operations.do(command, Reserved, effect, refused=OutOfStock)

    def release(self, command: Undo) -> Undone:
        """Put what was held back on the shelf."""

        def effect(tx: Connection) -> StockReleased:
            of_order = reservations.c.order_id == command.order_id
            held = tx.execute(select(reservations.c.sku, reservations.c.quantity).where(of_order)).all()
            # Sorted in Python, as in `reserve`: a database may sort in another way.
            lines = [
                StockLine(sku=sku, quantity=quantity) for sku, quantity in sorted((r.sku, r.quantity) for r in held)
            ]
            for line in lines:
                back = update(stock).where(stock.c.sku == line.sku).values(on_hand=stock.c.on_hand + line.quantity)
                tx.execute(back)
            tx.execute(delete(reservations).where(of_order))
            return StockReleased(had_effect=True, lines=tuple(lines))

        return self._operations.undo(command, effect, otherwise=StockReleased(had_effect=False))
