"""The rule for order ids. Each client checks it before the id becomes part of another name."""

from pydantic import TypeAdapter, ValidationError

from client.errors import BadOrderId
from services.orders.contracts import OrderId

_ORDER_ID: TypeAdapter[str] = TypeAdapter(OrderId)


def check_order_id(text: str) -> str:
    """Returns the text unchanged. Raises BadOrderId."""
    try:
        return _ORDER_ID.validate_python(text)
    except ValidationError:
        raise BadOrderId(
            f"'{text[:80]}' is not a valid order id: use 1 to 64 letters, digits, dots, dashes or underscores, "
            "the first a letter or digit"
        ) from None
