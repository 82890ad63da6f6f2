"""Records what was settled outside after an order was completed, with the orders service, for either style."""

import asyncio
from contextlib import closing

from client.errors import NoSuchOrder, NotNow
from client.free_text import check_length
from kernel.errors import Refusal
from kernel.keys import Key
from kernel.money import Money
from services.orders.contracts import Adjustment, AdjustOrder
from services.orders.declaration import ORDERS
from settings import Settings
from wiring.order_records import RecordsOfOrders
from wiring.services import Services


def total_of(settings: Settings, order_id: str) -> Money:
    """The order's total. Raises NoSuchOrder, SettingsError."""
    with closing(RecordsOfOrders(settings.url_of)) as records:
        record = asyncio.run(records.find(order_id))
    if record is None:
        raise NoSuchOrder(f"there is no order {order_id} on record; 'starter.py list' shows those that are")
    return record.total


def adjust(settings: Settings, order_id: str, refunded: Money | None, *, returned: bool, note: str) -> Adjustment:
    """Returns all adjustments that are recorded by now. Raises NotNow, TooLong, SettingsError."""
    check_length(note)
    key = str(Key(order_id, "adjust"))
    command = AdjustOrder(key=key, order_id=order_id, refunded=refunded, returned=returned, note=note)
    with closing(Services(settings)) as services:
        try:
            return services.open(ORDERS).adjust(command)
        except Refusal as refusal:
            raise NotNow(str(refusal)) from None
