"""`starter.py events`: read the bus, replay events, and settle dead letters."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from cli import console
from cli.archive import find_event, fits, newest, position
from cli.console import AsJson, BadInput, OfOrder, print_json, shown
from cli.consumers import consumers_on_record
from cli.dead_letters import as_text, dead_letters
from cli.delivery_commands import delivery_commands
from cli.log_commands import log_commands
from cli.replay import replay as replay_consumer
from cli.schemas import schemas
from kernel.visible import visible
from messaging.bus import Entry, Recorded, Unreadable
from messaging.log_check import problem
from messaging.subscription import Rule
from settings import load
from wiring.bus import EventBus, with_bus
from wiring.listening import all_subscriptions
from wiring.program import BAD_END, GOOD, complain
from wiring.streams import reader_is_gone

events = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at the bus, replay it, settle dead letters.",
)
events.add_typer(dead_letters, name="dead-letters")
events.command()(schemas)
events.add_typer(log_commands)
events.add_typer(delivery_commands)

Types = Annotated[list[str] | None, typer.Option("--type", help="Only these types; * and ? match; repeatable.")]


@events.command()
def tail(types: Types = None, order: OfOrder = "", as_json: AsJson = False) -> int:
    """Follow new events until Ctrl-C.

    With --json, each event is one line.
    """
    rule = Rule(types=tuple(types or ("*",)))

    async def run(on_bus: EventBus) -> int:
        bus = on_bus.bus
        reader = await bus.read(None, await bus.head())
        console.err.print("waiting for events; Ctrl-C ends it")
        while not reader_is_gone():
            for recorded in await reader.next(100, 1.0):
                if fits(rule, recorded) and order in ("", _order(recorded)):
                    _show(recorded, as_json=as_json)
        return GOOD

    return with_bus(load(), run, for_reading=True)


@events.command("list")
def list_events(
    types: Types = None,
    order: OfOrder = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Maximum number of events.")] = 50,
    as_json: AsJson = False,
) -> int:
    """List the newest events, in log order."""
    rule = Rule(types=tuple(types or ("*",)))

    async def run(on_bus: EventBus) -> list[Entry]:
        bus = on_bus.bus
        if order:
            return [one for one in await bus.entries_of(order) if fits(rule, one)][-limit:]
        return await newest(bus, rule, limit)

    found = with_bus(load(), run, for_reading=True)
    if as_json:
        print_json([_document(recorded) for recorded in found])
    elif found:
        for recorded in found:
            _show(recorded, as_json=False)
    else:
        console.out.print("No such events.")
    return GOOD


@events.command()
def show(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's id, or its position in the log.")],
) -> int:
    """Show one event as it is on the bus."""

    async def run(on_bus: EventBus) -> Entry:
        return await find_event(on_bus.bus, event)

    print_json(_document(with_bus(load(), run, for_reading=True)))
    return GOOD


@events.command()
def replay(
    consumer: Annotated[str, typer.Option(help="The consumer to replay to.")],
    start: Annotated[
        str,
        typer.Option(
            "--from", metavar="TIME|SEQUENCE", help="A time such as 2026-03-01T12:00:00Z, or a position; 0: all."
        ),
    ],
) -> int:
    """Replay events to a consumer, from a position or a time.

    Effects that must not be repeated, such as mails and refunds, are not repeated.
    """

    async def run(on_bus: EventBus) -> int:
        found = {one.name: one for one in all_subscriptions(on_bus)}
        if consumer not in found:
            raise BadInput(f"there is no consumer '{consumer}'; there are: {', '.join(found)}")
        if wrong := await problem(on_bus.bus, on_bus.progress, consumer):
            raise BadInput(wrong)
        after = max(await position(on_bus.bus, start), (await on_bus.bus.state()).first - 1)
        columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console.err) as progress:
            bar = progress.add_task(consumer, total=None)
            return await replay_consumer(
                on_bus,
                found[consumer],
                after,
                lambda done, total: progress.update(bar, completed=done, total=total),
            )

    console.out.print(f"{with_bus(load(), run)} events were replayed to {shown(consumer)}.")
    return GOOD


@events.command()
def consumers(as_json: AsJson = False) -> int:
    """List consumers, and how far each is behind.

    The exit code is 1 if a consumer cannot continue.
    """

    found = with_bus(load(), consumers_on_record, for_reading=True)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        rows = [(one.consumer, one.lag, str(one.retrying), str(one.dead_letters), one.remark) for one in found]
        console.out.print(console.table_of("consumer", "behind", "retrying", "dead letters", "", rows=rows))
    for wrong in dict.fromkeys(one.problem for one in found if one.problem):
        complain(f"{', '.join(one.consumer for one in found if one.problem == wrong)}: {wrong}")
    return BAD_END if any(one.problem for one in found) else GOOD


def _order(entry: Entry) -> str:
    return entry.event.correlationid if isinstance(entry, Recorded) else entry.correlation


def _document(recorded: Entry) -> dict[str, object]:
    if isinstance(recorded, Unreadable):
        filed = {"order": recorded.correlation, "type": recorded.type}
        return {"position": recorded.position, "unreadable": recorded.why, "raw": as_text(recorded.raw)} | filed
    return {"position": recorded.position, "event": recorded.event.model_dump(mode="json")}


def _show(recorded: Entry, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(recorded), indent=None)
        return
    if isinstance(recorded, Unreadable):
        filed = f"{visible(recorded.type)} of {visible(recorded.correlation)}"
        why = f"[bold red]unreadable[/], filed as {shown(filed)}: {shown(recorded.why)}"
        console.out.print(f"[dim]{recorded.position:>6}[/] {why}")
        return
    event = recorded.event
    when = event.time.isoformat(timespec="milliseconds")
    what = f"[cyan]{shown(event.type):<18}[/] {shown(event.correlationid)} [dim]{shown(event.id)}[/]"
    console.out.print(f"[dim]{recorded.position:>6} {when}[/] {what}")
