"""`python -m lab measured`: the worker, with the time measured for which it holds its databases."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from lab.capacity.held import Held
from lab.settings import load
from wiring.observer import observer_of
from worker import RoleOption, begin_logging, run


def measured(
    role: RoleOption = None,
    totals: Annotated[Path, typer.Option(help="Where to write the totals.")] = Path("totals.json"),
    slow: Annotated[str, typer.Option(metavar="DATABASE=SECONDS", help="Hold this database longer.")] = "",
) -> int:
    """Run a worker that measures itself, for 'capacity', until SIGTERM or SIGINT."""
    name, _, seconds = slow.partition("=")
    held = Held({name: float(seconds)} if name else {})
    held.keep_writing(totals)
    settings = load()
    observer = observer_of(settings)
    begin_logging(observer)
    with held.measuring():
        return asyncio.run(run(settings, role or [], observer))
