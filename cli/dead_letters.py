"""`starter.py events dead-letters`: what consumers could not handle, and its way out."""

from typing import Annotated

import typer

from cli import console
from cli.console import AsJson, BadInput, print_json
from messaging.progress import DeliveryFailure, FailureState
from services import SERVICES
from settings import load
from wiring.bus import EventBus, with_bus
from wiring.choreographed_orders import choreography_client
from wiring.listening import settle
from wiring.program import GOOD

dead_letters = typer.Typer(no_args_is_help=True, help="Events that a consumer could not handle.")

_REACTING = {service.name for service in SERVICES}

OfOrder = Annotated[str, typer.Option("--order", help="Only of this order.")]
OfConsumer = Annotated[str, typer.Option("--consumer", help="Only of this consumer.")]


@dead_letters.command("list")
def list_dead_letters(consumer: OfConsumer = "", order: OfOrder = "", as_json: AsJson = False) -> int:
    """List what consumers could not handle."""

    async def run(events: EventBus) -> list[DeliveryFailure]:
        return _letters(events, consumer, order)

    dead_letters = with_bus(load(), run)
    if as_json:
        print_json([_document(dead_letter) for dead_letter in dead_letters])
    elif dead_letters:
        rows = [(one.consumer, one.recorded.event.id, str(one.attempts), one.error) for one in dead_letters]
        console.out.print(console.table_of("consumer", "event", "attempts", "error", rows=rows))
    else:
        console.out.print("No dead letters.")
    return GOOD


Chosen = Annotated[list[str] | None, typer.Argument(metavar="EVENT...", help="The events' ids.")]
All = Annotated[bool, typer.Option("--all", help="All of them, or all of --consumer or --order.")]


@dead_letters.command()
def retry(chosen: Chosen = None, every: All = False, consumer: OfConsumer = "", order: OfOrder = "") -> int:
    """Have dead letters handled again, by whoever could not."""

    async def run(events: EventBus) -> int:
        dead_letters = _chosen(_letters(events, consumer, order), chosen or [], every=every)
        for dead_letter in dead_letters:
            if dead_letter.consumer in _REACTING:
                await choreography_client(events).retry(dead_letter)
                continue
            events.progress.requeue(dead_letter.consumer, dead_letter.recorded.event.id)
        return len(dead_letters)

    console.out.print(f"{with_bus(load(), run)} sent again; 'events dead-letters list' shows any that fail again.")
    return GOOD


@dead_letters.command()
def discard(
    note: Annotated[str, typer.Option(help="Why they need not be handled; it stays on record.")],
    chosen: Chosen = None,
    every: All = False,
    consumer: OfConsumer = "",
    order: OfOrder = "",
) -> int:
    """Give dead letters up: they will never be handled."""
    if not note.strip():
        raise BadInput("say in --note why they need not be handled")

    async def run(events: EventBus) -> int:
        dead_letters = _chosen(_letters(events, consumer, order), chosen or [], every=every)
        for dead_letter in dead_letters:
            settle(events, dead_letter.consumer, dead_letter.recorded.event)
            events.progress.discard(dead_letter.consumer, dead_letter.recorded.event.id, note)
        return len(dead_letters)

    console.out.print(f"{with_bus(load(), run)} discarded.")
    return GOOD


def _letters(events: EventBus, consumer: str, order: str) -> list[DeliveryFailure]:
    return events.progress.failures(FailureState.DEAD, consumer=consumer, correlation=order)


def _chosen(dead_letters: list[DeliveryFailure], chosen: list[str], *, every: bool) -> list[DeliveryFailure]:
    if every == bool(chosen):
        raise BadInput("name the events, or say --all")
    missing = set(chosen) - {dead_letter.recorded.event.id for dead_letter in dead_letters}
    if missing:
        raise BadInput(f"no dead letter: {', '.join(sorted(missing))}; 'events dead-letters list' shows those that are")
    return [dead_letter for dead_letter in dead_letters if every or dead_letter.recorded.event.id in chosen]


def _document(dead_letter: DeliveryFailure) -> dict[str, object]:
    event = dead_letter.recorded.event.model_dump(mode="json")
    who = {"consumer": dead_letter.consumer, "reaction": dead_letter.reaction}
    why = {"attempts": dead_letter.attempts, "error": dead_letter.error}
    return {**who, **why, "position": dead_letter.recorded.position, "event": event}
