"""`python -m lab worker`: the worker with injected faults."""

import asyncio
from typing import Annotated

import typer

from lab.faults import faults_of
from lab.settings import load
from wiring.observer import observer_of
from wiring.roles import BY_DEFAULT
from worker import RoleOption, begin_logging, run


def worker(
    role: RoleOption = None,
    faults: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Faults to inject, as described below; also FAULTS.")
    ] = None,
) -> int:
    """Run a worker with faults, until SIGTERM or SIGINT."""
    settings = load()
    if faults is not None:
        settings = settings.model_copy(update={"faults": faults})
    observer = observer_of(settings)
    begin_logging(observer)
    return asyncio.run(run(settings, role or BY_DEFAULT, observer, faults_of(settings)))
