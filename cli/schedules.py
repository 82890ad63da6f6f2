"""`starter.py schedules`: the scheduled runs, and their reports."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from activities.operations import Examined
from cli.console import AsJson, BadInput, out, print_json, shown, table_of
from settings import load
from wiring.program import BAD_END, GOOD
from wiring.schedules import NotScheduled, Scheduled, Schedules
from wiring.temporal import connect

T = TypeVar("T")

schedules = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List what is scheduled, run it now, pause and resume it."
)


class Name(StrEnum):
    RECONCILIATION = "reconciliation"
    AUDIT = "audit"


NameArgument = Annotated[Name, typer.Argument(help="The schedule.")]


@schedules.command("list")
def list_schedules(as_json: AsJson = False) -> int:
    """List schedules with their next run and last result.

    The exit code is 1 if a last run has findings or failed.
    """
    found = _with_schedules(lambda schedules: schedules.all())
    if as_json:
        print_json([_document(one) for one in found])
    elif found:
        columns = ("schedule", "every", "next", "last", "result")
        out.print(table_of(*columns, rows=[_row(one) for one in found]))
    else:
        out.print("There are no schedules; a worker with the role operations creates them from SCHEDULES__….")
    return BAD_END if any(one.failed or (one.last and one.last.findings) for one in found) else GOOD


@schedules.command()
def run(name: NameArgument, as_json: AsJson = False) -> int:
    """Run a schedule now, and show its report.

    The exit code is 1 if there are findings.
    """
    examined = _with_schedules(lambda schedules: schedules.run(name))
    if as_json:
        print_json(examined.model_dump(mode="json"))
    else:
        out.print(_result(examined))
        for finding in examined.shown:
            out.print(f"[bold red]✗ {shown(finding.order_id or 'as a whole')}[/]: {shown(finding.invariant)}")
        if examined.findings:
            out.print("'starter.py audit' shows each finding in full.")
    return BAD_END if examined.findings else GOOD


@schedules.command()
def pause(name: NameArgument, note: Annotated[str, typer.Option(help="Reason; shown in the Temporal UI.")] = "") -> int:
    """Pause a schedule until it is resumed."""
    _with_schedules(lambda schedules: schedules.pause(name, note))
    out.print(f"{name} is paused.")
    return GOOD


@schedules.command()
def resume(
    name: NameArgument, note: Annotated[str, typer.Option(help="Reason; shown in the Temporal UI.")] = ""
) -> int:
    """Resume a paused schedule."""
    _with_schedules(lambda schedules: schedules.resume(name, note))
    out.print(f"{name} runs by itself again.")
    return GOOD


def _with_schedules(ask: Callable[[Schedules], Awaitable[T]]) -> T:
    async def connected() -> T:
        try:
            return await ask(Schedules(await connect(load())))
        except NotScheduled as error:
            raise BadInput(str(error)) from None

    return asyncio.run(connected())


def _document(one: Scheduled) -> dict[str, object]:
    return {
        "schedule": one.name,
        "every": one.every.total_seconds(),
        "paused": one.is_paused,
        "note": one.note,
        "next": one.next_at and one.next_at.isoformat(),
        "last": one.last_at and one.last_at.isoformat(),
        "failed": one.failed,
        "report": one.last and one.last.model_dump(mode="json"),
    }


def _row(one: Scheduled) -> tuple[str, ...]:
    next_at = "paused" if one.is_paused else f"{one.next_at:%Y-%m-%d %H:%M:%S}" if one.next_at else "–"
    last_at = f"{one.last_at:%Y-%m-%d %H:%M:%S}" if one.last_at else "–"
    return one.name, str(one.every), next_at, last_at, one.failed or (_result(one.last) if one.last else "–")


def _result(examined: Examined) -> str:
    left_out = f", {examined.not_judged} not judged" if examined.not_judged else ""
    return f"{examined.orders} orders, {examined.findings} findings{left_out}"
