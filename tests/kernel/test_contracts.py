import json

import pytest
from pydantic import ValidationError

from client.order import Order
from services.orders.contracts import MAX_LINES, MAX_QUANTITY
from tests.services.samples import GOOD_CARD

ADDRESS = {"name": "A. Sample", "street": "Kade 1", "postal_code": "1011", "city": "Amsterdam", "country": "NL"}
ORDER = {
    "order_id": "order-1",
    "customer_id": "customer-1",
    "lines": [{"sku": "mug", "quantity": 1}],
    "payment_token": GOOD_CARD,
    "ship_to": ADDRESS,
}


def order(**changes: object) -> Order:
    return Order.model_validate(ORDER | changes)


def lines(*quantities: object) -> list[dict[str, object]]:
    return [{"sku": f"sku-{number}", "quantity": quantity} for number, quantity in enumerate(quantities)]


def test_an_order_as_a_customer_sends_it_is_taken() -> None:
    assert Order.model_validate_json(json.dumps(ORDER)).lines[0].sku == "mug"


def test_a_country_may_be_typed_in_small_letters() -> None:
    assert order(ship_to=ADDRESS | {"country": " nl "}).ship_to.country == "NL"


def test_spaces_around_a_text_are_not_part_of_it() -> None:
    assert order(ship_to=ADDRESS | {"name": " A. Sample "}).ship_to.name == "A. Sample"


def test_the_largest_order_is_taken() -> None:
    assert len(order(lines=lines(*[MAX_QUANTITY] * MAX_LINES)).lines) == MAX_LINES


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"order_id": "a:b"}, "order_id"),
        ({"order_id": ""}, "order_id"),
        ({"order_id": "x" * 65}, "order_id"),
        ({"order_id": "order-1\n"}, "order_id"),
        ({"customer_id": " "}, "customer_id"),
        ({"lines": []}, "lines"),
        ({"lines": lines(*[1] * (MAX_LINES + 1))}, "lines"),
        ({"lines": lines(0)}, "quantity"),
        ({"lines": lines(-1)}, "quantity"),
        ({"lines": lines(MAX_QUANTITY + 1)}, "quantity"),
        ({"lines": lines(1.5)}, "quantity"),
        ({"lines": lines("2")}, "quantity"),
        ({"lines": lines(True)}, "quantity"),
        ({"lines": [{"sku": "mug", "quantity": 1}] * 2}, "mug is on two lines"),
        ({"lines": [{"sku": "mug", "quantity": 1, "unit_price": 1}]}, "unit_price"),
        ({"payment_token": "4242424242424242"}, "never a card number"),
        ({"ship_to": ADDRESS | {"country": "NLD"}}, "country"),
        ({"ship_to": ADDRESS | {"city": ""}}, "city"),
        ({"ship_to": ADDRESS | {"city": "x" * 101}}, "city"),
        ({"ship_to": ADDRESS | {"street": "Kade\x00 1"}}, "control characters"),
        ({"total": 1}, "total"),
    ],
)
def test_an_order_that_cannot_be_is_refused_by_what_is_wrong(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        order(**changes)


def test_what_was_said_stays_said() -> None:
    said = order()
    with pytest.raises(ValidationError, match="frozen"):
        said.order_id = "order-2"  # type: ignore[misc] # what mypy forbids must also fail when run
