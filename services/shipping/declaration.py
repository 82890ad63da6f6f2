"""The declarations of the shipping service and of its provider, the courier."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from kernel.books import Books
from kernel.service import Provider, Service, Site, step, undo
from services.shipping.contracts import (
    AddressNotServed,
    AlreadyCollected,
    Courier,
    CourierSettings,
    ShippingPort,
    Undeliverable,
)
from services.shipping.events import ShipmentCancelled, Shipped, ShippingFailed


def _open_courier(site: Site) -> Courier:
    from services.shipping.simulated_courier import SimulatedCourier

    pickup = timedelta(seconds=site.settings(CourierSettings).courier_pickup)
    courier = SimulatedCourier(site.database, pickup)
    courier.open()
    return courier


def _open(site: Site) -> ShippingPort:
    from services.shipping.service import Shipping  # here, so that a declaration does not import the database

    return Shipping(site.database, site.provider(COURIER))


def _books(site: Site, orders: Sequence[str]) -> Books:
    from services.shipping.books import ShippingBooks

    return ShippingBooks(site.database, site.provider(COURIER), orders)


COURIER: Provider[Courier] = Provider(
    name="courier",
    port=Courier,
    open=_open_courier,
    verbs=((Courier.book, AddressNotServed), (Courier.cancel, AlreadyCollected)),
)

SHIPPING: Service[ShippingPort] = Service(
    name="shipping",
    port=ShippingPort,
    open=_open,
    operations=(
        step(
            ShippingPort.ship,
            publishes=(Shipped,),
            refusals=(Undeliverable,),
            refused=ShippingFailed,
        ),
        undo(ShippingPort.cancel, of=ShippingPort.ship, publishes=(ShipmentCancelled,)),
        undo(ShippingPort.withdraw, of=ShippingPort.ship, publishes=(ShipmentCancelled,)),
    ),
    books=_books,
    migrations=Path(__file__).with_name("migrations"),
    settings=CourierSettings,
    providers=(COURIER,),
)
