"""In what two orders of one id differ, in a customer's words and without what they say."""

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
_NAMED = 5


def different_content(order_id: str, first: Mapping[str, Any] | None, given: Mapping[str, Any]) -> DifferentContent:
    """Why an id is refused. Both are in JSON's types; `first` is None when it cannot be read any more."""
    what = "content" if first is None else differences(first, given)
    return DifferentContent(
        f"order {order_id} exists already, with another {what}; give the new one another --order-id"
    )


def differences(first: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """`card and quantity of mug`, such as `exists already, with another ...` needs it. Both are in JSON's types."""
    found = [_NAMES.get(key, key) for key in _differing(_flat(first), _flat(given))]
    if len(found) > _NAMED:
        found = [*found[: _NAMED - 1], f"{len(found) - _NAMED + 1} more things"]
    return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:]))) or "content"


def _flat(order: Mapping[str, Any]) -> dict[str, Any]:
    lines = {f"quantity of {line['sku']}": line["quantity"] for line in order.get("lines", ())}
    rest = {key: value for key, value in order.items() if key not in ("order_id", "lines", "ship_to")}
    return rest | lines | dict(order.get("ship_to", {}))


def _differing(first: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    keys = list(dict.fromkeys((*given, *first)))
    return [key for key in keys if first.get(key) != given.get(key)]
