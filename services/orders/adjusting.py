"""The rule of adjustments: what was settled outside after an order was completed is recorded as a running total."""

import uuid

from sqlalchemy import select, update

from kernel.contracts import Style
from kernel.database import Database
from kernel.keys import Key, event_id
from kernel.money import Money
from kernel.operations import Clock, milliseconds, publish
from services.orders.contracts import Adjustment, AdjustOrder, CannotAdjust, OrderStatus
from services.orders.events import OrderAdjusted
from services.orders.tables import orders


def adjust(database: Database, clock: Clock, command: AdjustOrder) -> Adjustment:
    """Record the adjustment, and publish it if it changes anything. A repeat has no effect. Raises CannotAdjust."""
    of_order = orders.c.order_id == command.order_id
    row_of_order = select(orders.c.status, orders.c.style, orders.c.total, orders.c.currency, orders.c.adjusted)
    with database.begin() as tx:
        row = tx.execute(row_of_order.where(of_order).with_for_update()).one_or_none()
        if row is None:
            raise CannotAdjust(f"there is no order {command.order_id} on record")
        if row.status != OrderStatus.COMPLETED:
            raise CannotAdjust(f"order {command.order_id} is {row.status}: only a completed order is adjusted")
        before = Adjustment.model_validate_json(row.adjusted) if row.adjusted else Adjustment()
        refunded = before.refunded if command.refunded is None else command.refunded.amount
        total = Money(amount=row.total, currency=row.currency)
        if command.refunded is not None and command.refunded.currency != row.currency:
            raise CannotAdjust(f"order {command.order_id} was paid in {row.currency}")
        if not 0 <= refunded <= row.total:
            raise CannotAdjust(f"order {command.order_id} cost {total}: no more can be refunded")
        after = Adjustment(refunded=refunded, returned=before.returned or command.returned, note=command.note)
        if after == before:
            return before
        tx.execute(update(orders).where(of_order).values(adjusted=after.model_dump_json()))
        event = OrderAdjusted(
            refunded=Money(amount=after.refunded, currency=row.currency), returned=after.returned, note=after.note
        )
        unique = event_id(str(Key(command.order_id, "adjust")), uuid.uuid4().hex)
        of_style = command.model_copy(update={"style": Style(row.style)})
        publish(tx, event, of_style, milliseconds(clock()), event_id=unique)
    return after
