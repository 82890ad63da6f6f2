"""Sample commands. What a test does not name does not matter to it."""

from datetime import UTC, datetime, timedelta

from kernel.catalogue import Product
from kernel.contracts import Undo
from kernel.keys import Key
from kernel.money import Money
from services.fraud.contracts import ScreenOrder
from services.inventory.contracts import ReserveStock, StockLine
from services.orders.contracts import Address, CreateOrder, OrderLine
from services.payments.contracts import ChargeCard
from services.shipping.contracts import Destination, ShipOrder

ORDER, OTHER_ORDER = "order-1", "order-2"
CUSTOMER, OTHER_CUSTOMER = "customer-1", "customer-2"
MUG, PRESS, KETTLE = "mug", "french-press", "last-kettle"
MUG_PRICE, PRESS_PRICE = 1_200, 3_900  # cents
PRICE = 5_100  # cents
GOOD_CARD, EMPTY_CARD = "tok_visa", "tok_chargeDeclinedInsufficientFunds"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, time: timedelta) -> None:
        self.now += time


def euros(cents: int) -> Money:
    return Money(amount=cents, currency="EUR")


def key(step: str, order: str = ORDER) -> str:
    return str(Key(order, step))


def product(sku: str, cents: int) -> Product:
    return Product(sku=sku, name=sku.title(), unit_price=euros(cents))


def create(quantities: dict[str, int], order: str = ORDER) -> CreateOrder:
    lines = tuple(OrderLine(sku=sku, quantity=quantity) for sku, quantity in quantities.items())
    to = Address(name="A. Sample", street="Kade 1", postal_code="1011", city="Amsterdam", country="NL")
    return CreateOrder(key=key("create", order), order_id=order, customer_id=CUSTOMER, lines=lines, ship_to=to)


def screen(order: str = ORDER, *, customer: str = CUSTOMER, cents: int = PRICE, country: str = "NL") -> ScreenOrder:
    return ScreenOrder(
        key=key("screen", order), order_id=order, customer_id=customer, amount=euros(cents), country=country
    )


def reserve(quantities: dict[str, int], order: str = ORDER) -> ReserveStock:
    return ReserveStock(key=key("reserve", order), order_id=order, lines=stock_lines(quantities))


def stock_lines(quantities: dict[str, int]) -> tuple[StockLine, ...]:
    return tuple(StockLine(sku=sku, quantity=quantity) for sku, quantity in quantities.items())


def charge(order: str = ORDER, *, cents: int = PRICE, card: str = GOOD_CARD) -> ChargeCard:
    return ChargeCard(key=key("charge", order), order_id=order, amount=euros(cents), payment_token=card)


def ship(order: str = ORDER, *, country: str = "NL", city: str = "Amsterdam") -> ShipOrder:
    to = Destination(name="A. Sample", street="Kade 1", postal_code="1011", city=city, country=country)
    return ShipOrder(key=key("ship", order), order_id=order, ship_to=to)


def undo(step: str, order: str = ORDER) -> Undo:
    return Undo(key=key(step, order), order_id=order, reason="the order failed")
