"""Names the fields in which two orders with the same id differ, for customers to read. Values are never shown."""

from collections.abc import Mapping
from typing import Any

from client.errors import DifferentContent

_NAMES = {
    "customer_id": "customer",
    "payment_token": "card",
    "name": "name of the recipient",
    "street": "street",
    "postal_code": "postal code",
    "city": "city",
    "country": "country",
}
_MOST_NAMED = 5


def different_content(order_id: str, first: Mapping[str, Any] | None, given: Mapping[str, Any]) -> DifferentContent:
    """The error for an id that is in use. Both orders are in JSON's types; `first` is None if it is unreadable."""
    what = "content" if first is None else differences(first, given)
    return DifferentContent(
        f"order {order_id} exists already, with another {what}; use another --order-id for the new one"
    )


def differences(first: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The differing fields, such as `card and quantity of mug`. Both orders are in JSON's types."""
    found = [_NAMES.get(key, key) for key in _differing(_flat(first), _flat(given))]
    if len(found) > _MOST_NAMED:
        found = [*found[: _MOST_NAMED - 1], f"{len(found) - _MOST_NAMED + 1} more things"]
    return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:]))) or "content"


def _flat(order: Mapping[str, Any]) -> dict[str, Any]:
    lines = {f"quantity of {line['sku']}": line["quantity"] for line in order.get("lines", ())}
    rest = {key: value for key, value in order.items() if key not in ("order_id", "lines", "ship_to")}
    return rest | lines | dict(order.get("ship_to", {}))


def _differing(first: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    keys = list(dict.fromkeys((*given, *first)))
    return [key for key in keys if first.get(key) != given.get(key)]
