"""`starter.py events dead-letters`: list, retry and discard events that consumers could not handle or read."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from cli import console
from cli.console import Actor, AsJson, BadInput, OfOrder, actor_of, print_json
from cli.many import DryRun, Rate, run_each, show_summary
from client.bulk import Summary
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
    help="List, retry or discard dead letters.",
)

OfConsumer = Annotated[str, typer.Option("--consumer", help="Only of this consumer.")]


OfType = Annotated[str, typer.Option("--type", help="Only events of this type.")]
OfError = Annotated[str, typer.Option("--error", metavar="TEXT", help="Only those whose error contains this.")]
Chosen = Annotated[list[str] | None, typer.Argument(metavar="EVENT...", help="Ids of the events.")]
All = Annotated[bool, typer.Option("--all", help="All dead letters, or all that match the filters.")]


@dead_letters.command("list")
def list_dead_letters(
    consumer: OfConsumer = "", order: OfOrder = "", kind: OfType = "", error: OfError = "", as_json: AsJson = False
) -> int:
    """List dead letters, with their errors."""

    async def run(events: EventBus) -> list[DeadLetter]:
        return [one for one in dead_letters_of(events, consumer, order) if _fits(one, kind, error)]

    _show(with_bus(load(), run, for_reading=True), as_json)
    return GOOD


@dead_letters.command()
def retry(
    chosen: Chosen = None,
    every: All = False,
    consumer: OfConsumer = "",
    order: OfOrder = "",
    kind: OfType = "",
    error: OfError = "",
    dry_run: DryRun = False,
    rate: Rate = 100,
    actor: Actor = "",
) -> int:
    """Retry dead letters."""
    query = (consumer, order, kind, error)
    who = actor_of(load(), actor)

    async def act(events: EventBus, letter: DeadLetter) -> None:
        await retry_letter(events, letter, who)

    return _decide("retry", chosen or [], query, act, every=every, dry_run=dry_run, rate=rate)


@dead_letters.command()
def discard(
    note: Annotated[str, typer.Option(help="Why they need not be handled; kept on record.")],
    chosen: Chosen = None,
    every: All = False,
    consumer: OfConsumer = "",
    order: OfOrder = "",
    kind: OfType = "",
    error: OfError = "",
    dry_run: DryRun = False,
    rate: Rate = 100,
) -> int:
    """Discard dead letters: they will never be handled."""
    if not note.strip():
        raise BadInput("say in --note why they need not be handled")
    check_length(note)
    query = (consumer, order, kind, error)

    async def act(events: EventBus, letter: DeadLetter) -> None:
        discard_letter(events, letter, note)

    return _decide(f"discard {note}", chosen or [], query, act, every=every, dry_run=dry_run, rate=rate)


def _decide(
    what: str,
    chosen: list[str],
    query: tuple[str, str, str, str],
    act: Callable[[EventBus, DeadLetter], Awaitable[None]],
    *,
    every: bool,
    dry_run: bool,
    rate: float,
) -> int:
    settings, (consumer, order, kind, error) = load(), query

    async def run(events: EventBus) -> tuple[list[DeadLetter], Summary]:
        fitting = [one for one in dead_letters_of(events, consumer, order) if _fits(one, kind, error)]
        found = _chosen(fitting, chosen, every=every)
        if dry_run:
            return found, Summary()
        this_run = f"dead-letters {what} {chosen} {query}"
        return found, await run_each(settings, this_run, found, _key, lambda letter: act(events, letter), rate)

    found, summary = with_bus(settings, run)
    if not dry_run:
        return show_summary(summary, done="sent again" if what == "retry" else "discarded")
    _show(found, as_json=False)
    console.out.print(f"{len(found)} dead letters; nothing was done")
    return GOOD


def _key(letter: DeadLetter) -> str:
    return f"{letter.consumer} {letter.id}"


def _fits(letter: DeadLetter, kind: str, error: str) -> bool:
    if isinstance(letter, QuarantinedMessage):
        return not kind and error.casefold() in letter.message.why.casefold()
    return kind in ("", letter.recorded.event.type) and error.casefold() in letter.error.casefold()


def _show(letters: list[DeadLetter], as_json: bool) -> None:
    if as_json:
        print_json([_document(letter) for letter in letters])
    elif letters:
        rows = [(one.consumer, one.id, str(one.attempts), one.error) for one in letters]
        console.out.print(console.table_of("consumer", "event", "attempts", "error", rows=rows))
    else:
        console.out.print("No dead letters.")


def as_text(raw: bytes) -> str:
    """Untrusted bytes as text."""
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
