"""What every database says of every order, side by side.

Each database is read as it is at one moment, the orders' first: an order that had ended by then had done, or undone,
everything else before. Orders that are placed meanwhile are left out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from kernel.database import Database
from kernel.environment import one_line
from kernel.errors import SettingsError
from services.fraud.tables import screenings
from services.inventory.tables import reservations
from services.inventory.tables import stock as stock_rows
from services.orders.contracts import OrderStatus
from services.orders.tables import order_lines
from services.orders.tables import orders as order_rows
from services.payments.simulated_gateway import CHARGED, REFUNDED, ledger
from services.payments.tables import payments
from services.shipping.simulated_courier import BOOKED, parcels
from services.shipping.tables import shipments
from settings import Settings


@dataclass
class OrderBooks:
    """One order in all books. Money in minor units with its currency; `lines` and `held` are pieces by SKU."""

    status: OrderStatus | None = None
    settled_by_hand: str = ""
    placed_at: int = 0
    total: tuple[int, str] = (0, "")
    lines: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    cleared_of_fraud: bool = False
    payment: tuple[int, int] = (0, 0)
    charges: list[tuple[int, str]] = field(default_factory=list)
    charged: int = 0
    refunded: int = 0
    shipment_booked: bool = False
    parcels_booked: int = 0


@dataclass
class Books:
    orders: dict[str, OrderBooks]
    stock: dict[str, tuple[int, int]]  # received and on hand, by SKU
    held: dict[str, int]  # by SKU, of all orders, read at the same moment as the stock


def read(settings: Settings) -> Books:
    """Raises SettingsError when a database is not there or cannot be read."""
    orders: defaultdict[str, OrderBooks] = defaultdict(OrderBooks)
    with reading(settings, "orders") as tx:
        _read_orders(tx, orders)
    recorded = set(orders)
    with reading(settings, "fraud") as tx:
        for screening in tx.execute(select(screenings.c.order_id, screenings.c.verdict, screenings.c.decision)):
            cleared = screening.decision == "approve" if screening.decision else screening.verdict == "clear"
            orders[screening.order_id].cleared_of_fraud = cleared
    with reading(settings, "inventory") as tx:
        stock = {row.sku: (row.received, row.on_hand) for row in tx.execute(select(stock_rows))}
        held = Counter[str]()
        for row in tx.execute(select(reservations)):
            orders[row.order_id].held[row.sku] = row.quantity
            held[row.sku] += row.quantity
    with reading(settings, "payments") as tx:
        for payment in tx.execute(select(payments.c.order_id, payments.c.amount, payments.c.refunded)):
            orders[payment.order_id].payment = (payment.amount, payment.refunded)
    with reading(settings, "gateway") as tx:
        for entry in tx.execute(select(ledger)):
            books = orders[entry.key.partition(":")[0]]
            if entry.state in (CHARGED, REFUNDED):
                books.charges.append((entry.amount, entry.currency))
            books.charged += entry.amount
            books.refunded += entry.refunded
    with reading(settings, "shipping") as tx:
        for shipment in tx.execute(select(shipments.c.order_id, shipments.c.status)):
            orders[shipment.order_id].shipment_booked = shipment.status == BOOKED
    with reading(settings, "courier") as tx:
        for key in tx.scalars(select(parcels.c.key).where(parcels.c.status == BOOKED)):
            orders[key.partition(":")[0]].parcels_booked += 1
    with reading(settings, "orders") as tx:
        placed_meanwhile = set(tx.scalars(select(order_rows.c.order_id))) - recorded
    return Books({key: books for key, books in orders.items() if key not in placed_meanwhile}, stock, held)


def _read_orders(tx: Connection, orders: defaultdict[str, OrderBooks]) -> None:
    for row in tx.execute(select(order_rows)):
        books = orders[row.order_id]
        books.status = OrderStatus.NEEDS_ATTENTION if row.problem else OrderStatus(row.status)
        books.settled_by_hand = row.settled
        books.total = (row.total, row.currency)
        books.placed_at = row.placed_at
    for line in tx.execute(select(order_lines.c.order_id, order_lines.c.sku, order_lines.c.quantity)):
        orders[line.order_id].lines[line.sku] = line.quantity


@contextmanager
def reading(settings: Settings, name: str) -> Iterator[Connection]:
    """A database as it is at one moment. Raises SettingsError when it is not there or cannot be read."""
    try:
        with closing(Database(settings.url_of(name), for_reading=True)) as database, database.begin() as tx:
            yield tx
    except (SQLAlchemyError, OSError) as error:
        raise SettingsError(
            f"the database of {name} cannot be read: {one_line(error)[:200]}; start a worker first ('make up')"
        ) from None
