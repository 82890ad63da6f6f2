"""`make bench`: the cost of an order, compared with other durable executions. A benchmark, never a test."""

import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from temporalio.client import Client

from audit.invariants import audit
from cli.console import err, out, print_json
from kernel.catalogue import CatalogueSettings
from kernel.contracts import Policy
from lab.bench.flows import CATALOGUE, DBOS, IN_PLACE, Contender, Contenders, WrongOrders
from lab.bench.measure import Cost, Meter, Round, cost_of
from lab.bench.report import Compared, Soak, Tenth, compare, soaked, tenth
from lab.servers.ports import free_ports
from lab.servers.temporal import DevServer
from lab.settings import LabSettings, load
from services.fraud.contracts import FraudLimits
from services.orders.contracts import OrderStatus
from wiring.stopping import listening, run_until_stopped
from wiring.temporal import connect, ensure_search_attributes

_ALONE, _MANY = 1, 50
_WARM_UP = 20
_SAMPLES = 5

Bench = Callable[[Client, list[Contender], Meter], Awaitable[Compared | Soak]]


def bench(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each contender, in turn.")] = 5,
    orders: Annotated[
        int, typer.Option(min=10, help="Orders in each round; a tenth of them when one at a time.")
    ] = 200,
    at_once: Annotated[
        list[int] | None, typer.Option(min=1, help="Orders at once; repeatable.", show_default="1 and 50")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes of the contender with several; 1: leave it out.")
    ] = 2,
    only: Annotated[
        list[str] | None, typer.Option(help="Only contenders whose name contains this, and the bare one; repeatable.")
    ] = None,
    soak: Annotated[
        int | None, typer.Option(min=10, help="Instead: run this many orders, and watch the worker's memory.")
    ] = None,
    eager: Annotated[
        bool, typer.Option(help="Start the bare workflow's activities eagerly, without their task queue.")
    ] = False,
    page: Annotated[Path | None, typer.Option(help="Also write the figures to this file, as Markdown.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Measure the cost of an order, in every way to run it.

    Contenders: orchestrated in place, orchestrated by queue, and choreographed, each alone and with relay and
    subscribers; bare workflows of four empty activities; and DBOS with the same services, if it is installed. Each
    has separate databases. They run in turn, round by round.

    With TEMPORAL_ADDRESS set, the bench uses that server. The server must have no other worker, and its CPU is not
    measured.
    """
    wanted = _soaking(soak, max(at_once or [_MANY])) if soak else _comparing(rounds, orders, at_once or [_ALONE, _MANY])
    with listening(), tempfile.TemporaryDirectory(prefix="order-saga-bench-") as folder:
        settings = _settings(Path(folder))
        with _server(settings) as server_pid:
            run = _contend(settings, Meter(server_pid), wanted, processes, only or [], eager=eager)
            result = run_until_stopped(run)
    if page and isinstance(result, Compared):
        page.write_text(result.page())
    if as_json:
        print_json(asdict(result))
    else:
        for table in result.tables():
            out.print(table)


def _comparing(rounds: int, orders: int, at_once: list[int]) -> Bench:
    async def run(client: Client, contenders: list[Contender], meter: Meter) -> Compared:
        found: dict[int, dict[str, list[Round]]] = {many: defaultdict(list) for many in at_once}
        costs: dict[str, Cost] = {}
        for number in range(1, rounds + 1):
            for one in contenders:
                async with one.opened() as opened:
                    await meter.round(opened.flow, _WARM_UP, _WARM_UP)
                    for many in at_once:
                        orders_now = orders if many > _ALONE else max(10, orders // 10)
                        measured = await meter.round(opened.flow, orders_now, many, opened.pids)
                        found[many][one.name].append(measured)
                        err.print(
                            f"round {number} of {rounds}, {many} at once, {one.name}: {measured.rate:.1f} a second"
                        )
                    if number == rounds and not opened.pids:
                        costs[one.name] = await cost_of(client, opened.flow, _SAMPLES)
        return compare(found, costs)

    return run


def _soaking(orders: int, at_once: int) -> Bench:
    async def run(_client: Client, contenders: list[Contender], meter: Meter) -> Soak:
        tenths: list[Tenth] = []
        [in_place] = [one for one in contenders if one.name == IN_PLACE]
        async with in_place.opened() as opened:
            for number in range(1, 11):
                one = tenth(await meter.round(opened.flow, orders // 10, at_once), meter.memory())
                tenths.append(one)
                err.print(f"{number} of 10 tenths: {one.rate:.1f} a second")
        return soaked(tenths)

    return run


async def _contend(
    settings: LabSettings, meter: Meter, run: Bench, processes: int, only: list[str], *, eager: bool
) -> Compared | Soak:
    """Raises WrongOrders unless the audit of all orders passes."""
    client = await connect(settings)
    await ensure_search_attributes(client)
    contenders = Contenders(client, settings, settings.data_dir / "catalogue.json", eager=eager).all(processes)
    if all(one.name != DBOS for one in contenders):
        err.print("DBOS is not installed, so it is left out; `make bench` installs it.")
    kept = [one for one in contenders if not only or one.settings is None or any(part in one.name for part in only)]
    result = await run(client, kept, meter)
    for one in kept:
        if one.settings is not None and (one.settings.data_dir / "orders.db").exists():
            _check(one.name, one.settings)
    return result


def _check(name: str, settings: LabSettings) -> None:
    report = audit(settings)
    if report.violations:
        first = report.violations[0]
        raise WrongOrders(f"{name}: {len(report.violations)} violations, such as {first.invariant}: {first.detail}")
    if set(report.by_status) - {OrderStatus.COMPLETED}:
        raise WrongOrders(f"{name}: all orders were to complete, but the books have {report.by_status}")
    err.print(f"{name}: {report.orders} orders, all completed: money, stock and parcels add up")


def _settings(folder: Path) -> LabSettings:
    """The user's settings, except storage and whatever decides whether an order completes."""
    catalogue = folder / "catalogue.json"
    catalogue.write_text(CATALOGUE.model_dump_json())
    temporal_port, ui_port = free_ports(2)
    own = {"temporal_port": temporal_port, "ui_port": ui_port, "data_dir": folder, "bus_url": ""}
    own |= {"database_url": "", "databases": {}, "policy": Policy(), "faults": ""}
    return load().model_copy(update=own).given(FraudLimits(), CatalogueSettings(catalogue=catalogue))


@contextmanager
def _server(settings: LabSettings) -> Iterator[int | None]:
    """A separate server and its pid, or the configured server and None."""
    if not DevServer.is_wanted():
        err.print("The server was not started by this program, so its CPU is not measured.")
        yield None
        return
    server = DevServer(settings)
    try:
        server.start()
        yield server.pid
    finally:
        server.stop()
