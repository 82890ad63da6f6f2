"""The rules of orders: the price is the catalogue's, and an order ends once."""

import uuid
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from kernel import inbox
from kernel.catalogue import Product
from kernel.contracts import Command, Event, Style, Undo, Undone
from kernel.database import Database
from kernel.errors import CannotUndo, KeyReused
from kernel.keys import Key, event_id
from kernel.money import Money
from kernel.operations import Clock, Operations, milliseconds, publish, system_clock
from services.orders import adjusting
from services.orders.contracts import (
    Adjustment,
    AdjustOrder,
    Completed,
    CompleteOrder,
    Created,
    CreateOrder,
    Flagged,
    FlagOrder,
    MixedCurrencies,
    OrderEnded,
    OrderStatus,
    UnknownSku,
)
from services.orders.events import OrderCancelled, OrderCompleted, OrderCreated, OrderFlagged, OrderRejected, PricedLine
from services.orders.tables import order_lines, orders, products

_ORDER = select(orders.c.customer_id, orders.c.total, orders.c.currency).where(
    orders.c.order_id == bindparam("order_id")
)

_PLACED = {"order_id", "customer_id", "lines", "ship_to", "payment_token"}  # the order as the customer placed it


class Orders:
    def __init__(self, database: Database, clock: Clock = system_clock) -> None:
        self._database = database
        self._operations = Operations(database, clock)
        self._clock = clock

    def offer(self, offered: Iterable[Product]) -> None:
        """Add products to the catalogue. Products that it has keep their price."""

        def add(tx: Connection) -> None:
            known = set(tx.scalars(select(products.c.sku)))
            for product in offered:
                if product.sku not in known:
                    price = product.unit_price
                    row = {"sku": product.sku, "name": product.name}
                    tx.execute(insert(products), row | {"unit_price": price.amount, "currency": price.currency})

        self._database.alone(add)

    def catalogue(self) -> list[Product]:
        with self._database.begin() as tx:
            rows = tx.execute(
                select(products.c.sku, products.c.name, products.c.unit_price, products.c.currency).order_by(
                    products.c.sku
                )
            )
            return [
                Product(sku=sku, name=name, unit_price=Money(amount=price, currency=currency))
                for sku, name, price, currency in rows
            ]

    def create(self, command: CreateOrder) -> Created:
        """Record the order at today's prices. Raises UnknownSku, MixedCurrencies, OrderEnded."""

        created_now = False

        def effect(tx: Connection) -> tuple[Created, OrderCreated]:
            nonlocal created_now
            created_now = True
            quantities = {line.sku: line.quantity for line in command.lines}
            prices = tx.execute(
                select(products.c.sku, products.c.unit_price, products.c.currency).where(products.c.sku.in_(quantities))
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
            row |= {"style": command.style, "policy": command.policy.model_dump_json() if command.policy else None}
            row |= {"total": total.amount, "currency": total.currency}
            row |= {"ship_to": command.ship_to.model_dump_json(), "placed_at": milliseconds(self._clock())}
            row |= {"placed": command.model_dump_json(include=_PLACED)}
            tx.execute(insert(orders), row)
            tx.execute(
                insert(order_lines),
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
            lines = tuple(
                PricedLine(
                    sku=row.sku,
                    quantity=quantities[row.sku],
                    unit_price=Money(amount=row.unit_price, currency=row.currency),
                )
                for row in prices
            )
            return Created(total=total, saga=command.saga), OrderCreated(
                customer_id=command.customer_id,
                lines=lines,
                total=total,
                payment_token=command.payment_token,
                ship_to=command.ship_to,
            )

        try:
            created = self._operations.do(command, Created, effect, refused=OrderRejected)
        except KeyReused:
            raise KeyReused(f"order {command.order_id} exists already, with another content or style") from None
        if not created_now and not (command.saga and created.saga == command.saga):
            self._still_in_progress(command.order_id)
        return created

    def complete(self, command: CompleteOrder) -> Completed:
        """Complete the order. Raises OrderEnded if it was rejected or cancelled, AlreadyUndone if that is withheld."""
        if command.after_all:
            self._operations.permit(command.key)
        return self._complete(command)

    def withhold(self, command: Undo) -> Undone:
        """Prevent the order's completion, before anything is undone. Raises TooLate if it is completed."""
        self._operations.forbid(command)
        return Undone(had_effect=False)

    def reject(self, command: Undo) -> Undone:
        """End an order that failed. Raises CannotUndo if it is completed."""
        return self._take_back(command, OrderStatus.REJECTED)

    def cancel(self, command: Undo) -> Undone:
        """End an order that was cancelled. Raises CannotUndo if it is completed."""
        return self._take_back(command, OrderStatus.CANCELLED)

    def flag(self, command: FlagOrder) -> Flagged:
        """Flag or unflag the order for an operator, or record the end that an operator settled by hand. Idempotent.

        A flag that arrives after a newer one, or after the order's end, adds only the operator's note.
        """
        if self._is_of_other_style(command):
            return Flagged()
        if command.ended is not None:
            with suppress(OrderEnded, CannotUndo):  # it has already ended in another way
                self._end_by_hand(command, command.ended)
        with self._database.begin() as tx:
            if command.cause is not None:
                if command.ended is None and inbox.knows(tx, command.cause):
                    return Flagged()  # a late redelivery: newer events may have been handled since
                inbox.note(tx, command.cause)
            self._mark(tx, command, command.problem, command.settled, command.sequence)
        return Flagged()

    def adjust(self, command: AdjustOrder) -> Adjustment:
        """Record what was settled outside after the order was completed. Raises CannotAdjust."""
        return adjusting.adjust(self._database, self._clock, command)

    def without_record(self, order_ids: Collection[str]) -> list[str]:
        """Those of these orders that have no record."""
        with self._database.begin() as tx:
            known = set(tx.scalars(select(orders.c.order_id).where(orders.c.order_id.in_(order_ids))))
        return [order_id for order_id in order_ids if order_id not in known]

    def unended(self, style: Style) -> list[str]:
        """The orders of this style that are in progress, the oldest first."""
        with self._database.begin() as tx:
            in_progress = (orders.c.status == OrderStatus.IN_PROGRESS) & (orders.c.style == style)
            return list(tx.scalars(select(orders.c.order_id).where(in_progress).order_by(orders.c.placed_at)))

    def _still_in_progress(self, order_id: str) -> None:
        """Raises OrderEnded if a saga that Temporal has deleted ended the order: a second one must not undo it."""
        with self._database.begin() as tx:
            status = tx.scalar(select(orders.c.status).where(orders.c.order_id == order_id))
        if status != OrderStatus.IN_PROGRESS:
            raise OrderEnded(f"order {order_id} is {status} already")

    def _end_by_hand(self, command: FlagOrder, status: OrderStatus) -> None:
        """End the order under the key of the operation that failed, so that it cannot end a second time."""
        order_id, style, cause = command.order_id, command.style, command.cause
        if status is OrderStatus.COMPLETED:
            key = str(Key(order_id, "complete"))
            complete = CompleteOrder(key=key, order_id=order_id, style=style, cause=cause)
            self._operations.permit(key)
            self._complete(complete, command)
        else:
            reason = command.reason or command.settled
            key = str(Key(order_id, "create"))
            undo = Undo(key=key, order_id=order_id, style=style, cause=cause, reason=reason)
            self._take_back(undo, status, command)

    def _complete(self, command: CompleteOrder, by_hand: FlagOrder | None = None) -> Completed:
        def effect(tx: Connection) -> tuple[Completed, OrderCompleted]:
            if not self._end(tx, command, OrderStatus.COMPLETED, "", by_hand):
                raise OrderEnded("the order is not in progress any more")
            order = tx.execute(_ORDER, {"order_id": command.order_id}).one()
            total = Money(amount=order.total, currency=order.currency)
            return Completed(), OrderCompleted(customer_id=order.customer_id, total=total)

        return self._operations.do(command, Completed, effect)

    def _is_of_other_style(self, command: Command) -> bool:
        """Whether the id belongs to an order of the other style, which this command must not change."""
        with self._database.begin() as tx:
            style = tx.scalar(select(orders.c.style).where(orders.c.order_id == command.order_id))
            if style in (None, command.style):
                return False
            if command.cause is not None:
                inbox.note(tx, command.cause)
            return True

    def _take_back(self, command: Undo, status: OrderStatus, by_hand: FlagOrder | None = None) -> Undone:
        if self._is_of_other_style(command):
            return Undone(had_effect=False)

        def ended(customer_id: str = "") -> OrderCancelled | OrderRejected:
            if status is OrderStatus.CANCELLED:
                return OrderCancelled(reason=command.reason, customer_id=customer_id, actor=command.actor)
            return OrderRejected(reason=command.reason, customer_id=customer_id)

        def effect(tx: Connection) -> Event:
            if not self._end(tx, command, status, command.reason, by_hand):
                raise CannotUndo("the order is completed: paid and shipped")
            order = tx.execute(_ORDER, {"order_id": command.order_id}).one()
            return ended(order.customer_id)

        return self._operations.undo(command, effect, otherwise=ended())

    def _end(
        self, tx: Connection, command: Command, status: OrderStatus, reason: str, by_hand: FlagOrder | None = None
    ) -> bool:
        """Set the final status and remove the flag. Returns False if the order was not in progress."""
        in_progress = (orders.c.order_id == command.order_id) & (orders.c.status == OrderStatus.IN_PROGRESS)
        if tx.execute(update(orders).where(in_progress).values(status=status, reason=reason)).rowcount == 0:
            return False
        if by_hand is None:
            self._mark(tx, command)
        else:
            self._mark(tx, by_hand, by_hand.problem, by_hand.settled, by_hand.sequence)
        return True

    def _mark(
        self, tx: Connection, command: Command, problem: str | None = None, settled: str = "", sequence: int = 0
    ) -> None:
        """Record what needs an operator (None: unchanged), and publish it if anything changes."""
        of_order = orders.c.order_id == command.order_id
        marks = select(orders.c.status, orders.c.problem, orders.c.settled, orders.c.flag_sequence)
        before = tx.execute(marks.where(of_order).with_for_update()).one_or_none()
        if before is not None:
            is_late = 0 < sequence < before.flag_sequence
            if problem is None or is_late:
                problem = before.problem
            if _needs_no_operator(OrderStatus(before.status), command.style):
                problem = ""
            if settled == before.settled or (is_late and before.settled):
                settled = ""
            is_changed = bool(settled) or problem != before.problem
            if is_changed or sequence > before.flag_sequence:
                values = {"problem": problem, "settled": settled or before.settled}
                values |= {"flag_sequence": max(sequence, before.flag_sequence)}
                tx.execute(update(orders).where(of_order).values(values))
            if not is_changed:
                return
        actor = command.actor if settled and isinstance(command, FlagOrder) else ""
        event = OrderFlagged(problem=problem or "", settled=settled, actor=actor)
        unique = event_id(str(Key(command.order_id, "flag")), uuid.uuid4().hex)
        publish(tx, event, command, milliseconds(self._clock()), event_id=unique)


def _needs_no_operator(status: OrderStatus, style: Style) -> bool:
    """A completed order needs none. An orchestrated order that is rejected or cancelled may still have a stuck undo:
    undos do not wait for each other."""
    return status is OrderStatus.COMPLETED or (status is not OrderStatus.IN_PROGRESS and style is Style.CHOREOGRAPHY)
