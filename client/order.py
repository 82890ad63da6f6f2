"""An order as a customer sends it. Strict: unknown fields are refused.

The saga's input (`workflows.contracts`) and the content of `OrderPlaced` (`choreography.events`) are separate models
that ignore unknown fields, since code of other versions may have written them.
"""

import hashlib
from typing import Annotated, Self

from iso3166 import countries_by_alpha2
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from client.postal_codes import WITHOUT_POSTAL_CODES
from kernel.contracts import Contract
from services.orders.contracts import MAX_LINES, CountryCode, OrderId, Quantity, Text


def _token(value: str) -> str:
    if not value.startswith("tok_"):
        raise ValueError("must be a card token such as tok_visa, never a card number")
    return value


def _country(code: str) -> str:
    if code not in countries_by_alpha2:
        raise ValueError(f"{code} is not an ISO 3166 country code")
    return code


class Address(Contract):
    """Where a parcel goes.

    `country` is an ISO 3166 two-letter code. `postal_code` may be left out if the country has none.
    """

    model_config = ConfigDict(extra="forbid")

    name: Text
    street: Text
    postal_code: Text
    city: Text
    country: Annotated[CountryCode, AfterValidator(_country)]

    @model_validator(mode="before")
    @classmethod
    def _without_postal_code(cls, given: object) -> object:
        """A missing postal code becomes a dash, since consumers of the order's events rely on a value."""
        if isinstance(given, dict) and str(given.get("country")).strip().upper() in WITHOUT_POSTAL_CODES:
            return {**given, "postal_code": given.get("postal_code") or "-"}
        return given


class OrderLine(Contract):
    model_config = ConfigDict(extra="forbid")

    sku: Text
    quantity: Quantity


class Order(Contract):
    """It carries no price: prices come from the catalogue."""

    model_config = ConfigDict(extra="forbid")

    order_id: OrderId
    customer_id: Text
    lines: Annotated[tuple[OrderLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    payment_token: Annotated[Text, AfterValidator(_token)]
    ship_to: Address

    @model_validator(mode="after")
    def _one_line_a_sku(self) -> Self:
        skus = [line.sku for line in self.lines]
        twice = next((sku for sku in skus if skus.count(sku) > 1), None)
        if twice:
            raise ValueError(f"{twice} is on two lines; put the whole quantity on one line")
        return self

    def content(self) -> dict[str, object]:
        """In JSON's types, without defaults, so that a field that is new to an older reader is there only if used."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def digest(self) -> str:
        """A digest of the content. An optional field that is added later changes it only if used."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()
