"""What a customer may write in an order, and what of two orders differs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from client.differences import differences
from client.order import Address
from client.postal_codes import WITHOUT_POSTAL_CODES
from kernel.visible import is_text, visible

NAMES = (
    "\u0646\u0631\u06af\u0633\u200c\u0632\u0627\u062f\u0647",  # Persian, with a zero-width non-joiner
    "\u0d28\u0d3f\u0d28\u0d4d\u200d",  # Malayalam, with a zero-width joiner
    "Jean\u00a0Dupont",
    "\u5c71\u7530\u3000\u592a\u90ce",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "O'Brien-Smith \u0301",
)


def address(**changes: Any) -> Address:
    given = {"name": "A", "street": "1 Street", "postal_code": "1", "city": "B", "country": "DE"} | changes
    return Address.model_validate({key: value for key, value in given.items() if value is not None})


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_of_any_script_is_text(name: str) -> None:
    assert address(name=name).name == name
    assert visible(name) == name


@given(
    st.characters(categories=["Cc", "Zl", "Zp", "Cs", "Co"])
    | st.sampled_from("\u202a\u202e\u2066\u2069\u200b\ufeff\u00ad")
)
def test_what_acts_hides_or_turns_text_around_is_none(character: str) -> None:
    assert not is_text(character)
    with pytest.raises(ValidationError):
        address(name=f"a{character}b")


def test_where_there_are_no_postal_codes_none_is_needed() -> None:
    for country in ("HK", "ae"):
        assert address(country=country, postal_code=None).postal_code == "-"
        assert address(country=country, postal_code="").postal_code == "-"
        assert address(country=country, postal_code="999077").postal_code == "999077"
    assert "DE" not in WITHOUT_POSTAL_CODES
    for missing in (None, ""):
        with pytest.raises(ValidationError):
            address(postal_code=missing)


FIRST: dict[str, Any] = {
    "customer_id": "c",
    "payment_token": "tok_visa",
    "lines": [{"sku": "mug", "quantity": 1}],
    "ship_to": {"name": "A", "street": "S", "postal_code": "1", "city": "B", "country": "DE"},
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "content"),
        ({"customer_id": "d"}, "customer"),
        ({"lines": [{"sku": "mug", "quantity": 2}]}, "quantity of mug"),
        ({"lines": [{"sku": "tea", "quantity": 1}]}, "quantity of tea and quantity of mug"),
        ({"ship_to": FIRST["ship_to"] | {"city": "C", "postal_code": "2"}}, "postal code and city"),
        ({"ship_to": dict.fromkeys(FIRST["ship_to"], "x"), "customer_id": "d"}, " and 2 more things"),
    ],
)
def test_the_difference_of_two_orders_is_in_words_and_shows_no_content(changes: dict[str, Any], words: str) -> None:
    said = differences(FIRST, FIRST | changes)
    assert said.endswith(words)
    assert "tok_" not in said
