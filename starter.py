"""Places orders, looks at them, and gets them moving again, from the command line."""

import asyncio
import logging
import sys
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.live import Live

from cli import console
from cli.analytics import analytics
from cli.attention import attention
from cli.console import AsJson, BadInput, OrderArgument, as_document, print_json
from cli.event_commands import events as events_app
from cli.orders_file import parse_file, parse_items, parse_order
from cli.place_many import place_many
from cli.reports import audit, catalogue
from cli.trace import trace
from client.contracts import PlacedOrder, Resolution, ResolveBy, Review, Stage
from client.order import Order
from client.protocol import OrderClient
from kernel.contracts import Style
from kernel.errors import SettingsError
from kernel.visible import VisibleFormatter
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from settings import Settings, load
from wiring.catalogue import read_catalogue
from wiring.clients import Clients, with_clients
from wiring.program import BAD_END, GOOD, exit_code_of, leave

T = TypeVar("T")

_WATCH_SECONDS = 0.3
_PATIENCE_SECONDS = 15

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Place orders, look at them, and get them moving again. "
    "Exit codes: 0 completed or done; 1 rejected, cancelled, in need of attention, or the audit found something; "
    "2 bad input or a server that cannot be reached.",
)


@app.command()
def place(
    item: Annotated[list[str] | None, typer.Option(metavar="SKU=QTY", help="What to order; repeatable.")] = None,
    customer: Annotated[str, typer.Option(help="Who orders.")] = "customer-1",
    card: Annotated[str, typer.Option(help="The card's token; tok_chargeDeclined and others fail.")] = "tok_visa",
    order_id: Annotated[str | None, typer.Option(help="The order's id; placing it twice is placing it once.")] = None,
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
        if not (await asyncio.wait([resting], timeout=_PATIENCE_SECONDS))[0]:
            console.err.print("still in progress; is a worker running? Ctrl-C stops the waiting, not the order")
        return [await resting]

    placed = with_clients(settings, run)
    many = len(placed) > 1
    if as_json:
        print_json([as_document(one) for one in placed] if many else as_document(placed[0]))
    elif many:
        console.out.print(console.counts_table(placed))
        troubled = [one for one in placed if _exit_code(one) != GOOD]
        if troubled:
            console.out.print(console.orders_table(troubled[:20]))
    else:
        console.show(placed[0])
    return max(_exit_code(one) for one in placed)


@app.command()
def status(order: OrderArgument, as_json: AsJson = False) -> int:
    """Where an order stands."""

    async def run(clients: Clients) -> PlacedOrder:
        return await (await clients.client_of(order)).get(order)

    return _show(with_clients(load(), run), as_json, steps=True)


@app.command()
def watch(order: OrderArgument, as_json: AsJson = False) -> int:
    """Look at an order live, until it ends or waits for a person."""

    async def run(clients: Clients) -> PlacedOrder:
        client = await clients.client_of(order)
        placed = await client.get(order)
        if as_json:
            return await client.outcome(order)
        with Live(console.steps_table(placed), console=console.out, auto_refresh=False, transient=True) as live:
            while placed.state.stage not in (Stage.ENDED, Stage.REVIEW, Stage.ATTENTION):
                if placed.state.status is OrderStatus.NEEDS_ATTENTION:
                    break  # ended by force
                await asyncio.sleep(_WATCH_SECONDS)
                placed = await client.get(order)
                live.update(console.steps_table(placed), refresh=True)
        return placed

    return _show(with_clients(load(), run), as_json, steps=True)


@app.command("list")
def list_orders(
    status: Annotated[OrderStatus | None, typer.Option(help="Only these.")] = None,
    style: Annotated[Style | None, typer.Option(help="Only these; choreographed ones need no Temporal server.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 50,
    as_json: AsJson = False,
) -> int:
    """List orders, the newest first."""

    orders = with_clients(load(), lambda clients: clients.recent(style, status, limit))
    if as_json:
        print_json([as_document(placed) for placed in orders])
    elif orders:
        console.out.print(console.orders_table(orders))
    else:
        console.out.print(f"No order is {status}." if status else "No orders yet: starter.py place --item mug=1")
    return GOOD


@app.command()
def cancel(
    order: OrderArgument,
    reason: Annotated[str, typer.Option(help="Why; it stays in the order's history.")] = "",
    as_json: AsJson = False,
) -> int:
    """Cancel an order for its customer: what was done is undone."""
    return _tell(order, lambda client: client.cancel(order, reason), as_json)


@app.command()
def review(
    order: OrderArgument,
    decision: Annotated[Decision, typer.Argument(help="What you decide.")],
    note: Annotated[str, typer.Option(help="Why; it stays in the order's history.")] = "",
    as_json: AsJson = False,
) -> int:
    """Decide on an order that is held as a possible fraud."""
    return _tell(order, lambda client: client.review(order, Review(decision=decision, note=note)), as_json)


@app.command()
def resolve(
    order: OrderArgument,
    decision: Annotated[
        ResolveBy,
        typer.Argument(
            help="Try again, or record that it was settled by hand; of a parcel: that it was returned, or delivered."
        ),
    ],
    note: Annotated[str, typer.Option(help="What was done; it stays in the order's history.")] = "",
    step: Annotated[str, typer.Option(help="Only this of what is stuck, such as payments.refund.")] = "",
    as_json: AsJson = False,
) -> int:
    """Get an order moving that needs attention."""
    if decision is not ResolveBy.RETRY and not note.strip():
        raise BadInput("say in --note how it was settled by hand")
    resolution = Resolution(decision=decision, note=note, step=step)
    return _tell(order, lambda client: client.resolve(order, resolution), as_json)


app.command()(attention)
app.command()(audit)
app.command()(catalogue)
app.command()(trace)
app.command()(analytics)
app.add_typer(events_app, name="events")


def _tell(order: str, word: Callable[[OrderClient], Awaitable[None]], as_json: bool) -> int:
    async def run(clients: Clients) -> PlacedOrder:
        client = await clients.client_of(order)
        await word(client)
        return await client.outcome(order)

    placed = with_clients(load(), run)
    _show(placed, as_json)
    return BAD_END if placed.state.status is OrderStatus.NEEDS_ATTENTION else GOOD


def _show(placed: PlacedOrder, as_json: bool, *, steps: bool = False) -> int:
    if as_json:
        print_json(as_document(placed))
    else:
        if steps and placed.state.steps:
            console.out.print(console.steps_table(placed))
        console.show(placed)
    return _exit_code(placed)


def _exit_code(placed: PlacedOrder) -> int:
    return GOOD if placed.state.status in (OrderStatus.COMPLETED, OrderStatus.IN_PROGRESS) else BAD_END


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


def main() -> int:
    """Run a command; its exit code."""
    handler = logging.StreamHandler()
    handler.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])
    return exit_code_of(lambda: app(standalone_mode=False))


if __name__ == "__main__":
    leave(main())
