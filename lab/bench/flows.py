"""The two flows that `make bench` compares: each is started, waited for, and started the same way by a client."""

import uuid

from temporalio.client import Client

from client.contracts import OrderState
from kernel.catalogue import Catalogue, CatalogueProduct
from lab.bench import baseline as baseline
from lab.bench.baseline import BaselineWorkflow
from lab.sample import sample_order
from services.orders.contracts import OrderStatus
from settings import Settings
from wiring.order_records import RecordsOfOrders
from workflows.client import OrchestrationClient
from workflows.contracts import workflow_id

CATALOGUE = Catalogue(
    currency="EUR",
    products=[
        CatalogueProduct(sku="mug", name="Stoneware mug", unit_price=1200, stock=1_000_000_000),
        CatalogueProduct(sku="tea-sampler", name="Tea sampler", unit_price=2450, stock=1_000_000_000),
    ],
)


class WrongOrders(Exception):
    """An order did not complete, or the books do not add up: the figures are worth nothing."""


class Flows:
    """Both of them, on one server. `placed` counts the orders."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        records = RecordsOfOrders(settings.url_of)
        self._saga = OrchestrationClient(client, settings.policy, settings.link, records, settings.steps)
        self.placed = 0

    async def bare(self) -> str:
        handle = await self._client.start_workflow(
            BaselineWorkflow.run, id=f"bare-{uuid.uuid4().hex}", task_queue=baseline.TASK_QUEUE
        )
        await handle.result()
        return handle.id

    async def saga(self) -> str:
        """Place an order as `starter.py` does, and wait for it. Raises WrongOrders."""
        order = sample_order(f"bench-{uuid.uuid4().hex}", ("mug", 2), ("tea-sampler", 1))
        await self._saga.place(order)
        self.placed += 1
        handle = self._client.get_workflow_handle(workflow_id(order.order_id), result_type=OrderState)
        state = await handle.result()
        if state.status is not OrderStatus.COMPLETED:
            raise WrongOrders(f"order {order.order_id} ended {state.status}: {state.reason}")
        return handle.id
