"""`starter.py events dead-letters`: what consumers could not handle, or not even read, and its way out."""

from typing import Annotated

import typer

from cli import console
from cli.console import AsJson, BadInput, OfOrder, print_json
from client.free_text import check_length
from kernel.visible import visible
from messaging.quarantine import QuarantinedMessage
from settings import load
from wiring.bus import EventBus, with_bus
from wiring.dead_letters import DeadLetter
from wiring.dead_letters import dead_letters as dead_letters_of
from wiring.dead_letters import discard as discard_letter
from wiring.dead_letters import retry as retry_letter
from wiring.program import GOOD

dead_letters = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, retry or discard events that a consumer could not handle.",
)

OfConsumer = Annotated[str, typer.Option("--consumer", help="Only of this consumer.")]


@dead_letters.command("list")
def list_dead_letters(consumer: OfConsumer = "", order: OfOrder = "", as_json: AsJson = False) -> int:
    """List what consumers could not handle."""

    async def run(events: EventBus) -> list[DeadLetter]:
        return dead_letters_of(events, consumer, order)

    dead_letters = with_bus(load(), run, for_reading=True)
    if as_json:
        print_json([_document(dead_letter) for dead_letter in dead_letters])
    elif dead_letters:
        rows = [(one.consumer, one.id, str(one.attempts), one.error) for one in dead_letters]
        console.out.print(console.table_of("consumer", "event", "attempts", "error", rows=rows))
    else:
        console.out.print("No dead letters.")
    return GOOD


Chosen = Annotated[list[str] | None, typer.Argument(metavar="EVENT...", help="The events' ids.")]
All = Annotated[bool, typer.Option("--all", help="All of them, or all of --consumer or --order.")]


@dead_letters.command()
def retry(chosen: Chosen = None, every: All = False, consumer: OfConsumer = "", order: OfOrder = "") -> int:
    """Have dead letters handled again, by the consumers that gave them up."""

    async def run(events: EventBus) -> int:
        dead_letters = _chosen(dead_letters_of(events, consumer, order), chosen or [], every=every)
        for dead_letter in dead_letters:
            await retry_letter(events, dead_letter)
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
    check_length(note)

    async def run(events: EventBus) -> int:
        dead_letters = _chosen(dead_letters_of(events, consumer, order), chosen or [], every=every)
        for dead_letter in dead_letters:
            discard_letter(events, dead_letter, note)
        return len(dead_letters)

    console.out.print(f"{with_bus(load(), run)} discarded.")
    return GOOD


def as_text(raw: bytes) -> str:
    """Bytes that anybody may have written, for a person to see."""
    return visible(raw.decode(errors="backslashreplace"))


def _chosen(dead_letters: list[DeadLetter], chosen: list[str], *, every: bool) -> list[DeadLetter]:
    if every == bool(chosen):
        raise BadInput("name the events, or say --all")
    missing = set(chosen) - {dead_letter.id for dead_letter in dead_letters}
    if missing:
        raise BadInput(f"no dead letter: {', '.join(sorted(missing))}; 'events dead-letters list' shows those that are")
    return [dead_letter for dead_letter in dead_letters if every or dead_letter.id in chosen]


def _document(dead_letter: DeadLetter) -> dict[str, object]:
    if isinstance(dead_letter, QuarantinedMessage):
        message = dead_letter.message
        found = {"consumer": dead_letter.consumer, "id": dead_letter.id, "unreadable": message.why}
        return found | {"position": message.position, "raw": as_text(message.raw)}
    event = dead_letter.recorded.event.model_dump(mode="json")
    who = {"consumer": dead_letter.consumer, "reaction": dead_letter.reaction}
    why = {"attempts": dead_letter.attempts, "error": dead_letter.error}
    return {**who, **why, "position": dead_letter.recorded.position, "event": event}
