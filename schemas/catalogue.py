"""All events, by who tells them. A new event is one line here."""

from choreography.events import PUBLISHED
from kernel.contracts import Event
from services.fraud.events import FraudConfirmed, NoFraudDetected, PossibleFraud
from services.inventory.events import OutOfStock, StockReleased, StockReserved
from services.orders.events import OrderCancelled, OrderCompleted, OrderCreated, OrderFlagged, OrderRejected
from services.payments.events import PaymentFailed, PaymentProcessed, PaymentRefunded
from services.shipping.events import ShipmentCancelled, Shipped, ShippingFailed

# By CloudEvents' `source`. The choreography adds to its own who of it: its deadlines, or the service that gives up.
SOURCES: dict[str, tuple[type[Event], ...]] = {
    "/orders": (OrderCreated, OrderCompleted, OrderRejected, OrderCancelled, OrderFlagged),
    "/fraud": (NoFraudDetected, PossibleFraud, FraudConfirmed),
    "/inventory": (StockReserved, OutOfStock, StockReleased),
    "/payments": (PaymentProcessed, PaymentFailed, PaymentRefunded),
    "/shipping": (Shipped, ShippingFailed, ShipmentCancelled),
    **{source: events for source, events in PUBLISHED.items() if source != "/operator"},
    # Who has settled by hand what a service cannot do tells it in the service's place; until 0.1, an order's end too.
    "/operator": (
        *PUBLISHED["/operator"],
        StockReleased,
        PaymentRefunded,
        ShipmentCancelled,
        Shipped,
        OrderRejected,
        OrderCancelled,
        OrderCompleted,
    ),
}


def event_types() -> list[type[Event]]:
    """Each once, by name."""
    return sorted({kind for kinds in SOURCES.values() for kind in kinds}, key=lambda kind: kind.type())
