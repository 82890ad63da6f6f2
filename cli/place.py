"""`starter.py place`: one order from options, or many from a file."""

import asyncio
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from cli import console
from cli.console import AsJson, BadInput, as_document, print_json
from cli.orders import exit_code
from cli.orders_file import Given, for_each, parse_file, parse_items, parse_order
from cli.place_all import Placement, place_all
from client.order import Order
from client.postal_codes import WITHOUT_POSTAL_CODES
from kernel.contracts import Style
from kernel.errors import SettingsError
from settings import Settings, load
from wiring.catalogue import read_catalogue
from wiring.clients import Clients, with_clients
from wiring.program import BAD_INPUT, GOOD, complain
from wiring.stopping import Stopped

_QUIET_SECONDS = 15
_LISTED = 20


def place(
    item: Annotated[list[str] | None, typer.Option(metavar="SKU=QTY", help="What to order; repeatable.")] = None,
    customer: Annotated[str, typer.Option(help="The customer's id.")] = "customer-1",
    card: Annotated[str, typer.Option(help="The card's token; tok_chargeDeclined and others fail.")] = "tok_visa",
    order_id: Annotated[
        str | None, typer.Option(help="The order's id; placing the same order twice places it once.")
    ] = None,
    name: Annotated[str, typer.Option(help="Ship to: name.")] = "Sample Customer",
    street: Annotated[str, typer.Option(help="Ship to: street.")] = "1 Sample Street",
    postal_code: Annotated[
        str | None, typer.Option(help="Ship to: postal code, if the country has any.", show_default="10115")
    ] = None,
    city: Annotated[str, typer.Option(help="Ship to: city.")] = "Berlin",
    country: Annotated[str, typer.Option(help="Ship to: country, two letters; no courier goes to AQ.")] = "DE",
    file: Annotated[
        str | None, typer.Option(help="An order as JSON, or many as JSON lines; - for standard input.")
    ] = None,
    style: Annotated[Style, typer.Option(help="Who decides what happens next.")] = Style.ORCHESTRATION,
    wait: Annotated[bool, typer.Option(help="Wait until the order ends, or waits for a person.")] = True,
    as_json: AsJson = False,
) -> int:
    """Place an order, or many from a file.

    Ctrl-C stops the waiting, not the order. The orders of a file are placed each on its own: one that is refused does
    not stop the others.
    """
    if bool(file) == bool(item):
        raise BadInput("say what to order: --item SKU=QTY (repeatable), or --file order.json")
    if file:
        given = parse_file(_read(file))
    else:
        ship_to = {"name": name, "street": street, "city": city, "country": country}
        if postal_code is not None or country.strip().upper() not in WITHOUT_POSTAL_CODES:
            ship_to["postal_code"] = "10115" if postal_code is None else postal_code
        ours = {"order_id": f"ord-{uuid.uuid4().hex[:12]}" if order_id is None else order_id, "customer_id": customer}
        lines = {"lines": parse_items(item or []), "payment_token": card, "ship_to": ship_to}
        given = [Given("", parse_order(ours | lines))]
    settings = load()
    _check_catalogue(settings, given)
    placements = [Placement(order, where) for where, order in given]

    async def run(clients: Clients) -> None:
        client = await clients.client(style)
        if not file and order_id is None:  # before anything can happen to it
            console.err.print(f"order {placements[0].order.order_id}")
        with _progress(len(placements)) as done:
            await place_all(client, placements, wait=wait, done=done)

    try:
        with_clients(settings, run)
    except Stopped as stopped:
        _show(placements, as_json)
        raise Stopped(stopped.number, _what_goes_on(placements)) from None
    return _show(placements, as_json)


def _show(placements: Sequence[Placement], as_json: bool) -> int:
    """Print what became of them, and give the exit code that stands for the worst."""
    placed = [one.outcome for one in placements if one.outcome]
    failed = [one for one in placements if one.failure]
    many = len(placements) > 1
    if as_json and many:
        print_json([_document(one) for one in placements if one.outcome or one.failure])
    elif as_json and placed:
        print_json(as_document(placed[0]))
    elif placed and not many:
        console.show(placed[0])
    elif placed:
        console.out.print(console.counts_table(placed))
        troubled = [one for one in placed if exit_code(one) != GOOD]
        if troubled:
            console.out.print(console.orders_table(troubled[:_LISTED]))
    for one in failed[:_LISTED]:
        complain(f"{one.where}{one.failure}")
    if len(failed) > _LISTED:
        complain(f"and {len(failed) - _LISTED} more orders: {_listed(failed[_LISTED:])}")
    return BAD_INPUT if failed else max(map(exit_code, placed), default=GOOD)


def _document(placement: Placement) -> dict[str, object]:
    if placement.outcome:
        return as_document(placement.outcome)
    return {"order_id": placement.order.order_id, "error": placement.failure, "placed": placement.is_placed}


def _what_goes_on(placements: Sequence[Placement]) -> str:
    """For the person who stopped the waiting, and might buy again."""
    going = [one for one in placements if one.may_go_on]
    if len(placements) == 1 and going:
        order_id = going[0].order.order_id
        if going[0].is_placed:
            return f"stopped waiting; order {order_id} goes on by itself: starter.py watch {order_id}"
        return f"stopped; order {order_id} may have been placed: starter.py status {order_id}"
    text = "stopped"
    if going:
        text += f"; {len(going)} orders go on by themselves: {_listed(going)}"
    waiting = [one for one in placements if not one.is_asked]
    if waiting:
        text += f"; {len(waiting)} of {len(placements)} were not placed: place the file again, no order is placed twice"
    return text


def _listed(placements: Sequence[Placement]) -> str:
    return ", ".join(one.order.order_id for one in placements)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], object]]:
    """A bar for many orders; for any number, a word when it takes long. Gives what to call when one is done."""
    quiet = asyncio.get_running_loop().call_later(_QUIET_SECONDS, _still_waiting)
    try:
        if total == 1:
            yield lambda: None
        else:
            from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn  # for many orders only

            columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=console.err) as progress:
                bar = progress.add_task("orders", total=total)
                yield lambda: progress.advance(bar)
    finally:
        quiet.cancel()


def _still_waiting() -> None:
    console.err.print("still in progress; is a worker running? Ctrl-C stops the waiting, not the order")


def _check_catalogue(settings: Settings, given: Sequence[Given]) -> None:
    """Refuse what is not on offer before anything is placed; without a catalogue at hand, the saga will."""
    with suppress(SettingsError):
        on_offer = {offer.sku for offer in read_catalogue(settings)}

        def check(order: Order) -> None:
            for line in order.lines:
                if line.sku not in on_offer:
                    raise BadInput(f"there is no product '{line.sku}'; 'starter.py catalogue' shows what there is")

        for_each(given, check)


def _read(file: str) -> bytes:
    try:
        if file != "-":
            return Path(file).read_bytes()
        if sys.stdin is None:
            raise BadInput("--file -: there is no standard input")
        return sys.stdin.buffer.read()
    except OSError as error:
        raise BadInput(f"--file {file}: {error.strerror or error}") from None
