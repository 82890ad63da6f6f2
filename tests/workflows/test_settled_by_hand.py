"""Every undo of the saga, and its step past the pivot: stuck in turn, and settled by hand, it is so everywhere."""

from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from sqlalchemy import select

from client.contracts import Resolution, ResolveBy, Stage
from kernel.database import Database
from kernel.service import Kind
from lab.faults import faults_of
from lab.settings import LabSettings
from services import SERVICES
from services.orders.contracts import OrderStatus
from services.orders.tables import orders
from services.shipping.contracts import ShippingPort
from subscribers.analytics import orders as analysed
from tests.conftest import client_of
from tests.shop import ShopUnderTest, eventually, sample_order, step_is, undeliverable, worker_running
from wiring.bus_roles import RELAY
from wiring.listening import listening
from wiring.roles import ON_TEMPORAL
from wiring.services import Services

RETURNED = Resolution(decision=ResolveBy.RETURNED, note="it is back")
BY_HAND = Resolution(decision=ResolveBy.RESOLVED, note="settled by phone")

# How the order ends after each of these was stuck; after every other, its customer cancelled it.
ENDS = {"orders.reject": OrderStatus.REJECTED, "orders.complete": OrderStatus.COMPLETED}
REQUIRED = [
    f"{service.name}.{operation.verb}"
    for service in SERVICES
    for operation in service.operations
    if operation.kind in (Kind.UNDO, Kind.FORWARD)
    and operation.method is not ShippingPort.withdraw  # asked by choreography only, which does not know what was done
]


@pytest.fixture(scope="module")
async def stuck_shop(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ShopUnderTest]:
    """With subscribers; an order is named after what is refused to it, and ships so slowly that it can be cancelled."""
    refused = [f"{operation}=refuse:*@{operation}-*" for operation in REQUIRED]
    slow = [f"shipping.ship=slow:2@{operation}-*" for operation in REQUIRED if operation not in ENDS]
    settings = server.model_copy(
        update={"data_dir": tmp_path_factory.mktemp("stuck"), "faults": ",".join(refused + slow)}
    )
    client = await client_of(server, "stuck")
    services = Services(settings, faults_of(settings))
    async with (
        worker_running(client, settings, ON_TEMPORAL),
        listening(settings, services, [RELAY, "subscribers"]),
    ):
        yield ShopUnderTest(settings, client)
    services.close()


@pytest.mark.parametrize("stuck", REQUIRED)
async def test_what_was_settled_by_hand_reads_the_same_everywhere(stuck_shop: ShopUnderTest, stuck: str) -> None:
    shop, saga = stuck_shop, stuck_shop.saga()
    end = ENDS.get(stuck, OrderStatus.CANCELLED)
    order = sample_order(stuck, **(undeliverable() if end is OrderStatus.REJECTED else {}))
    await saga.place(order)
    if end is OrderStatus.CANCELLED:
        await shop.until(order, step_is("shipping.ship", "running"))
        await saga.cancel(order.order_id, "changed my mind")
    state = (await saga.outcome(order.order_id)).state
    assert state.stage is Stage.ATTENTION
    assert [problem.partition(":")[0] for problem in state.problems] == [stuck]
    assert step_is(stuck, "failed")(state)

    await saga.resolve(order.order_id, RETURNED if stuck == "shipping.cancel" else BY_HAND)
    state = await shop.handle(order).result()
    assert (state.status, state.stage, state.problems) == (end, Stage.ENDED, ())
    assert step_is(stuck, "settled by hand")(state)
    assert (await saga.get(order.order_id)).state == state

    with closing(Database(shop.settings.url_of("orders"), for_reading=True)) as database, database.begin() as tx:
        row = tx.execute(
            select(orders.c.status, orders.c.reason, orders.c.problem).where(orders.c.order_id == order.order_id)
        ).one()
    assert row == (end, state.reason, "")

    async def is_listed() -> bool:
        listed = {one.state.order_id: one.state for one in await saga.recent(end, 100)}
        return order.order_id in listed and listed[order.order_id].stage is Stage.ENDED

    async def is_analysed() -> bool:
        with closing(Database(shop.settings.url_of("analytics"), for_reading=True)) as database, database.begin() as tx:
            outcome = tx.scalar(select(analysed.c.outcome).where(analysed.c.order_id == order.order_id))
        return bool(outcome == end)

    await eventually(is_listed)
    await eventually(is_analysed)
