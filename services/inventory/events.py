"""What the inventory service tells."""

from services.contracts import Event, Failure, UndoneEvent
from services.inventory.contracts import StockLine


class StockReserved(Event):
    lines: tuple[StockLine, ...]


class OutOfStock(Failure):
    """Nothing was reserved."""


class StockReleased(UndoneEvent):
    lines: tuple[StockLine, ...] = ()
