"""Money: an integer of minor units and a currency, with the codes and exponents of ISO 4217 from a library.

A newer release of that library may drop a withdrawn currency. Orders that were paid in it, and their events, would then
be unreadable: check the databases before you upgrade it.
"""

from typing import Annotated, Final

from iso4217 import Currency
from pydantic import AfterValidator

from kernel.contracts import Contract

# Decimals by code. Codes without minor units (such as gold, tests, no currency) are left out: no price can be in them.
# Built when the module loads, since a workflow may not read a file.
MINOR_UNITS: Final = {each.code: each.exponent for each in Currency if each.exponent is not None}


def _is_currency(code: str) -> str:
    if code not in MINOR_UNITS:
        raise ValueError(f"'{code}' is not an ISO 4217 currency with minor units, such as EUR")
    return code


CurrencyCode = Annotated[str, AfterValidator(_is_currency)]


class Money(Contract):
    """An amount in minor units (cents) of an ISO 4217 currency."""

    amount: int
    currency: CurrencyCode

    def __str__(self) -> str:
        """The amount with the currency's number of decimals."""
        decimals = MINOR_UNITS[self.currency]
        whole, minor = divmod(abs(self.amount), 10**decimals)
        fraction = f".{minor:0{decimals}}" if decimals else ""
        return f"{'-' if self.amount < 0 else ''}{whole}{fraction} {self.currency}"
