"""What the inventory service tells."""

from services.contracts import Event, Failure, UndoneEvent
from services.inventory.contracts import StockLine


class StockReserved(Event):
    """Every line is held for the order."""

    lines: tuple[StockLine, ...]


class OutOfStock(Failure):
    """Nothing was reserved."""


class StockReleased(UndoneEvent):
    """What was held is back on the shelf."""

    lines: tuple[StockLine, ...] = ()
