"""`starter.py events republish` and `events adopt`: the way back when the log was lost, or restored from a backup."""

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
    since: Annotated[str, typer.Option(metavar="TIME", help="Only from this time on: 2026-03-01T12:00:00Z.")] = "",
) -> int:
    """Append lost events to the log again, from the outboxes.

    What is on the log already is not appended twice.
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
            f"{done.refused} events were not taken: they are too large for the bus, or it knows their ids for some "
            "minutes more; try again in five"
        )
    return BAD_END if done.refused else GOOD


@log_commands.command()
def adopt(
    names: Annotated[list[str] | None, typer.Argument(metavar="CONSUMER", help="Who; repeatable.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> int:
    """Begin again with another log: one restored from a backup.

    What they know already, they know again; first append what is missing, with 'events republish'.
    """
    if every == bool(names):
        raise BadInput("name the consumers, or say --all; 'starter.py events consumers' shows who waits")

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
        console.out.print(f"These begin again with the log as it is: {shown(', '.join(adopted))}.")
    else:
        console.out.print("They have read this very log, and go on with it.")
    return GOOD


async def _adopted(on_bus: EventBus, subscription: Subscription) -> bool:
    """With all its partitions in hand, so that nobody reads on meanwhile."""
    async with on_bus.consumer(subscription, lambda: None).all_partitions():
        return bool(await adopt_log(on_bus.bus, on_bus.progress, subscription))


def _reading(settings: Settings, on_bus: EventBus, name: str) -> Database:
    on_bus.services.open(next(one for one in SERVICES if one.name == name))  # which brings its tables up to date
    return Database(settings.url_of(name), for_reading=True)
