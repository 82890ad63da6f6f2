"""The products on offer, with their prices and first stock, from the file that the setting CATALOGUE names."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from kernel.contracts import Contract
from kernel.environment import EnvironmentSettings, one_line
from kernel.errors import SettingsError
from kernel.json_text import parse, text_of
from kernel.money import CurrencyCode, Money

# The limits keep the total of the largest possible order within 64 bits.
Price = Annotated[int, Field(ge=1, le=1_000_000_000_000, strict=True)]
Pieces = Annotated[int, Field(ge=0, le=1_000_000_000_000, strict=True)]


class CatalogueProduct(BaseModel):
    """`unit_price` in minor units; `stock` in pieces."""

    sku: str
    name: str
    unit_price: Price
    stock: Pieces


class Catalogue(BaseModel):
    currency: CurrencyCode
    products: list[CatalogueProduct]

    @model_validator(mode="after")
    def _one_product_a_sku(self) -> Self:
        skus = [product.sku for product in self.products]
        twice = next((sku for sku in skus if skus.count(sku) > 1), None)
        if twice is not None:
            raise ValueError(f"the product {twice} is listed twice")
        return self


class Product(Contract):
    """A product as customers see it; `unit_price` is for one piece."""

    sku: str
    name: str
    unit_price: Money


class StockedProduct(Product):
    """`stock` is the first stock, in pieces."""

    stock: int


class CatalogueSettings(EnvironmentSettings):
    catalogue: Path = Path(__file__).parent.parent / "catalogue.json"

    def products(self) -> list[StockedProduct]:
        """The catalogue's products. Raises SettingsError if the file cannot be used."""
        try:
            read = Catalogue.model_validate(parse(text_of(self.catalogue.read_bytes())))
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
