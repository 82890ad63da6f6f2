"""What is an order's id: checked in every client before it becomes a part of another name."""

from pydantic import TypeAdapter, ValidationError

from client.errors import BadOrderId
from services.orders.contracts import OrderId

_ORDER_ID: TypeAdapter[str] = TypeAdapter(OrderId)


def check_order_id(text: str) -> str:
    """The same text. Raises BadOrderId."""
    try:
        return _ORDER_ID.validate_python(text)
    except ValidationError:
        raise BadOrderId(
            f"'{text[:80]}' is no order id: it has 1 to 64 letters, digits, dots, dashes or underscores, "
            "the first a letter or digit"
        ) from None
