"""`starter.py place`: one order from options, or many from a file."""

import asyncio
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from cli import console
from cli.console import AsJson, BadInput, as_document, print_json
from cli.orders import exit_code
from cli.orders_file import parse_file, parse_items, parse_order
from cli.place_many import place_many
from client.contracts import PlacedOrder
from client.order import Order
from kernel.contracts import Style
from kernel.errors import SettingsError
from settings import Settings, load
from wiring.catalogue import read_catalogue
from wiring.clients import Clients, with_clients
from wiring.program import GOOD

_QUIET_SECONDS = 15


def place(
    item: Annotated[list[str] | None, typer.Option(metavar="SKU=QTY", help="What to order; repeatable.")] = None,
    customer: Annotated[str, typer.Option(help="The customer's id.")] = "customer-1",
    card: Annotated[str, typer.Option(help="The card's token; tok_chargeDeclined and others fail.")] = "tok_visa",
    order_id: Annotated[
        str | None, typer.Option(help="The order's id; placing the same order twice places it once.")
    ] = None,
    name: Annotated[str, typer.Option(help="Ship to: name.")] = "Sample Customer",
    street: Annotated[str, typer.Option(help="Ship to: street.")] = "1 Sample Street",
    postal_code: Annotated[str, typer.Option(help="Ship to: postal code.")] = "10115",
    city: Annotated[str, typer.Option(help="Ship to: city.")] = "Berlin",
    country: Annotated[str, typer.Option(help="Ship to: country, two letters; no courier goes to AQ.")] = "DE",
    file: Annotated[
        str | None, typer.Option(help="An order as JSON, or many as JSON lines; - for standard input.")
    ] = None,
    style: Annotated[Style, typer.Option(help="Who decides what happens next.")] = Style.ORCHESTRATION,
    wait: Annotated[bool, typer.Option(help="Wait until the order ends, or waits for a person.")] = True,
    as_json: AsJson = False,
) -> int:
    """Place an order, or many from a file."""
    if bool(file) == bool(item):
        raise BadInput("say what to order: --item SKU=QTY (repeatable), or --file order.json")
    if file:
        orders = parse_file(_read(file))
    else:
        ship_to = {"name": name, "street": street, "postal_code": postal_code, "city": city, "country": country}
        document = {
            "order_id": f"ord-{uuid.uuid4().hex[:12]}" if order_id is None else order_id,
            "customer_id": customer,
        }
        lines = {"lines": parse_items(item or []), "payment_token": card, "ship_to": ship_to}
        orders = [parse_order(document | lines)]
    settings = load()
    _check_catalogue(settings, orders)

    async def run(clients: Clients) -> list[PlacedOrder]:
        client = await clients.client(style)
        if len(orders) > 1:
            return await place_many(client, orders, wait=wait)
        await client.place(orders[0])
        if not wait:
            return [await client.get(orders[0].order_id)]
        resting = asyncio.ensure_future(client.outcome(orders[0].order_id))
        if not (await asyncio.wait([resting], timeout=_QUIET_SECONDS))[0]:
            console.err.print("still in progress; is a worker running? Ctrl-C stops the waiting, not the order")
        return [await resting]

    placed = with_clients(settings, run)
    many = len(placed) > 1
    if as_json:
        print_json([as_document(one) for one in placed] if many else as_document(placed[0]))
    elif many:
        console.out.print(console.counts_table(placed))
        troubled = [one for one in placed if exit_code(one) != GOOD]
        if troubled:
            console.out.print(console.orders_table(troubled[:20]))
    else:
        console.show(placed[0])
    return max(exit_code(one) for one in placed)


def _check_catalogue(settings: Settings, orders: list[Order]) -> None:
    """Refuse what is not on offer before anything is placed; without a catalogue at hand, the saga will."""
    with suppress(SettingsError):
        on_offer = {offer.sku for offer in read_catalogue(settings)}
        for order in orders:
            for line in order.lines:
                if line.sku not in on_offer:
                    raise BadInput(f"there is no product '{line.sku}'; 'starter.py catalogue' shows what there is")


def _read(file: str) -> str:
    try:
        if file != "-":
            return Path(file).read_text()
        if sys.stdin is None:
            raise BadInput("--file -: there is no standard input")
        return sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--file {file}: {getattr(error, 'strerror', None) or 'not a text file'}") from None
