"""`starter.py bulk`: one decision on all orders that match filters."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated

import typer

from cli import console
from cli.console import Actor, AsJson, BadInput, actor_of, print_json
from cli.many import DryRun, Rate, run_each, show_summary
from cli.query_options import NewerThan, OfCustomer, OfReason, OfStage, OfStep, OfStyle, OlderThan
from client.bulk import Summary
from client.contracts import PlacedOrder, Resolution, ResolveBy, Review, Stage
from client.order_query import OrderQuery
from client.protocol import OrderClient
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from settings import load
from wiring.clients import Clients, with_clients
from wiring.finding import find
from wiring.program import GOOD

bulk = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Cancel, review or resolve all orders that match filters.\n\n"
    "Repeat the command to continue an interrupted run.",
)

All = Annotated[bool, typer.Option("--all", help="All orders, without any other filter.")]
Note = Annotated[str, typer.Option(help="Reason; kept in each order's history.")]


@bulk.command()
def cancel(
    style: OfStyle = None,
    stage: OfStage = None,
    reason: OfReason = "",
    step: OfStep = "",
    customer: OfCustomer = "",
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    every: All = False,
    note: Note = "",
    actor: Actor = "",
    dry_run: DryRun = False,
    rate: Rate = 10,
    as_json: AsJson = False,
) -> int:
    """Cancel the orders in progress that match filters."""
    query = OrderQuery(None, stage, style, reason, step, customer, older_than, newer_than)
    chosen = _checked(query, every=every, status=OrderStatus.IN_PROGRESS)
    who = actor_of(load(), actor)

    async def act(client: OrderClient, order_id: str) -> None:
        await client.cancel(order_id, note, who)

    return _decide(f"cancel {note}", chosen, act, dry_run=dry_run, rate=rate, as_json=as_json)


@bulk.command()
def review(
    decision: Annotated[Decision, typer.Argument(help="The decision.")],
    style: OfStyle = None,
    reason: OfReason = "",
    customer: OfCustomer = "",
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    every: All = False,
    note: Note = "",
    actor: Actor = "",
    dry_run: DryRun = False,
    rate: Rate = 10,
    as_json: AsJson = False,
) -> int:
    """Approve or decline the orders in review that match filters."""
    query = OrderQuery(None, None, style, reason, "", customer, older_than, newer_than)
    chosen = _checked(query, every=every, status=OrderStatus.IN_PROGRESS, stage=Stage.REVIEW)
    given = Review(decision=decision, note=note, actor=actor_of(load(), actor))

    async def act(client: OrderClient, order_id: str) -> None:
        await client.review(order_id, given)

    return _decide(f"review {given}", chosen, act, dry_run=dry_run, rate=rate, as_json=as_json)


@bulk.command()
def resolve(
    decision: Annotated[ResolveBy, typer.Argument(help="As for one order: retry, or settled by hand.")],
    style: OfStyle = None,
    reason: OfReason = "",
    step: OfStep = "",
    customer: OfCustomer = "",
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    every: All = False,
    note: Note = "",
    actor: Actor = "",
    dry_run: DryRun = False,
    rate: Rate = 10,
    as_json: AsJson = False,
) -> int:
    """Resolve the orders that need attention and match filters.

    With --step, only that step of each.
    """
    if decision is not ResolveBy.RETRY and not note.strip():
        raise BadInput("say in --note how they were settled by hand")
    query = OrderQuery(None, None, style, reason, step, customer, older_than, newer_than)
    chosen = _checked(query, every=every, status=OrderStatus.NEEDS_ATTENTION)
    given = Resolution(decision=decision, note=note, step=step, actor=actor_of(load(), actor))

    async def act(client: OrderClient, order_id: str) -> None:
        await client.resolve(order_id, given)

    return _decide(f"resolve {given}", chosen, act, dry_run=dry_run, rate=rate, as_json=as_json)


def _checked(query: OrderQuery, *, every: bool, status: OrderStatus, stage: Stage | None = None) -> OrderQuery:
    if every == (query != OrderQuery()):
        raise BadInput("say which orders: by filters, or --all")
    return replace(query, status=status, stage=stage or query.stage)


def _decide(
    what: str,
    query: OrderQuery,
    act: Callable[[OrderClient, str], Awaitable[None]],
    *,
    dry_run: bool,
    rate: float,
    as_json: bool,
) -> int:
    settings = load()

    async def run(clients: Clients) -> tuple[list[PlacedOrder], Summary]:
        found = [placed async for placed in find(clients, query)]
        if dry_run:
            return found, Summary()

        async def on(placed: PlacedOrder) -> None:
            await act(await clients.client(placed.style), placed.state.order_id)

        found.reverse()  # the oldest first: it has waited longest
        by_id = f"{what} {query}"
        return found, await run_each(settings, by_id, found, lambda placed: placed.state.order_id, on, rate)

    found, summary = with_clients(settings, run)
    if not dry_run:
        return show_summary(summary, as_json=as_json)
    if as_json:
        print_json([placed.state.order_id for placed in found])
    else:
        console.out.print(console.orders_table(found))
        console.out.print(f"{len(found)} orders; nothing was done")
    return GOOD
