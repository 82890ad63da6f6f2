"""`starter.py events deliveries` and `resend`: deliveries to webhook endpoints."""

from collections.abc import Sequence
from typing import Annotated

import typer

from cli import console
from cli.archive import find_event
from cli.console import AsJson, BadInput, print_json, shown
from messaging.bus import Unreadable
from messaging.subscription import Subscription
from settings import load
from subscribers.delivery_log import Delivery, newest
from subscribers.webhooks import NAME as WEBHOOKS
from wiring.bus import EventBus, with_bus
from wiring.listening import all_subscriptions
from wiring.program import GOOD

delivery_commands = typer.Typer()

ToEndpoint = Annotated[str, typer.Option("--to", metavar="ENDPOINT", help="Only to this webhook endpoint.")]


@delivery_commands.command()
def deliveries(
    to: ToEndpoint = "",
    order: Annotated[str, typer.Option("--order", help="Only about this order.")] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only attempts that failed.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of attempts.")] = 50,
    as_json: AsJson = False,
) -> int:
    """List deliveries to webhook endpoints, the newest first."""

    async def run(events: EventBus) -> Sequence[Delivery]:
        endpoints = _endpoints(events)
        if not endpoints:
            raise BadInput("there are no webhook endpoints; the setting WEBHOOKS names them")
        if to:
            _chosen(endpoints, to)
        return newest(events.database(WEBHOOKS), limit, endpoint=to, order=order, failed=failed)

    found = with_bus(load(), run)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    elif found:
        for one in found:
            outcome = f"[bold red]{shown(one.problem)}[/]" if one.problem else "[green]accepted[/]"
            when = one.at.isoformat(timespec="milliseconds")
            out = f"[dim]{when}[/] {shown(one.endpoint)} [cyan]{shown(one.type)}[/] [dim]{shown(one.event_id)}[/]"
            console.out.print(f"{out} {outcome} [dim]({one.took:.3f} s)[/]")
    else:
        console.out.print("No such deliveries.")
    return GOOD


@delivery_commands.command()
def resend(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's id, or its position in the log.")],
    to: Annotated[str, typer.Option("--to", metavar="ENDPOINT", help="The webhook endpoint.")],
) -> int:
    """Deliver one event to a webhook endpoint again.

    The webhook-id stays the same. An event that was accepted before is delivered, too.
    """

    async def run(events: EventBus) -> str:
        subscription = _chosen(_endpoints(events), to)
        found = await find_event(events.bus, event)
        if isinstance(found, Unreadable):
            raise BadInput(f"message {found.position} is no event: {found.why}")
        if not subscription.rule.fits(found.event):
            raise BadInput(f"{to} does not subscribe to {found.event.type}; see its `types` and `content` in WEBHOOKS")
        if subscription.forget_one:
            subscription.forget_one(found.event)
        events.progress.send_again(subscription.name, found)
        return found.event.id

    sent = with_bus(load(), run)
    console.out.print(
        f"{shown(sent)} is delivered to {shown(to)} again; 'events deliveries --to {shown(to)}' shows it."
    )
    return GOOD


def _endpoints(events: EventBus) -> list[Subscription]:
    return [one for one in all_subscriptions(events) if one.endpoint]


def _chosen(endpoints: Sequence[Subscription], name: str) -> Subscription:
    for one in endpoints:
        if one.endpoint == name:
            return one
    there_are = ", ".join(one.endpoint for one in endpoints) or "none"
    raise BadInput(f"there is no webhook endpoint '{name}'; there are: {there_are}")
