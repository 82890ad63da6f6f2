from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency
from pydantic import ValidationError

from kernel.catalogue import CatalogueSettings
from kernel.errors import SettingsError
from kernel.money import Money
from tests.services.samples import euros

PAID_IN = {each.code: each.exponent for each in Currency if each.exponent is not None}


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0.00 EUR"), (5, "0.05 EUR"), (-5, "-0.05 EUR"), (189_050, "1890.50 EUR")]
)
def test_money_is_shown_to_the_cent(amount: int, text: str) -> None:
    assert str(euros(amount)) == text


def test_a_fortune_is_shown_to_the_cent_too() -> None:
    """No float has this many digits."""
    assert str(euros(2**53 + 1)) == "90071992547409.93 EUR"


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1_890, "JPY", "1890 JPY"),
        (100_000, "XOF", "100000 XOF"),
        (-7, "KRW", "-7 KRW"),
        (100_000, "ISK", "100000 ISK"),
        (1_005, "KWD", "1.005 KWD"),
        (-5, "BHD", "-0.005 BHD"),
        (12_345, "CLF", "1.2345 CLF"),
    ],
)
def test_a_currency_has_as_many_decimals_as_iso_4217_gives_it(amount: int, currency: str, text: str) -> None:
    assert str(Money(amount=amount, currency=currency)) == text


@given(amount=st.integers(), currency=st.sampled_from(sorted(PAID_IN)))
def test_what_is_shown_is_the_amount_in_every_currency(amount: int, currency: str) -> None:
    number, _, code = str(Money(amount=amount, currency=currency)).partition(" ")
    sign, digits, exponent = Decimal(number).as_tuple()
    assert code == currency
    assert exponent == -PAID_IN[currency]
    assert int("".join(str(digit) for digit in digits)) * (-1 if sign else 1) == amount


@given(amount=st.integers(), currency=st.sampled_from(sorted(PAID_IN)))
def test_money_is_the_same_after_the_wire(amount: int, currency: str) -> None:
    money = Money(amount=amount, currency=currency)
    assert Money.model_validate_json(money.model_dump_json()) == money


@given(st.text(max_size=4).filter(lambda code: code not in PAID_IN))
def test_any_other_text_is_no_currency(code: str) -> None:
    with pytest.raises(ValidationError, match="is not an ISO 4217 currency"):
        Money(amount=1, currency=code)


@pytest.mark.parametrize("code", ["XXX", "XTS", "XAU", "XDR", "eur", "EU", "EURO", "DEM", "BTC", ""])
def test_a_code_without_minor_units_is_refused_by_name(code: str) -> None:
    """Gold and test codes are in the standard; amounts in minor units of them are not. DEM is history."""
    with pytest.raises(ValidationError, match=f"'{code}' is not an ISO 4217 currency with minor units"):
        Money(amount=1, currency=code)


def test_a_catalogue_in_no_currency_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "catalogue.json"
    file.write_text('{"currency": "XXX", "products": [{"sku": "mug", "name": "Mug", "unit_price": 1, "stock": 1}]}')
    monkeypatch.setenv("CATALOGUE", str(file))
    with pytest.raises(SettingsError, match="currency: 'XXX' is not an ISO 4217 currency"):
        CatalogueSettings.read().products()
