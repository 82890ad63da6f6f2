"""The books of all services, side by side.

The orders' are read first: an order that had ended by then had done, or undone, everything else before. Orders that are
placed meanwhile are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from audit.reading import Sources, read_books
from kernel.books import Books, OrderRecord
from services import SERVICES
from services.inventory.books import InventoryBooks
from services.orders.contracts import OrderStatus
from services.orders.declaration import ORDERS
from services.payments.books import PaymentsBooks
from services.shipping.books import ShippingBooks

B = TypeVar("B", bound=Books)


@dataclass(frozen=True)
class AllBooks:
    """`names` are those of the services; `placed` are the orders on record, `unplaced` the ids of others."""

    services: Sequence[Books]
    names: Sequence[str]
    placed: Mapping[str, OrderRecord]
    unplaced: frozenset[str]


def read_all(sources: Sources) -> AllBooks:
    """Raises SettingsError when something is not there or cannot be read."""
    in_order = [ORDERS, *(service for service in SERVICES if service is not ORDERS)]
    services = [read_books(sources, service) for service in in_order]
    orders = services[0]
    placed = orders.placed()
    unplaced = frozenset(order_id for books in services for order_id in books.orders()) - placed.keys()
    if unplaced:
        unplaced -= read_books(sources, ORDERS).placed().keys()
    return AllBooks(services, [service.name for service in in_order], placed, unplaced)


@dataclass
class OrderBooks:
    """What became of one order. Money in minor units with its currency; `held` is pieces by SKU."""

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


def read(sources: Sources) -> Overview:
    """What became of each order, to be shown. Raises SettingsError when something is not there or cannot be read."""
    found = read_all(sources)
    stock, money, parcels = (_of(found, InventoryBooks), _of(found, PaymentsBooks), _of(found, ShippingBooks))
    orders = {}
    for order_id in (*found.placed, *found.unplaced):
        record, charges = found.placed.get(order_id), money.charges.get(order_id, [])
        orders[order_id] = OrderBooks(
            status=OrderStatus(record.status) if record else None,
            settled_by_hand=record.settled if record else "",
            held=stock.held.get(order_id, {}),
            charges=[(charge.amount.amount, charge.amount.currency) for charge in charges],
            charged=sum(charge.amount.amount for charge in charges),
            refunded=sum(charge.refunded for charge in charges),
            parcels_booked=len(parcels.parcels.get(order_id, [])),
        )
    return Overview(orders)


def _of(found: AllBooks, kind: type[B]) -> B:
    return next(books for books in found.services if isinstance(books, kind))
