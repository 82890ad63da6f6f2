"""`python -m lab capacity`: what an order costs each process, the serial resources, and what larger rates need."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.console import BadInput, err, shown
from wiring.stopping import check, listening, run_until_stopped

_AT_ONCE = 32
_SLOW = ["payments=0.25", "bus=0.05"]


def capacity(
    orders: Annotated[int, typer.Option(min=20, help="Orders of a run; a third of them with a slow resource.")] = 240,
    at_once: Annotated[int, typer.Option(min=1, help="Orders at once.")] = _AT_ONCE,
    slow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RESOURCE=SECONDS",
            help="A service's database, or 'bus', to be held longer by each writing transaction, or by each event, in "
            "a run of its own; repeatable.",
            show_default=" and ".join(_SLOW),
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Also write the report into this file, between its markers.")
    ] = None,
) -> None:
    """Measure the serial resources, and calculate what larger rates need.

    Each role runs as a process of its own: over PostgreSQL and NATS, then over SQLite and the log in SQL, then with
    a slow resource, whose ceiling is predicted from the run before. All orders are orchestrated, and complete.

    The Temporal server is a dev server, with one history shard, on SQLite. With TEMPORAL_ADDRESS set, it is that
    server, which must have no other worker, and its CPU is not measured.
    """
    wanted = [_slow(text) for text in slow or _SLOW]
    before = _page(page)
    from lab.capacity.measure import Measured, measure  # imported here, since every command would wait for them
    from lab.capacity.report import Conditions, Report, put_into
    from lab.capacity.resources import slowed_database
    from lab.capacity.setup import Storage, running
    from lab.servers.temporal import DevServer

    conditions = Conditions(
        when=f"{datetime.now(UTC):%Y-%m-%d}",
        command=_command(orders, at_once, slow or [], page),
        cores=os.cpu_count() or 1,
        load=os.getloadavg()[0],
        python=platform.python_version(),
        temporal="Temporal's dev server with one history shard on SQLite; its own server on PostgreSQL was not run"
        if DevServer.is_wanted()
        else "the Temporal server of TEMPORAL_ADDRESS, whose CPU was not measured",
    )

    def run(storage: Storage, count: int, slowed: tuple[str, float] | None = None) -> Measured:
        err.print(f"{storage}: {count} orders" + (f", {slowed[0]} slower by {slowed[1]:g} s" if slowed else ""))
        with running(storage, slowed) as setup:
            check()
            found = run_until_stopped(measure(setup, count, at_once))
        err.print(f"{found.rate:.1f} orders a second, {found.publishing_rate:.1f} with their events on the bus")
        return found

    with listening():
        runs = {storage: run(storage, orders) for storage in Storage}
        base = runs[Storage.EMBEDDED]
        predictions = [slowed_database(base, run(Storage.EMBEDDED, max(20, orders // 3), one), *one) for one in wanted]
    text = Report(conditions, runs, predictions).text()
    if page:
        page.write_text(put_into(before, text))
    typer.echo(text, nl=False)


def _slow(text: str) -> tuple[str, float]:
    """A database and seconds. Raises BadInput."""
    from lab.capacity.held import LOG
    from services import SERVICES

    names = [*(service.name for service in SERVICES), LOG]
    name, _, seconds = text.partition("=")
    try:
        value = float(seconds)
    except ValueError:
        value = -1
    if name not in names or not 0 < value <= 1:
        raise BadInput(
            f"--slow {shown(text)}: give one of {', '.join(names)}, = and seconds, more than 0 and at most 1"
        )
    return name, value


def _page(page: Path | None) -> str:
    """Its text now. Raises BadInput."""
    from lab.capacity.report import put_into

    if page is None:
        return ""
    try:
        text = page.read_text()
        put_into(text, "")
    except (OSError, ValueError) as error:
        raise BadInput(f"--page {shown(str(page))}: {getattr(error, 'strerror', None) or error}") from None
    return text


def _command(orders: int, at_once: int, slow: list[str], page: Path | None) -> str:
    words = ["python -m lab capacity", f"--orders {orders}", f"--at-once {at_once}", *(f"--slow {one}" for one in slow)]
    return " ".join([*words, *(["--page docs/capacity.md"] if page else [])])
