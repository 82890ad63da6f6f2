"""Sample events, and the events of each way that an order can end. Amounts are in cents."""

from datetime import UTC, datetime

from kernel.contracts import Style
from kernel.envelope import CloudEvent
from kernel.money import Money
from services.fraud.events import FraudConfirmed, NoFraudDetected, PossibleFraud
from services.inventory.contracts import StockLine
from services.inventory.events import StockReleased, StockReserved
from services.orders.contracts import Address
from services.orders.events import OrderCancelled, OrderCompleted, OrderCreated, OrderRejected, PricedLine
from services.payments.events import PaymentFailed, PaymentProcessed, PaymentRefunded
from services.shipping.events import ShipmentCancelled, Shipped, ShippingFailed
from tests.events import published as published

ORDER, OTHER_ORDER = "order-1", "order-2"
CUSTOMER = "customer-1"
PRICE = 2_400
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHIPS_AFTER = 90.0  # seconds
CARD, STREET = "tok_visa", "Kade 1"

_LINES = (StockLine(sku="mug", quantity=2),)


def money(cents: int = PRICE, currency: str = "EUR") -> Money:
    return Money(amount=cents, currency=currency)


def created(customer: str = CUSTOMER, total: Money | None = None) -> OrderCreated:
    total = total or money()
    each = Money(amount=total.amount // 2, currency=total.currency)
    return OrderCreated(
        customer_id=customer,
        lines=(PricedLine(sku="mug", quantity=2, unit_price=each),),
        total=total,
        payment_token=CARD,
        ship_to=Address(name="A. Sample", street=STREET, postal_code="1011", city="Amsterdam", country="NL"),
    )


def completed(
    order: str = ORDER,
    *,
    customer: str = CUSTOMER,
    total: Money | None = None,
    ships_after: float = SHIPS_AFTER,
    style: Style = Style.ORCHESTRATION,
) -> list[CloudEvent]:
    total = total or money()
    return [
        published(created(customer, total), order, style=style),
        published(NoFraudDetected(score=0), order, after=1, style=style),
        published(StockReserved(lines=_LINES), order, after=2, style=style),
        published(PaymentProcessed(charge_id="ch_1", amount=total), order, after=3, style=style),
        published(Shipped(tracking_number="TRACK-1", country="NL"), order, after=ships_after, style=style),
        published(OrderCompleted(customer_id=customer, total=total), order, after=ships_after + 1, style=style),
    ]


def declined(order: str = ORDER, *, style: Style = Style.ORCHESTRATION) -> list[CloudEvent]:
    reason = "PaymentDeclined: the card was declined"
    return [
        published(created(), order, style=style),
        published(StockReserved(lines=_LINES), order, after=1, style=style),
        published(PaymentFailed(reason=reason), order, after=2, style=style),
        published(StockReleased(had_effect=True, lines=_LINES), order, after=3, style=style),
        published(OrderRejected(reason=reason, customer_id=CUSTOMER), order, after=4, style=style),
    ]


def undeliverable(order: str = ORDER) -> list[CloudEvent]:
    """Charged, and the money given back."""
    reason = "Undeliverable: no courier goes there"
    return [
        published(created(), order),
        published(PaymentProcessed(charge_id="ch_1", amount=money()), order, after=1),
        published(ShippingFailed(reason=reason), order, after=2),
        published(PaymentRefunded(had_effect=True, amount=money()), order, after=3),
        published(OrderRejected(reason=reason, customer_id=CUSTOMER), order, after=4),
    ]


def fraud(order: str = ORDER) -> list[CloudEvent]:
    """Held for a person, who declined it; nothing was charged."""
    reason = "FraudConfirmed: declined in review"
    return [
        published(created(), order),
        published(PossibleFraud(score=50, rules=("large amount",)), order, after=1),
        published(FraudConfirmed(reason=reason), order, after=2),
        published(PaymentRefunded(had_effect=False), order, after=3),
        published(OrderRejected(reason=reason, customer_id=CUSTOMER), order, after=4),
    ]


def called_back(order: str = ORDER) -> list[CloudEvent]:
    """Cancelled by its customer when the parcel was booked already."""
    why = "Cancelled by the customer: changed my mind"
    return [
        published(created(), order),
        published(PaymentProcessed(charge_id="ch_1", amount=money()), order, after=1),
        published(Shipped(tracking_number="TRACK-1", country="NL"), order, after=2),
        published(ShipmentCancelled(had_effect=True, reason=why), order, after=3),
        published(PaymentRefunded(had_effect=True, amount=money()), order, after=4),
        published(OrderCancelled(reason=why, customer_id=CUSTOMER), order, after=5),
    ]


def never_on_record(order: str = ORDER) -> list[CloudEvent]:
    return [
        published(PaymentRefunded(had_effect=False), order),
        published(OrderRejected(reason="UnknownSku: not in the catalogue: unicorn"), order, after=1),
    ]
