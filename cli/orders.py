"""`starter.py status`, `watch` and `list`: where orders stand."""

import asyncio
from typing import Annotated

import typer

from cli import console
from cli.console import AsJson, OrderArgument, as_document, print_json
from cli.query_options import (
    NewerThan,
    OfCustomer,
    OfReason,
    OfStage,
    OfStatus,
    OfStep,
    OfStyle,
    OlderThan,
)
from client.contracts import PlacedOrder, Stage
from client.order_query import OrderQuery, why
from services.orders.contracts import OrderStatus
from settings import load
from wiring.clients import Clients, with_clients
from wiring.finding import find_page
from wiring.program import BAD_END, GOOD

_WATCH_SECONDS = 0.3


def status(order: OrderArgument, as_json: AsJson = False) -> int:
    """Show where an order stands."""

    async def run(clients: Clients) -> PlacedOrder:
        return await (await clients.client_of(order)).get(order)

    return show_order(with_clients(load(), run), as_json, steps=True)


def watch(order: OrderArgument, as_json: AsJson = False) -> int:
    """Follow an order live until it ends or needs a person."""

    async def run(clients: Clients) -> PlacedOrder:
        client = await clients.client_of(order)
        placed = await client.get(order)
        if as_json:
            return await client.outcome(order)
        from rich.live import Live  # nothing else needs it

        with Live(console.steps_table(placed), console=console.out, auto_refresh=False, transient=True) as live:
            while placed.state.stage not in (Stage.ENDED, Stage.REVIEW, Stage.ATTENTION):
                if placed.state.status is OrderStatus.NEEDS_ATTENTION:
                    break  # ended by force
                await asyncio.sleep(_WATCH_SECONDS)
                placed = await client.get(order)
                live.update(console.steps_table(placed), refresh=True)
        return placed

    return show_order(with_clients(load(), run), as_json, steps=True)


def list_orders(
    status: OfStatus = None,
    stage: OfStage = None,
    style: OfStyle = None,
    reason: OfReason = "",
    step: OfStep = "",
    customer: OfCustomer = "",
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of orders on a page.")] = 50,
    page: Annotated[int, typer.Option(min=1, max=1_000, help="Page number; 1 has the newest orders.")] = 1,
    as_json: AsJson = False,
) -> int:
    """List orders, the newest first.

    Each with its age, its amount, and the steps that are stuck or retried. For orders in review or undoing, the column
    `status` shows that stage: --stage selects them.
    """
    query = OrderQuery(status, stage, style, reason, step, customer, older_than, newer_than)
    orders = with_clients(load(), lambda clients: find_page(clients, query, limit, page))
    if as_json:
        print_json([as_document(placed) | {"why": why(placed)} for placed in orders])
        return GOOD
    if orders:
        console.out.print(console.orders_table(orders))
    elif query == OrderQuery() and page == 1:
        console.out.print("No orders yet: starter.py place --item mug=1")
    else:
        console.out.print("No such orders.")
    if len(orders) == limit:
        console.err.print(f"there may be more: --page {page + 1}")
    return GOOD


def show_order(placed: PlacedOrder, as_json: bool, *, steps: bool = False) -> int:
    """Print an order; the exit code that stands for its status."""
    if as_json:
        print_json(as_document(placed))
    else:
        if steps and placed.state.steps:
            console.out.print(console.steps_table(placed))
        console.show(placed)
    return exit_code(placed)


def exit_code(placed: PlacedOrder) -> int:
    return GOOD if placed.state.status in (OrderStatus.COMPLETED, OrderStatus.IN_PROGRESS) else BAD_END
