"""A shop under test: real services over databases of its own, a worker in this process, a real Temporal server."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client, WorkflowHandle

from audit.books import OrderBooks, read
from audit.invariants import Violation, audit
from client.contracts import OrderState
from client.order import Address, Order, OrderLine
from kernel.contracts import Policy, Steps
from lab.faults import faults_of
from lab.settings import LabSettings
from wiring.order_records import RecordsOfOrders
from wiring.roles import ON_TEMPORAL
from wiring.services import Services
from worker import build
from workflows.client import OrchestrationClient
from workflows.contracts import workflow_id

# Impatient enough for tests of failures, patient enough for a busy machine.
POLICY = Policy(attempt_timeout=5, step_deadline=60, undo_deadline=60, review_deadline=60)

_numbers = itertools.count(1)


def sample_order(name: str = "order", **changes: Any) -> Order:
    """An order that goes well, but for what the faults do to orders of its name and what `changes` say."""
    number = next(_numbers)
    fields: dict[str, Any] = {
        "order_id": f"{name}-{number}",
        "customer_id": f"customer-{number}",
        "lines": (OrderLine(sku="mug", quantity=2), OrderLine(sku="tea-sampler", quantity=1)),
        "payment_token": "tok_visa",
        "ship_to": Address(name="A", street="1 Street", postal_code="10115", city="Berlin", country="DE"),
    }
    return Order(**(fields | changes))


def undeliverable() -> dict[str, Any]:
    """Changes that let an order fail after its charge."""
    return {"ship_to": Address(name="A", street="1 Street", postal_code="1", city="Base", country="AQ")}


@dataclass(frozen=True)
class ShopUnderTest:
    settings: LabSettings
    client: Client

    def saga(self, policy: Policy = POLICY, steps: Steps | None = None) -> OrchestrationClient:
        records = RecordsOfOrders(self.settings.url_of)
        return OrchestrationClient(self.client, policy, self.settings.link, records, steps or self.settings.steps)

    def handle(self, order: Order) -> WorkflowHandle[Any, OrderState]:
        return self.client.get_workflow_handle(workflow_id(order.order_id), result_type=OrderState)

    async def run(self, order: Order, policy: Policy = POLICY, steps: Steps | None = None) -> OrderState:
        """Place the order and wait until it has ended, or waits for a person."""
        saga = self.saga(policy, steps)
        await saga.place(order)
        return (await saga.outcome(order.order_id)).state

    async def state(self, order: Order) -> OrderState:
        return (await self.saga().get(order.order_id)).state

    async def until(self, order: Order, condition: Callable[[OrderState], bool]) -> OrderState:
        """Wait until the order's state is as the condition says."""
        async with asyncio.timeout(30):
            while not condition(state := await self.state(order)):
                await asyncio.sleep(0.02)
            return state

    def books(self, order: Order) -> OrderBooks:
        return read(self.settings, [order.order_id]).orders.get(order.order_id, OrderBooks())

    def violations(self, order: Order) -> list[Violation]:
        """What the audit has against this order, or against the stock."""
        return audit(self.settings, orders=[order.order_id]).violations


def step_is(step: str, *states: str) -> Callable[[OrderState], bool]:
    return lambda state: any(report.step == step and report.state in states for report in state.steps)


@asynccontextmanager
async def worker_running(
    client: Client, settings: LabSettings, roles: Sequence[str] = ON_TEMPORAL
) -> AsyncIterator[None]:
    """The product's own worker, in this process; at the end it has finished everything that it had begun."""
    shop = Services(settings, faults_of(settings))
    async with AsyncExitStack() as stack:
        stack.callback(shop.close)
        shop.open_all(roles)
        for worker in build(client, settings, shop, roles):
            await stack.enter_async_context(worker)
        yield


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.05)
