"""The orders that the laboratory places."""

from client.order import Address, Order, OrderLine

GOOD_CARD = "tok_visa"
DECLINED_CARD = "tok_chargeDeclined"


def sample_order(name: str, *lines: tuple[str, int], card: str = GOOD_CARD, country: str = "DE") -> Order:
    """An order with this id and a separate customer, since the fraud service counts the orders of a customer.

    Args:
        lines: SKU and quantity.
        country: ISO 3166, two letters; AQ is undeliverable.
    """
    return Order(
        order_id=name,
        customer_id=name,
        lines=tuple(OrderLine(sku=sku, quantity=quantity) for sku, quantity in lines),
        payment_token=card,
        ship_to=Address(
            name="Sample Customer", street="1 Sample Street", postal_code="10115", city="Berlin", country=country
        ),
    )
