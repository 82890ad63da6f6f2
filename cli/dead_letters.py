"""`starter.py events dead-letters`: what consumers could not handle, and its way out."""

from typing import Annotated

import typer

from cli import console
from cli.choreography_client import ChoreographyClient
from cli.console import AsJson, BadInput, print_json
from cli.desk import Desk, at_desk
from cli.program import GOOD
from messaging.progress import Failure, FailureState
from settings import SERVICES, load

dead_letters = typer.Typer(no_args_is_help=True, help="Events that a consumer could not handle.")

OfOrder = Annotated[str, typer.Option("--order", help="Only of this order.")]
OfConsumer = Annotated[str, typer.Option("--consumer", help="Only of this consumer.")]


@dead_letters.command("list")
def list_dead_letters(consumer: OfConsumer = "", order: OfOrder = "", as_json: AsJson = False) -> int:
    """List what consumers could not handle."""

    async def run(desk: Desk) -> list[Failure]:
        return _letters(desk, consumer, order)

    letters = at_desk(load(), run)
    if as_json:
        print_json([_document(letter) for letter in letters])
    elif letters:
        rows = [(one.consumer, one.recorded.event.id, str(one.attempts), one.error) for one in letters]
        console.out.print(console.table_of("consumer", "event", "attempts", "error", rows=rows))
    else:
        console.out.print("No dead letters.")
    return GOOD


Chosen = Annotated[list[str] | None, typer.Argument(metavar="EVENT...", help="The events' ids.")]
All = Annotated[bool, typer.Option("--all", help="All of them, or all of --consumer or --order.")]


@dead_letters.command()
def retry(chosen: Chosen = None, every: All = False, consumer: OfConsumer = "", order: OfOrder = "") -> int:
    """Have dead letters handled again, by whoever could not."""

    async def run(desk: Desk) -> int:
        letters = _chosen(_letters(desk, consumer, order), chosen or [], every=every)
        client = ChoreographyClient(desk.eventing.bus, desk.eventing.progress)
        for letter in letters:
            if letter.consumer in SERVICES:
                await client.retry(letter)
            else:
                desk.eventing.progress.requeue(letter.consumer, letter.recorded.event.id)
        return len(letters)

    console.out.print(f"{at_desk(load(), run)} sent again; 'events dead-letters list' shows any that fail again.")
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

    async def run(desk: Desk) -> int:
        letters = _chosen(_letters(desk, consumer, order), chosen or [], every=every)
        for letter in letters:
            desk.eventing.progress.discard(letter.consumer, letter.recorded.event.id, note)
        return len(letters)

    console.out.print(f"{at_desk(load(), run)} discarded.")
    return GOOD


def _letters(desk: Desk, consumer: str, order: str) -> list[Failure]:
    return desk.eventing.progress.failures(FailureState.DEAD, consumer=consumer, correlation=order)


def _chosen(letters: list[Failure], chosen: list[str], *, every: bool) -> list[Failure]:
    if every == bool(chosen):
        raise BadInput("name the events, or say --all")
    missing = set(chosen) - {letter.recorded.event.id for letter in letters}
    if missing:
        raise BadInput(f"no dead letter: {', '.join(sorted(missing))}; 'events dead-letters list' shows those that are")
    return [letter for letter in letters if every or letter.recorded.event.id in chosen]


def _document(letter: Failure) -> dict[str, object]:
    event = letter.recorded.event.model_dump(mode="json")
    why = {"consumer": letter.consumer, "attempts": letter.attempts, "error": letter.error}
    return why | {"position": letter.recorded.position, "event": event}
