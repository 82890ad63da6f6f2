"""`starter.py events republish` and `events adopt`: recovery from a lost or restored log."""

import asyncio
from contextlib import ExitStack, closing
from typing import Annotated

import typer

from cli import console
from cli.console import BadInput, OfOrder, milliseconds_of, shown
from kernel.database import Database
from messaging.log_check import adopt as adopt_log
from messaging.republish import Republished
from messaging.republish import republish as append_again
from messaging.subscription import Subscription
from services import SERVICES
from settings import Settings, load
from wiring.bus import EventBus, with_bus
from wiring.listening import all_subscriptions
from wiring.program import BAD_END, GOOD, complain

log_commands = typer.Typer()


@log_commands.command()
def republish(
    service: Annotated[str, typer.Option(help="Only what this service published and received.")] = "",
    order: OfOrder = "",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Only events since this time, such as 2026-03-01T12:00:00Z.")
    ] = "",
) -> int:
    """Republish lost events from the services' outboxes.

    Events that are still in the log are not appended again.
    """
    settings, names = load(), frozenset(one.name for one in SERVICES)
    if service and service not in names:
        raise BadInput(f"there is no service '{service}'; there are: {', '.join(sorted(names))}")
    moment = milliseconds_of("--since", since)
    chosen = frozenset((service,)) if service else names

    async def run(on_bus: EventBus) -> Republished:
        with ExitStack() as opened:
            databases = {name: opened.enter_context(closing(_reading(settings, on_bus, name))) for name in names}
            return await append_again(databases, on_bus.bus, chosen, order=order, since=moment)

    done = with_bus(settings, run)
    console.out.print(f"{done.appended} events were appended; {done.known} were on the log already.")
    if done.refused:
        complain(
            f"{done.refused} events were refused: they are too large for the bus, or NATS still remembers their ids; "
            "repeat this in five minutes"
        )
    return BAD_END if done.refused else GOOD


@log_commands.command()
def adopt(
    names: Annotated[list[str] | None, typer.Argument(metavar="CONSUMER", help="The consumers to restart.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All consumers.")] = False,
) -> int:
    """Restart consumers on a log that was lost or restored.

    First append the missing events with 'events republish'. Events that a consumer has handled have no second effect.
    """
    if every == bool(names):
        raise BadInput("name the consumers, or give --all; 'starter.py events consumers' lists them")

    async def run(on_bus: EventBus) -> list[str]:
        found = {one.name: one for one in all_subscriptions(on_bus)}
        unknown = sorted(set(names or ()) - found.keys())
        if unknown:
            raise BadInput(f"there is no consumer '{unknown[0]}'; there are: {', '.join(found)}")
        chosen = names or list(found)
        begins_again = await asyncio.gather(*(_adopted(on_bus, found[name]) for name in chosen))  # each waits its turn
        return [name for name, begins in zip(chosen, begins_again, strict=True) if begins]

    adopted = with_bus(load(), run)
    if adopted:
        console.out.print(f"Restarted on this log: {shown(', '.join(adopted))}.")
    else:
        console.out.print("Their offsets belong to this log already; nothing was changed.")
    return GOOD


async def _adopted(on_bus: EventBus, subscription: Subscription) -> bool:
    """Holds all partitions, so that no other process reads meanwhile."""
    async with on_bus.consumer(subscription, lambda: None).all_partitions():
        return bool(await adopt_log(on_bus.bus, on_bus.progress, subscription))


def _reading(settings: Settings, on_bus: EventBus, name: str) -> Database:
    on_bus.services.open(next(one for one in SERVICES if one.name == name))  # which brings its tables up to date
    return Database(settings.url_of(name), for_reading=True)
