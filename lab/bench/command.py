"""`make bench`: what an order costs, beside a bare workflow in the same process. A benchmark, never a timed test."""

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from temporalio.client import Client

from audit.invariants import audit
from cli.console import err, out, print_json
from kernel.catalogue import CatalogueSettings
from kernel.contracts import Policy
from lab.bench import baseline as baseline
from lab.bench.flows import CATALOGUE, Flows, WrongOrders
from lab.bench.measure import Meter, cost_of
from lab.bench.report import Compared, Pair, Soak, Tenth, compare, soaked, tenth
from lab.servers.ports import free_ports
from lab.servers.temporal import DevServer
from services.fraud.contracts import FraudLimits
from services.orders.contracts import OrderStatus
from settings import Settings, load
from wiring.roles import ON_TEMPORAL
from wiring.services import Services
from wiring.stopping import listening, run_until_stopped
from wiring.temporal import connect, ensure_search_attributes
from worker import build

_ALONE, _MANY = 1, 50
_WARM_UP = 20
_SAMPLES = 10

Bench = Callable[[Client, Flows, Meter], Awaitable[Compared | Soak]]


def bench(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each flow, in turn.")] = 5,
    orders: Annotated[int, typer.Option(min=10, help="Orders a round; a tenth of them when one at a time.")] = 200,
    at_once: Annotated[
        list[int] | None, typer.Option(min=1, help="Orders at once; repeatable.", show_default="1 and 50")
    ] = None,
    soak: Annotated[
        int | None, typer.Option(min=10, help="Instead: run this many orders, and watch the worker's memory.")
    ] = None,
    eager: Annotated[
        bool, typer.Option(help="Spare the bare workflow's activities the way through their task queue.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Measure what an order costs, beside a bare workflow.

    The bare workflow has four empty activities. Both run on a server and databases of their own.

    With TEMPORAL_ADDRESS set: on that server. It must have no other worker, and its CPU is not seen.
    """
    wanted = _soaking(soak, max(at_once or [_MANY])) if soak else _comparing(rounds, orders, at_once or [_ALONE, _MANY])
    with listening(), tempfile.TemporaryDirectory(prefix="order-saga-bench-") as folder:
        settings = _settings(Path(folder))
        with _server(settings) as server_pid:
            result = run_until_stopped(_with_workers(settings, Meter(server_pid), wanted, eager=eager))
    if as_json:
        print_json(asdict(result))
    else:
        out.print(result.table())


def _comparing(rounds: int, orders: int, at_once: list[int]) -> Bench:
    async def run(client: Client, flows: Flows, meter: Meter) -> Compared:
        pairs: dict[int, list[Pair]] = {many: [] for many in at_once}
        for number in range(1, rounds + 1):
            for many in at_once:
                orders_now = orders if many > _ALONE else orders // 10
                pair = Pair(
                    bare=await meter.round(flows.bare, orders_now, many),
                    saga=await meter.round(flows.saga, orders_now, many),
                )
                pairs[many].append(pair)
                rates = f"bare {pair.bare.rate:.1f}, saga {pair.saga.rate:.1f} a second"
                err.print(f"round {number} of {rounds}, {many} at once: {rates}")
        return Compared(
            at_once={many: compare(of_many) for many, of_many in pairs.items()},
            bare=await cost_of(client, flows.bare, _SAMPLES),
            saga=await cost_of(client, flows.saga, _SAMPLES),
        )

    return run


def _soaking(orders: int, at_once: int) -> Bench:
    async def run(_client: Client, flows: Flows, meter: Meter) -> Soak:
        tenths: list[Tenth] = []
        for number in range(1, 11):
            one = tenth(await meter.round(flows.saga, orders // 10, at_once), meter.memory())
            tenths.append(one)
            err.print(f"{number} of 10 tenths: {one.rate:.1f} a second")
        return soaked(tenths)

    return run


async def _with_workers(settings: Settings, meter: Meter, run: Bench, *, eager: bool) -> Compared | Soak:
    """Everything in this process. Raises WrongOrders unless all orders are right."""
    client = await connect(settings)
    await ensure_search_attributes(client)
    flows = Flows(client, settings)
    with closing(Services(settings)) as shop:
        shop.open_all(ON_TEMPORAL)
        bare = baseline.worker(client, settings.max_concurrent_activities, eager=eager)
        async with AsyncExitStack() as running:
            for worker in (bare, *build(client, settings, shop, ON_TEMPORAL)):
                await running.enter_async_context(worker)
            for flow in (flows.bare, flows.saga):
                await meter.round(flow, _WARM_UP, _WARM_UP)
            result = await run(client, flows, meter)
    _check(settings, flows.placed)
    return result


def _check(settings: Settings, placed: int) -> None:
    report = audit(settings)
    if report.violations:
        first = report.violations[0]
        raise WrongOrders(f"{len(report.violations)} violations, such as {first.invariant}: {first.detail}")
    if report.by_status != {OrderStatus.COMPLETED: placed}:
        raise WrongOrders(f"{placed} orders were placed, but the books have {report.by_status}")
    err.print(f"{placed} orders, all completed: money, stock and parcels add up")


def _settings(folder: Path) -> Settings:
    """The user's, but for what decides where an order is kept and whether it completes."""
    catalogue = folder / "catalogue.json"
    catalogue.write_text(CATALOGUE.model_dump_json())
    temporal_port, ui_port = free_ports(2)
    own = {"temporal_port": temporal_port, "ui_port": ui_port, "data_dir": folder}
    own |= {"database_url": "", "databases": {}, "policy": Policy()}
    return load().model_copy(update=own).given(FraudLimits(), CatalogueSettings(catalogue=catalogue))


@contextmanager
def _server(settings: Settings) -> Iterator[int | None]:
    """A server for the bench alone, and its process id; or the one that the settings name, and None."""
    if not DevServer.is_wanted():
        err.print("The server is not this program's own, so its CPU is not seen.")
        yield None
        return
    server = DevServer(settings)
    try:
        server.start()
        yield server.pid
    finally:
        server.stop()
