"""Orders as people write them: options, a JSON file, or JSON lines. Every mistake is one line."""

import json
import re

from pydantic import ValidationError

from cli.console import BadInput
from client.order import Order
from kernel.environment import one_line


def parse_items(items: list[str]) -> list[dict[str, object]]:
    """`SKU=QTY` each; the same SKU twice is added up. Raises BadInput."""
    quantities: dict[str, int] = {}
    for item in items:
        sku, equals, quantity = item.rpartition("=")
        if not (sku and equals):
            raise BadInput(f"--item {item[:80]}: write SKU=QUANTITY, such as mug=2")
        if not re.fullmatch(r"[+-]?[0-9]{1,100}", quantity):
            raise BadInput(f"--item {item[:80]}: '{quantity[:40]}' is not a whole number of pieces")
        quantities[sku] = quantities.get(sku, 0) + int(quantity)
    return [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]


def parse_order(document: object, where: str = "") -> Order:
    """Raises BadInput."""
    try:
        return Order.model_validate(document)
    except ValidationError as error:
        raise BadInput(f"{where}{_readable(error)}") from None


def parse_file(text: str) -> list[Order]:
    """One order, a list of orders, or one order a line. Raises BadInput before anything is placed."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if not lines:
            raise BadInput("the file has no order in it") from None
        if len(lines) == 1:
            raise BadInput(f"not JSON: {one_line(error)}") from None
        documents = [(f"line {number}: ", _line(number, line)) for number, line in lines]
    else:
        many = isinstance(document, list)
        documents = [(f"order {n}: ", one) for n, one in enumerate(document, 1)] if many else [("", document)]
    orders = [parse_order(one, where) for where, one in documents]
    if not orders:
        raise BadInput("the file has no order in it")
    by_id: dict[str, Order] = {}
    for (where, _), order in zip(documents, orders, strict=True):
        if by_id.setdefault(order.order_id, order) != order:
            raise BadInput(f"{where}order {order.order_id} is in the file twice, with different content")
    return list(by_id.values())


def _line(number: int, line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"line {number}: not JSON: {one_line(error)}") from None


def _readable(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    hints = {
        "order_id": "1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit",
        "ship_to.country": "two letters, such as DE",
        "lines": "an order has 1 to 100 lines, each with a product of its own",
    }
    hint = hints.get(path, "")
    return f"{path or 'the order'}: {message}{f' ({hint})' if hint else ''}"
