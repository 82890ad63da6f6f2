"""`python -m lab outages`: what continues during an outage, in each style. A measurement, never a test.

First, each service in turn is down while orders are placed: how many steps are done nevertheless? Then the shared
servers, Temporal and the bus, are killed and restarted: what stops, what is lost, and how long does recovery take?
"""

import asyncio
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from rich.table import Table
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError

from audit.invariants import audit
from cli.console import err, out
from client.errors import NotNow
from client.order import Order
from kernel.catalogue import CatalogueSettings
from kernel.contracts import Style
from lab.compare.environment import ROLES_OF, settings_for, worker_environment
from lab.compare.orders import CATALOGUE
from lab.faults import OPERATIONS
from lab.sample import sample_order
from lab.servers.nats import NatsServer
from lab.servers.ports import free_ports
from lab.servers.temporal import DevServer
from lab.settings import LabSettings, load
from lab.worker_process import WorkerProcess
from messaging.bus import BusDown
from services import SERVICES
from wiring.bus import open_bus
from wiring.clients import Clients
from wiring.stopping import listening, run_until_stopped

T = TypeVar("T")

_ORDERS = 20
_AWAY_SECONDS = 5.0
_STEPS = ("OrderCreated", "NoFraudDetected", "StockReserved", "PaymentProcessed", "Shipped", "OrderCompleted")


def outages() -> int:
    """Measure what continues during outages; takes minutes."""
    # A server that is away is what we are here for; so a repeated call is not logged each time.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter="ERROR"))))
    logging.basicConfig(level=logging.ERROR)
    with listening():
        return _measure()


def _measure() -> int:
    settings = load()
    down = Table(f"while down, {_ORDERS} orders", "style", *_STEPS)
    for service in SERVICES:
        for style in Style:
            err.print(f"{service.name} is down: {style}")
            steps = _while_down(style, settings, service.name)
            down.add_row(service.name, style, *(str(steps[step]) for step in _STEPS))
    killed = Table(
        "killed", "ended before", "ended while away", "accepted while away", "seconds until all ended", "violations"
    )
    for what, style, with_nats in (
        ("Temporal server", Style.ORCHESTRATION, False),
        ("NATS", Style.ORCHESTRATION, True),
        ("NATS", Style.CHOREOGRAPHY, True),
    ):
        err.print(f"{what} is killed: {style}")
        killed.add_row(f"{what}, {style}", *_killed(style, settings, with_nats=with_nats))
    out.print(down)
    out.print(killed)
    return 0


class _Site:
    """One style's servers and worker, which can be killed."""

    def __init__(self, style: Style, settings: LabSettings, stack: ExitStack, *, with_nats: bool) -> None:
        self.settings = settings
        settings.data_dir.mkdir(parents=True)
        settings.of(CatalogueSettings).catalogue.write_text(CATALOGUE.model_dump_json())
        self.server = DevServer(settings) if style is Style.ORCHESTRATION else None
        self.nats = NatsServer(settings.data_dir, int(settings.bus_url.rpartition(":")[2])) if with_nats else None
        for server in (self.server, self.nats):
            if server:
                stack.callback(server.stop)
                server.start()
        roles = [word for role in ROLES_OF[style] for word in ("--role", role)]
        log = settings.data_dir / "worker.log"
        self.worker = WorkerProcess(settings, *roles, log=log, environment=worker_environment(settings))
        stack.callback(self.worker.stop)
        self.worker.start()
        while not log.exists() or "ready: " not in log.read_text():
            time.sleep(0.05)


@contextmanager
def _site(style: Style, settings: LabSettings, faults: str = "", *, with_nats: bool = False) -> Iterator[_Site]:
    with tempfile.TemporaryDirectory(prefix="order-saga-outages-") as folder, ExitStack() as stack:
        own = settings_for(style, settings, Path(folder) / "data", faults, "outage")
        bus_url = f"nats://127.0.0.1:{free_ports(1)[0]}" if with_nats else ""
        yield _Site(style, own.model_copy(update={"bus_url": bus_url}), stack, with_nats=with_nats)


def _while_down(style: Style, settings: LabSettings, service: str) -> Counter[str]:
    """Count the steps done for orders placed during the outage."""
    faults = ",".join(f"{operation}=down:*" for operation in OPERATIONS if operation.startswith(f"{service}."))

    async def place(site: _Site) -> Counter[str]:
        clients = Clients(site.settings)
        client = await clients.client(style)
        for number in range(_ORDERS):
            await client.place(_order(number))
        await asyncio.sleep(_AWAY_SECONDS)
        await clients.close()
        async with open_bus(site.settings) as on_bus:
            events = [one for number in range(_ORDERS) for one in await on_bus.bus.of(_order(number).order_id)]
        return Counter(one.event.type for one in events)

    with _site(style, settings, faults) as site:
        return run_until_stopped(place(site))


def _killed(style: Style, settings: LabSettings, *, with_nats: bool) -> tuple[str, ...]:
    """Place all orders at once, and one more during the outage; each client retries until it is answered."""

    async def run(site: _Site) -> tuple[str, ...]:
        clients = Clients(site.settings)
        client = await clients.client(style)
        accepted: set[int] = set()
        ended: dict[int, float] = {}

        async def customer(number: int) -> None:
            order = _order(number)
            await _until_answered(lambda: client.place(order))
            accepted.add(number)
            await _until_answered(lambda: client.outcome(order.order_id))
            ended[number] = time.monotonic()

        victim = site.nats if with_nats else site.server
        assert victim is not None
        async with asyncio.TaskGroup() as customers:
            for number in range(_ORDERS):
                customers.create_task(customer(number))
            while not ended:
                await asyncio.sleep(0.01)
            before = len(ended)
            await asyncio.to_thread(victim.kill)
            customers.create_task(customer(_ORDERS))
            await asyncio.sleep(_AWAY_SECONDS)
            meanwhile, one_more = len(ended) - before, _ORDERS in accepted
            await asyncio.to_thread(victim.start)
            back = time.monotonic()
        await clients.close()
        left = f"{max(0, max(ended.values()) - back):.1f}"
        return str(before), str(meanwhile), "yes" if one_more else "no", left, str(len(audit(site.settings).violations))

    with _site(style, settings, with_nats=with_nats) as site:
        return run_until_stopped(run(site))


async def _until_answered(call: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await call()
        except (RPCError, BusDown, NotNow, TimeoutError):
            await asyncio.sleep(0.2)


def _order(number: int) -> Order:
    return sample_order(f"outage-{number}", ("tea-sampler", 1))
