"""The contenders of `make bench`. Each has separate databases, and runs only while it is measured."""

import importlib.util
import os
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from temporalio.client import Client

from client.protocol import OrderClient
from kernel.catalogue import Catalogue, CatalogueProduct
from kernel.contracts import Steps
from lab.bench import baseline
from lab.bench.baseline import BaselineWorkflow, LocalBaselineWorkflow
from lab.bench.measure import Flow
from lab.sample import sample_order
from lab.settings import LabSettings
from lab.worker_process import WorkerProcess
from services.orders.contracts import OrderStatus
from wiring.bus import open_bus
from wiring.bus_roles import on_the_bus
from wiring.choreographed_orders import choreography_client
from wiring.order_records import RecordsOfOrders
from wiring.roles import ON_TEMPORAL
from wiring.services import Services
from worker import build
from workflows.client import OrchestrationClient
from workflows.contracts import workflow_id

ORDER_LINES = (("mug", 2), ("tea-sampler", 1))
CATALOGUE = Catalogue(
    currency="EUR",
    products=[
        CatalogueProduct(sku="mug", name="Stoneware mug", unit_price=1200, stock=1_000_000_000),
        CatalogueProduct(sku="tea-sampler", name="Tea sampler", unit_price=2450, stock=1_000_000_000),
    ],
)
PERIPHERY = ("relay", "subscribers")
IN_PLACE, BARE, DBOS = "in place", "bare, 4 activities", "DBOS"


class WrongOrders(Exception):
    """An order did not complete, or the audit failed: the figures are invalid."""


@dataclass(frozen=True)
class Opened:
    """A running contender: the flow of one order, and its other processes."""

    flow: Flow
    pids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Contender:
    """`settings` of a contender that has orders, for the audit at the end."""

    name: str
    opened: Callable[[], AbstractAsyncContextManager[Opened]]
    settings: LabSettings | None = None


