"""The products on offer, with their prices and first stock, from the file that the setting CATALOGUE names."""

import json
from pathlib import Path

from pydantic import BaseModel, NonNegativeInt, PositiveInt

from kernel.contracts import Contract
from kernel.environment import EnvironmentSettings, one_line
from kernel.errors import SettingsError
from kernel.money import CurrencyCode, Money


class CatalogueProduct(BaseModel):
    """`unit_price` in minor units; `stock` in pieces."""

    sku: str
    name: str
    unit_price: PositiveInt
    stock: NonNegativeInt


class Catalogue(BaseModel):
    currency: CurrencyCode
    products: list[CatalogueProduct]


class Product(Contract):
    """As customers see it; `unit_price` in minor units."""

    sku: str
    name: str
    unit_price: Money


class StockedProduct(Product):
    """`stock` is what is on the shelf on the first day, in pieces."""

    stock: int


class CatalogueSettings(EnvironmentSettings):
    catalogue: Path = Path(__file__).parent.parent / "catalogue.json"

    def products(self) -> list[StockedProduct]:
        """Raises SettingsError when the file cannot be used."""
        try:
            read = Catalogue.model_validate(json.loads(self.catalogue.read_text()))
        except (OSError, ValueError) as error:
            raise SettingsError(f"CATALOGUE: {self.catalogue}: {one_line(error)}") from None
        return [
            StockedProduct(
                sku=product.sku,
                name=product.name,
                unit_price=Money(amount=product.unit_price, currency=read.currency),
                stock=product.stock,
            )
            for product in read.products
        ]
