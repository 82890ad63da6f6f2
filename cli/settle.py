"""`starter.py cancel`, `review` and `resolve`: an operator's decision on an order."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from cli.console import Actor, AsJson, BadInput, OrderArgument, actor_of
from cli.orders import show_order
from cli.query_options import known_step
from client.contracts import PlacedOrder, Resolution, ResolveBy, Review
from client.protocol import OrderClient
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from settings import Settings, load
from wiring.clients import Clients, with_clients
from wiring.program import BAD_END, GOOD


def cancel(
    order: OrderArgument,
    reason: Annotated[str, typer.Option(help="Reason; kept in the order's history.")] = "",
    actor: Actor = "",
    as_json: AsJson = False,
) -> int:
    """Cancel an order for its customer; completed steps are undone."""
    settings = load()
    who = actor_of(settings, actor)
    return _settle(settings, order, lambda client: client.cancel(order, reason, who), as_json)


def review(
    order: OrderArgument,
    decision: Annotated[Decision, typer.Argument(help="The decision.")],
    note: Annotated[str, typer.Option(help="Reason; kept in the order's history.")] = "",
    actor: Actor = "",
    as_json: AsJson = False,
) -> int:
    """Approve or decline an order held as a possible fraud."""
    settings = load()
    given = Review(decision=decision, note=note, actor=actor_of(settings, actor))
    return _settle(settings, order, lambda client: client.review(order, given), as_json)


def resolve(
    order: OrderArgument,
    decision: Annotated[
        ResolveBy,
        typer.Argument(
            help="Retry, or record that it was settled by hand; for a parcel: that it was returned or delivered."
        ),
    ],
    note: Annotated[str, typer.Option(help="What was done; kept in the order's history.")] = "",
    step: Annotated[str, typer.Option(help="Only this stuck step, such as payments.refund.", callback=known_step)] = "",
    actor: Actor = "",
    as_json: AsJson = False,
) -> int:
    """Resolve an order that needs attention."""
    if decision is not ResolveBy.RETRY and not note.strip():
        raise BadInput("say in --note how it was settled by hand")
    settings = load()
    resolution = Resolution(decision=decision, note=note, step=step, actor=actor_of(settings, actor))
    return _settle(settings, order, lambda client: client.resolve(order, resolution), as_json)


def _settle(settings: Settings, order: str, decide: Callable[[OrderClient], Awaitable[None]], as_json: bool) -> int:
    async def run(clients: Clients) -> PlacedOrder:
        client = await clients.client_of(order)
        await decide(client)
        return await client.outcome(order)

    placed = with_clients(settings, run)
    show_order(placed, as_json)
    return BAD_END if placed.state.status is OrderStatus.NEEDS_ATTENTION else GOOD
