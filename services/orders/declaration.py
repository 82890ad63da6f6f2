"""The orders service's declaration."""

from collections.abc import Sequence
from pathlib import Path

from kernel.books import Books
from kernel.catalogue import CatalogueSettings
from kernel.errors import TooLate
from kernel.service import Service, Site, forward, note, step, undo
from services.orders.contracts import CannotAdjust, MixedCurrencies, OrderEnded, OrdersPort, UnknownSku
from services.orders.events import (
    OrderAdjusted,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderFlagged,
    OrderRejected,
)


def _open(site: Site) -> OrdersPort:
    from services.orders.service import Orders  # here, so that a declaration does not import the database

    orders = Orders(site.database)
    orders.offer(site.settings(CatalogueSettings).products())
    return orders


def _books(site: Site, orders: Sequence[str]) -> Books:
    from services.orders.books import OrdersBooks

    return OrdersBooks(site.database, orders)


ORDERS: Service[OrdersPort] = Service(
    name="orders",
    port=OrdersPort,
    open=_open,
    operations=(
        step(
            OrdersPort.create,
            publishes=(OrderCreated,),
            refusals=(UnknownSku, MixedCurrencies, OrderEnded),
            refused=OrderRejected,
        ),
        undo(OrdersPort.reject, of=OrdersPort.create, publishes=(OrderRejected,)),
        undo(OrdersPort.cancel, of=OrdersPort.create, publishes=(OrderCancelled,)),
        forward(OrdersPort.complete, publishes=(OrderCompleted,), refusals=(OrderEnded,)),
        note(OrdersPort.withhold, publishes=(), refusals=(TooLate,)),
        note(OrdersPort.adjust, publishes=(OrderAdjusted,), refusals=(CannotAdjust,)),
        note(OrdersPort.flag, publishes=(OrderFlagged,), refusals=(OrderEnded,)),
    ),
    books=_books,
    migrations=Path(__file__).with_name("migrations"),
    settings=CatalogueSettings,
)
