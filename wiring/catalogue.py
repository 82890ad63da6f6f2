"""The products on offer, from the orders and inventory services."""

from contextlib import closing

from sqlalchemy.exc import SQLAlchemyError

from kernel.contracts import Contract
from kernel.database import Database
from kernel.environment import one_line
from kernel.errors import SettingsError
from kernel.money import Money
from services.inventory.service import Inventory
from services.orders.service import Orders
from settings import Settings


class Offer(Contract):
    """A product as a customer sees it, with the number of pieces that are available."""

    sku: str
    name: str
    unit_price: Money
    on_hand: int


def read_catalogue(settings: Settings) -> list[Offer]:
    """All products, from the orders and inventory services. Raises SettingsError when they cannot be read."""
    try:
        with (
            closing(Database(settings.url_of("orders"), for_reading=True)) as orders,
            closing(Database(settings.url_of("inventory"), for_reading=True)) as inventory,
        ):
            on_hand = Inventory(inventory).on_hand()
            return [
                Offer(**product.model_dump(), on_hand=on_hand.get(product.sku, 0))
                for product in Orders(orders).catalogue()
            ]
    except FileNotFoundError as error:
        raise SettingsError(f"the catalogue cannot be read: {error}; start a worker first ('make up')") from None
    except (SQLAlchemyError, OSError) as error:
        raise SettingsError(f"the catalogue cannot be read: {one_line(error)[:200]}") from None
