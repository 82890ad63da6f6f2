"""The rules of orders: the price is the catalogue's, and an order ends once."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, insert, select, update

from services.contracts import Money, Undo, Undone
from services.database import Database
from services.errors import CannotUndo
from services.operations import Clock, Operations, milliseconds, system_clock
from services.orders.contracts import (
    CompleteOrder,
    CreateOrder,
    FlagOrder,
    MixedCurrencies,
    OrderCompleted,
    OrderCreated,
    OrderEnded,
    OrderFlagged,
    OrderStatus,
    Product,
    UnknownSku,
)
from services.orders.tables import OrderLineRow, OrderRow, ProductRow


class Orders:
    def __init__(self, database: Database, clock: Clock = system_clock) -> None:
        self._database = database
        self._operations = Operations(database, clock)
        self._clock = clock

    def offer(self, products: Iterable[Product]) -> None:
        """Add products to the catalogue; those already there keep their price."""

        def add(tx: Connection) -> None:
            known = set(tx.scalars(select(ProductRow.sku)))
            for product in products:
                if product.sku not in known:
                    price = product.unit_price
                    row = {"sku": product.sku, "name": product.name}
                    tx.execute(insert(ProductRow), row | {"unit_price": price.amount, "currency": price.currency})

        self._database.alone(add)

    def catalogue(self) -> list[Product]:
        with self._database.begin() as tx:
            rows = tx.execute(
                select(ProductRow.sku, ProductRow.name, ProductRow.unit_price, ProductRow.currency).order_by(
                    ProductRow.sku
                )
            )
            return [
                Product(sku=sku, name=name, unit_price=Money(amount=price, currency=currency))
                for sku, name, price, currency in rows
            ]

    def create(self, command: CreateOrder) -> OrderCreated:
        """Record the order at today's prices. Raises UnknownSku, MixedCurrencies, OrderEnded."""

        created_now = False

        def effect(tx: Connection) -> OrderCreated:
            nonlocal created_now
            created_now = True
            quantities = {line.sku: line.quantity for line in command.lines}
            prices = tx.execute(
                select(ProductRow.sku, ProductRow.unit_price, ProductRow.currency).where(ProductRow.sku.in_(quantities))
            ).all()
            unknown = sorted(quantities.keys() - {row.sku for row in prices})
            if unknown:
                raise UnknownSku(f"not in the catalogue: {', '.join(unknown)}")
            if len({row.currency for row in prices}) > 1:
                raise MixedCurrencies("its products are priced in more than one currency")
            total = Money(
                amount=sum(quantities[row.sku] * row.unit_price for row in prices), currency=prices[0].currency
            )
            row: dict[str, Any] = {"order_id": command.order_id, "customer_id": command.customer_id}
            row |= {"status": OrderStatus.IN_PROGRESS, "reason": "", "problem": "", "settled": ""}
            row |= {"total": total.amount, "currency": total.currency}
            row |= {"ship_to": command.ship_to.model_dump_json(), "placed_at": milliseconds(self._clock())}
            tx.execute(insert(OrderRow), row)
            tx.execute(
                insert(OrderLineRow),
                [
                    {
                        "order_id": command.order_id,
                        "sku": row.sku,
                        "quantity": quantities[row.sku],
                        "unit_price": row.unit_price,
                    }
                    for row in prices
                ],
            )
            return OrderCreated(total=total)

        created = self._operations.do(command, OrderCreated, effect)
        if not created_now:
            self._still_in_progress(command.order_id)
        return created

    def complete(self, command: CompleteOrder) -> OrderCompleted:
        """End the order well. Raises OrderEnded if it was rejected or cancelled."""

        def effect(tx: Connection) -> OrderCompleted:
            if not self._end(tx, command.order_id, OrderStatus.COMPLETED, ""):
                raise OrderEnded("the order is not in progress any more")
            return OrderCompleted()

        return self._operations.do(command, OrderCompleted, effect)

    def reject(self, command: Undo) -> Undone:
        """End an order that failed. Raises CannotUndo if it is completed."""
        return self._take_back(command, OrderStatus.REJECTED)

    def cancel(self, command: Undo) -> Undone:
        """End an order that its customer does not want any more. Raises CannotUndo if it is completed."""
        return self._take_back(command, OrderStatus.CANCELLED)

    def flag(self, command: FlagOrder) -> OrderFlagged:
        """Show or take away that the order needs an operator. Saying it twice is saying it once."""
        mark = {"problem": command.problem} | ({"settled": command.settled} if command.settled else {})
        with self._database.begin() as tx:
            tx.execute(update(OrderRow).where(OrderRow.order_id == command.order_id).values(mark))
        return OrderFlagged()

    def _still_in_progress(self, order_id: str) -> None:
        """Raises OrderEnded: a saga that Temporal has forgotten did it all, and a second one must not undo it."""
        with self._database.begin() as tx:
            status = tx.scalar(select(OrderRow.status).where(OrderRow.order_id == order_id))
        if status != OrderStatus.IN_PROGRESS:
            raise OrderEnded(f"order {order_id} is {status} already")

    def _take_back(self, command: Undo, status: OrderStatus) -> Undone:
        def effect(tx: Connection) -> None:
            if not self._end(tx, command.order_id, status, command.reason):
                raise CannotUndo("the order is completed: paid and shipped")

        return self._operations.undo(command, effect)

    def _end(self, tx: Connection, order_id: str, status: OrderStatus, reason: str) -> bool:
        in_progress = (OrderRow.order_id == order_id) & (OrderRow.status == OrderStatus.IN_PROGRESS)
        ended = tx.execute(update(OrderRow).where(in_progress).values(status=status, reason=reason))
        return ended.rowcount == 1
