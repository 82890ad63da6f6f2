"""The orders service was away for longer than all deadlines: an order that it does not know is known all the same."""

import asyncio
from datetime import timedelta
from pathlib import Path

from client.contracts import Resolution, ResolveBy
from kernel.contracts import Policy, Style
from lab.settings import LabSettings
from messaging.failure import FailureState
from services.orders.contracts import OrderStatus
from tests.choreographed import open_shop
from tests.shop import eventually, sample_order
from wiring.audit_of_events import audit_of_events
from wiring.clients import Clients

SOON = Policy(attempt_timeout=5, step_deadline=1, undo_deadline=1, review_deadline=60)
AWAY = "orders.create=down:*,orders.reject=down:*,orders.flag=down:*"
WAYS = [
    Resolution(decision=ResolveBy.RETRY),
    Resolution(decision=ResolveBy.RESOLVED, note="agreed by phone"),
]


async def test_an_order_that_was_never_recorded_is_listed_and_brought_to_its_end(tmp_path: Path) -> None:
    settings = LabSettings(data_dir=tmp_path, faults=AWAY, policy=SOON)
    orders = [sample_order("unrecorded") for _ in WAYS]
    ids = {order.order_id for order in orders}
    async with open_shop(settings) as shop:
        for order in orders:
            await shop.client.place(order)

        async def is_given_up() -> bool:
            dead = [one.recorded.event.correlationid for one in shop.eventing.progress.failures(FailureState.DEAD)]
            return all(dead.count(order_id) == 3 for order_id in ids)

        await eventually(is_given_up)
    async with open_shop(settings.model_copy(update={"faults": ""})) as shop:
        clients = Clients(settings)
        for status in (OrderStatus.NEEDS_ATTENTION, None):
            listed = await clients.recent(Style.CHOREOGRAPHY, status, 10)
            assert {one.state.order_id for one in listed} == ids
            assert all("orders.reject: Outage" in one.state.problems[0] and one.placed_at for one in listed)
        entries = await clients.attention(Style.CHOREOGRAPHY, timedelta(seconds=0))
        assert {entry.order_id for entry in entries} == ids
        found = await asyncio.to_thread(audit_of_events, settings, [])
        assert {one.order_id for one in found} == ids

        for order, way in zip(orders, WAYS, strict=True):
            await shop.client.resolve(order.order_id, way)
            assert (await shop.rest(order)).status is OrderStatus.REJECTED

        async def is_settled() -> bool:
            return shop.eventing.progress.failures(*FailureState) == []

        await eventually(is_settled)
        for order in orders:
            assert shop.books(order).charges == []
            assert shop.violations(order) == []
        assert await clients.recent(Style.CHOREOGRAPHY, OrderStatus.NEEDS_ATTENTION, 10) == []
        await clients.close()
