"""The inventory service's declaration."""

from collections.abc import Sequence
from pathlib import Path

from kernel.books import Books
from kernel.catalogue import CatalogueSettings
from kernel.service import Service, Site, step, undo
from services.inventory.contracts import InventoryPort, NotEnoughStock, StockLine
from services.inventory.events import OutOfStock, StockReleased, StockReserved


def _open(site: Site) -> InventoryPort:
    from services.inventory.service import Inventory  # here, so that a declaration does not import the database

    inventory = Inventory(site.database)
    products = site.settings(CatalogueSettings).products()
    inventory.stock(StockLine(sku=product.sku, quantity=product.stock) for product in products)
    return inventory


def _books(site: Site, orders: Sequence[str]) -> Books:
    from services.inventory.books import InventoryBooks

    return InventoryBooks(site.database, orders)


INVENTORY: Service[InventoryPort] = Service(
    name="inventory",
    port=InventoryPort,
    open=_open,
    operations=(
        step(
            InventoryPort.reserve,
            publishes=(StockReserved,),
            refusals=(NotEnoughStock,),
            refused=OutOfStock,
        ),
        undo(InventoryPort.release, of=InventoryPort.reserve, publishes=(StockReleased,)),
    ),
    books=_books,
    migrations=Path(__file__).with_name("migrations"),
    settings=CatalogueSettings,
)
