"""`python -m lab compare`: the same orders, faults and crashes through each style, in one table."""

import importlib.util
import math
from pathlib import Path
from typing import Annotated

import typer

from cli.console import BadInput, err, out, print_json, shown
from wiring.program import BAD_END, GOOD
from wiring.stopping import Stopped, listening


def compare(
    orders: Annotated[int, typer.Option(min=1, help="Number of orders in each style.")] = 50,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same orders.")] = 7,
    faults: Annotated[
        str, typer.Option(metavar="SPEC", help="Faults to inject, as python -m lab worker --help describes.")
    ] = "",
    kill_every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Kill the worker each time it has been up this long.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write scorecard.md and its pictures to this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for scripts.")] = False,
) -> int:
    """Compare the two styles: same orders, faults and crashes.

    Each style runs with separate databases and servers.

    With BUS_URL set, it uses that bus, with separate streams; with TEMPORAL_ADDRESS, that server, which must have no
    other worker. Exit codes: 0 if no invariant is violated and every order is finished; 1 otherwise; 2 bad input.
    """
    _check(faults, kill_every, page)
    # Imported here, since every command of starter.py would wait for them.
    from lab.compare.comparison import Conditions, compare_styles
    from lab.compare.table import terminal_table
    from lab.settings import load

    try:
        with listening():
            conditions = Conditions(orders, seed, faults, kill_every)
            comparison = compare_styles(conditions, load(), lambda text: err.print(shown(text)))
    except Stopped as stopped:
        raise Stopped(stopped.number, "stopped, with all that was started") from None
    if page:
        from lab.compare.page import write_page

        err.print(f"written: {shown(str(write_page(comparison, page)))}")
    if as_json:
        print_json(comparison.document())
    else:
        out.print(terminal_table(comparison.styles))
        if comparison.is_good:
            out.print("[green]✓ no invariant is violated, and every order is finished[/]")
        for one in comparison.styles:
            for said in (*one.violations, *one.problems):
                out.print(f"[bold red]✗ {one.style}[/]: {shown(said)}")
    return GOOD if comparison.is_good else BAD_END


def _check(faults: str, kill_every: float | None, page: Path | None) -> None:
    """Raises BadInput."""
    from lab.faults import BadSpec, parse  # imported here, as above

    try:
        parse(faults)
    except BadSpec as error:
        raise BadInput(f"--faults: {error}") from None
    if kill_every is not None and not (kill_every > 0 and math.isfinite(kill_every)):
        raise BadInput(f"--kill-every {kill_every:g}: give seconds, more than 0")
    if page is None:
        return
    if importlib.util.find_spec("matplotlib") is None:
        raise BadInput("--page: drawing needs matplotlib, which comes with requirements-dev.lock")
    try:
        page.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--page {page}: {error.strerror}") from None
