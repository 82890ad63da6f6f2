"""The events that the inventory service publishes."""

from kernel.contracts import Event, FailureEvent, UndoneEvent
from services.inventory.contracts import StockLine


class StockReserved(Event):
    """Every line is held for the order."""

    lines: tuple[StockLine, ...]


class OutOfStock(FailureEvent):
    """Nothing was reserved."""


class StockReleased(UndoneEvent):
    """What was held is back on the shelf."""

    lines: tuple[StockLine, ...] = ()
