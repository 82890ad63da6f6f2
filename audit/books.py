"""The books of all services, side by side, a batch of orders at a time.

The orders service is read first: before an order ended, everything else of it had been done or undone. Orders that are
placed while the audit reads are left out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from audit.reading import Reading, Sources
from audit.scratch import Scratch, batches
from kernel.books import Books, OrderRecord
from kernel.service import Service
from services import SERVICES
from services.inventory.books import InventoryBooks
from services.orders.contracts import OrderStatus
from services.orders.declaration import ORDERS
from services.payments.books import PaymentsBooks
from services.shipping.books import ShippingBooks

B = TypeVar("B", bound=Books)

_AT_ONCE = 500
_IDS = "CREATE TABLE ids (order_id TEXT PRIMARY KEY) WITHOUT ROWID"


@dataclass(frozen=True)
class BooksOfSome:
    """The books of some orders. `names` are the services'; `placed` are the orders on record, `unplaced` the others."""

    services: Sequence[Books]
    names: Sequence[str]
    placed: Mapping[str, OrderRecord]
    unplaced: Sequence[str]


def pages(reading: Reading, since: int = 0, orders: Iterable[str] | None = None) -> Iterator[BooksOfSome]:
    """The books of all orders that any service has on record, each order once.

    Args:
        since: only orders that changed at or after this time (milliseconds since 1970), or that have not ended.
        orders: only these orders.

    Raises:
        SettingsError: a database is missing or cannot be read.
    """
    with Scratch(_IDS) as scratch:
        for service in _in_order() if orders is None else ():
            ids = ((order_id,) for order_id in reading.orders(service, since))
            scratch.add("INSERT OR IGNORE INTO ids VALUES (?)", ids)
        listed = (order_id for (order_id,) in scratch.rows("SELECT order_id FROM ids ORDER BY order_id"))
        for some in batches(listed if orders is None else orders, _AT_ONCE):
            yield _read_some(reading, some)


def _in_order() -> list[Service[Any]]:
    return [ORDERS, *(service for service in SERVICES if service is not ORDERS)]


def _read_some(reading: Reading, some: Sequence[str]) -> BooksOfSome:
    services = [reading.books(service, some) for service in _in_order()]
    placed = services[0].placed()
    unplaced = [order_id for order_id in some if order_id not in placed]
    if unplaced:
        meanwhile = reading.books(ORDERS, unplaced).placed()
        unplaced = [order_id for order_id in unplaced if order_id not in meanwhile]
    return BooksOfSome(services, [service.name for service in _in_order()], placed, unplaced)


@dataclass
class OrderBooks:
    """What became of one order. Money is in minor units with its currency; `held` is in pieces by SKU."""

    status: OrderStatus | None = None
    settled_by_hand: str = ""
    held: dict[str, int] = field(default_factory=dict)
    charges: list[tuple[int, str]] = field(default_factory=list)
    charged: int = 0
    refunded: int = 0
    parcels_booked: int = 0


@dataclass
class Overview:
    orders: dict[str, OrderBooks]


def read(sources: Sources, orders: Iterable[str] | None = None) -> Overview:
    """What became of each order (or of these), for display.

    Raises:
        SettingsError: a database is missing or cannot be read.
    """
    found = {}
    with Reading(sources) as reading:
        for some in pages(reading, orders=orders):
            stock, money, parcels = _of(some, InventoryBooks), _of(some, PaymentsBooks), _of(some, ShippingBooks)
            for order_id in (*some.placed, *some.unplaced):
                record, charges = some.placed.get(order_id), money.charges.get(order_id, [])
                books = OrderBooks(
                    status=OrderStatus(record.status) if record else None,
                    settled_by_hand=record.settled if record else "",
                    held=stock.held.get(order_id, {}),
                    charges=[(charge.amount.amount, charge.amount.currency) for charge in charges],
                    charged=sum(charge.amount.amount for charge in charges),
                    refunded=sum(charge.refunded for charge in charges),
                    parcels_booked=len(parcels.parcels.get(order_id, [])),
                )
                if books != OrderBooks():  # otherwise it was refused, or undone before it was done
                    found[order_id] = books
    return Overview(found)


def _of(found: BooksOfSome, kind: type[B]) -> B:
    return next(books for books in found.services if isinstance(books, kind))
