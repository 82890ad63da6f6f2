"""Parses orders from options, a JSON file, or JSON lines. Every mistake is reported, in one line."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from cli.console import BadInput
from client.order import Order
from kernel.json_text import NotJson, lines_of, parse, text_of
from kernel.mistakes import Location, mistake, path

T = TypeVar("T")

_NAMED = 20
_OPTIONS = {"customer_id": "--customer", "payment_token": "--card"}
_FORMS = {
    "order_id": "1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit",
    "country": "two letters of ISO 3166, such as DE",
    "lines": "1 to 100 lines, each with a product of its own",
    "quantity": "a whole number of pieces, such as 2, without quotes or decimals",
}


class Given(NamedTuple):
    """An order, and its place in the file, such as `line 3: `."""

    where: str
    order: Order


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


def parse_order(document: object, name: Callable[[Location], str] = path) -> Order:
    """Raises BadInput, with the name of the field that is wrong."""
    try:
        return Order.model_validate(document)
    except ValidationError as error:
        raise BadInput(mistake(error, name, _FORMS)) from None


def parse_file(raw: bytes) -> list[Given]:
    """One order, a list of orders, or one order a line. Raises BadInput, which names every line that is wrong."""
    orders = for_each(_documents(raw), parse_order)
    by_id: dict[str, Given] = {}

    def once(order: Order, where: str) -> None:
        first = by_id.setdefault(order.order_id, Given(where, order))
        if first.order != order:
            raise BadInput(f"order {order.order_id} is in the file twice, with different content")

    for_each([(where, (order, where)) for where, order in orders], lambda each: once(*each))
    return list(by_id.values())


def for_each(given: Iterable[tuple[str, object]], read: Callable[..., T]) -> list[tuple[str, T]]:
    """Read all of them. Raises BadInput, with everything that is wrong and where it is."""
    good: list[tuple[str, T]] = []
    wrong: list[tuple[str, str]] = []
    for where, one in given:
        try:
            good.append((where, read(one)))
        except (BadInput, NotJson) as error:
            wrong.append((where, str(error)))
    if wrong:
        text = "; ".join(where + why for where, why in wrong[:_NAMED])
        if len(wrong) > _NAMED:
            text += f"; and {', '.join(where.rstrip(': ') for where, _ in wrong[_NAMED:])}"
        raise BadInput(text)
    return good


def _documents(raw: bytes) -> list[tuple[str, object]]:
    """Each with where it is. Raises BadInput."""
    try:
        text = text_of(raw)
        lines = list(lines_of(text))
        if not lines:
            raise BadInput("the file has no order in it")
        try:
            document = parse(text)
        except NotJson:
            if len(lines) == 1 or not any(_is_an_object(line) for _, line in lines):
                raise
            return list(for_each([(f"line {number}: ", line) for number, line in lines], parse))
    except NotJson as error:
        raise BadInput(str(error)) from None
    if not isinstance(document, list):
        return [("", document)]
    if not document:
        raise BadInput("the file has no order in it")
    return [(f"order {number}: ", one) for number, one in enumerate(document, 1)]


def _is_an_object(line: str) -> bool:
    """Whether the line is a complete JSON object; then the file has JSON lines."""
    try:
        return line.startswith("{") and isinstance(parse(line), dict)
    except NotJson:
        return False


def name_of_option(given: Mapping[str, object]) -> Callable[[Location], str]:
    """How the options of `place` name an order's field."""
    lines = given.get("lines")

    def name(location: Location) -> str:
        match location:
            case ("lines", int() as index, *_) if isinstance(lines, list):
                return f"--item {lines[index]['sku']}={lines[index]['quantity']}"
            case ("lines",):
                return "--item"
            case ("ship_to", str() as field) | (str() as field,):
                return _OPTIONS.get(field, f"--{field.replace('_', '-')}")
        return ""

    return name
