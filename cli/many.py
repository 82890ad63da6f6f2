"""A bulk decision on the terminal: options, progress and summary."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

import typer
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from cli import console
from cli.console import print_json, shown
from client.bulk import Journal, Summary, for_each
from settings import Settings
from wiring.failures import PASSING
from wiring.program import BAD_END, GOOD

T = TypeVar("T")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list the matches.")]
Rate = Annotated[float, typer.Option("--rate", min=0.01, max=1000, help="Maximum number per second.")]


async def run_each(
    settings: Settings,
    what: str,
    items: Sequence[T],
    id_of: Callable[[T], str],
    act: Callable[[T], Awaitable[object]],
    rate: float,
) -> Summary:
    """With a progress bar on standard error."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console.err, disable=not console.err.is_terminal) as progress:
        bar = progress.add_task(what.partition(" ")[0], total=len(items))
        return await for_each(
            items,
            id_of,
            act,
            per_second=rate,
            failures=PASSING,
            journal=Journal(settings.data_dir, what),
            progress=lambda: progress.advance(bar),
        )


def show_summary(summary: Summary, *, as_json: bool = False, done: str = "done") -> int:
    """Print the results. The exit code is 1 if any failed."""
    if as_json:
        print_json({"done": summary.done, "before": summary.before, "failed": summary.failed})
    else:
        before = f", {summary.before} in the run that was interrupted" if summary.before else ""
        console.out.print(f"{summary.done} {done}{before}, {len(summary.failed)} failed")
        for its_id, why in summary.failed.items():
            console.out.print(f"  [bold red]{shown(its_id)}[/]: {shown(why)}")
    return BAD_END if summary.failed else GOOD