class Contenders:
    """Args: eager: start the bare workflow's activities eagerly, without their task queue."""

    def __init__(self, client: Client, settings: LabSettings, catalogue: Path, *, eager: bool) -> None:
        self._client = client
        self._settings = settings
        self._catalogue = catalogue
        self._eager = eager

    def all(self, processes: int) -> list[Contender]:
        """The contenders in turn. DBOS only if it is installed."""
        found = [
            Contender(BARE, partial(self._bare, BaselineWorkflow)),
            Contender("bare, 4 local activities", partial(self._bare, LocalBaselineWorkflow)),
            self._ours(IN_PLACE, self._orchestrated, ON_TEMPORAL, Steps.IN_PLACE),
            self._ours("in place, with the periphery", self._orchestrated, (*ON_TEMPORAL, *PERIPHERY), Steps.IN_PLACE),
            self._ours("by queue", self._orchestrated, ON_TEMPORAL, Steps.QUEUE),
            self._ours("by queue, with the periphery", self._orchestrated, (*ON_TEMPORAL, *PERIPHERY), Steps.QUEUE),
            self._ours("choreographed", self._choreographed, ("relay", "choreography"), Steps.IN_PLACE),
            self._ours(
                "choreographed, with the periphery", self._choreographed, ("choreography", *PERIPHERY), Steps.IN_PLACE
            ),
        ]
        if processes > 1:
            found.append(self._ours(f"in place, {processes} processes", self._processes, str(processes)))
        if importlib.util.find_spec("dbos"):
            found.append(self._ours(DBOS, self._dbos))
        return found

    def _ours(self, name: str, opened: Callable[..., AbstractAsyncContextManager[Opened]], *more: object) -> Contender:
        folder = self._settings.data_dir / "".join(char if char.isalnum() else "-" for char in name)
        folder.mkdir(exist_ok=True)
        settings = self._settings.model_copy(update={"data_dir": folder})
        return Contender(name, partial(opened, settings, *more), settings)

    @asynccontextmanager
    async def _bare(self, kind: type[BaselineWorkflow] | type[LocalBaselineWorkflow]) -> AsyncIterator[Opened]:
        async def flow() -> str:
            handle = await self._client.start_workflow(
                kind.run, id=f"bare-{uuid.uuid4().hex}", task_queue=baseline.TASK_QUEUE
            )
            await handle.result()
            return handle.id

        async with baseline.worker(self._client, self._settings.max_concurrent_activities, eager=self._eager):
            yield Opened(flow)

    @asynccontextmanager
    async def _orchestrated(self, settings: LabSettings, roles: Sequence[str], steps: Steps) -> AsyncIterator[Opened]:
        with closing(_opened(settings)) as services:
            async with AsyncExitStack() as running:
                await running.enter_async_context(on_the_bus(settings, services, roles))
                for worker in build(self._client, settings, services, roles):
                    await running.enter_async_context(worker)
                yield Opened(orchestrated_orders(self._client, settings, steps))

    @asynccontextmanager
    async def _choreographed(self, settings: LabSettings, roles: Sequence[str], _: Steps) -> AsyncIterator[Opened]:
        with closing(_opened(settings)) as services:
            async with on_the_bus(settings, services, roles), open_bus(settings) as events:
                yield Opened(partial(_placed_and_ended, choreography_client(events)))

    @asynccontextmanager
    async def _processes(self, settings: LabSettings, count: str) -> AsyncIterator[Opened]:
        import psutil

        environment = {**os.environ, "CATALOGUE": str(self._catalogue), "PROCESSES": count}
        options = [word for role in ON_TEMPORAL for word in ("--role", role)]
        log = settings.data_dir / "worker.log"
        log.unlink(missing_ok=True)
        worker = WorkerProcess(
            settings.model_copy(update={"processes": int(count)}), *options, log=log, environment=environment
        )
        worker.start()
        try:
            while not log.exists() or log.read_text().count("ready: ") < int(count):
                if worker.wait(0.1):
                    raise WrongOrders(f"the worker does not start: {log.read_text()}")
            parent = psutil.Process(worker.pid)
            orders = orchestrated_orders(self._client, settings, Steps.IN_PLACE)
            yield Opened(orders, tuple(one.pid for one in parent.children()))
        finally:
            worker.stop()

    @asynccontextmanager
    async def _dbos(self, settings: LabSettings) -> AsyncIterator[Opened]:
        from lab.bench.dbos_orders import dbos_orders

        with closing(_opened(settings)) as services:
            async with dbos_orders(services, settings.data_dir) as flow:
                yield Opened(flow)


def orchestrated_orders(client: Client, settings: LabSettings, steps: Steps) -> Flow:
    """Places an order and waits for it, as `starter.py` does; raises WrongOrders unless it completes."""
    saga = OrchestrationClient(client, settings.policy, settings.link, RecordsOfOrders(settings.url_of), steps)

    async def flow() -> str:
        order = sample_order(f"bench-{uuid.uuid4().hex}", *ORDER_LINES)
        await saga.place(order)
        handle = client.get_workflow_handle(workflow_id(order.order_id), result_type=dict)
        state = await handle.result()
        if state["status"] != OrderStatus.COMPLETED:
            raise WrongOrders(f"order {order.order_id} ended {state['status']}: {state['reason']}")
        return handle.id

    return flow


def _opened(settings: LabSettings) -> Services:
    services = Services(settings)
    services.open_all(ON_TEMPORAL)
    return services


async def _placed_and_ended(client: OrderClient) -> str:
    order = sample_order(f"bench-{uuid.uuid4().hex}", *ORDER_LINES)
    await client.place(order)
    placed = await client.outcome(order.order_id)
    if placed.state.status is not OrderStatus.COMPLETED:
        raise WrongOrders(f"order {order.order_id} ended {placed.state.status}: {placed.state.reason}")
    return order.order_id
