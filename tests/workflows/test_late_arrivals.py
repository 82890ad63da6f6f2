"""A step whose effect comes after its undo: the undo has left a tombstone, and the late effect is refused."""

import pytest

from lab.settings import LabSettings
from services.orders.contracts import OrderStatus
from tests.conftest import client_of
from tests.shop import POLICY, ShopUnderTest, sample_order, worker_running

STEPS = ("orders.create", "inventory.reserve", "payments.charge", "gateway.charge", "shipping.ship", "courier.book")

# Nobody waits for an attempt as long as it takes.
HASTY = POLICY.model_copy(update={"attempt_timeout": 0.3, "step_deadline": 0.6})


async def test_what_comes_after_its_undo_has_no_effect(
    server: LabSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    faults = ",".join(f"{step}=slow:1.5@late-{step}-*" for step in STEPS)
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("late"), "faults": faults})
    client = await client_of(server, "late")
    shop = ShopUnderTest(settings, client)
    orders = [sample_order(f"late-{step}") for step in STEPS]
    async with worker_running(client, settings):
        for order in orders:
            state = await shop.run(order, HASTY)
            assert state.status is OrderStatus.REJECTED, order.order_id
            assert state.reason.startswith("Outage: no answer from"), state.reason
    # The worker is gone, and with it the last attempt that was under way.
    for order in orders:
        books = shop.books(order)
        assert books.charged == books.refunded, order.order_id
        assert books.held == {}, order.order_id
        assert books.parcels_booked == 0, order.order_id
        assert shop.violations(order) == []
