"""The same orders with other databases and another bus, and with two workers that share the work."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from audit.chain import audit_chain
from audit.events import audit_events
from audit.invariants import audit
from lab.servers.nats import NatsServer
from lab.settings import LabSettings
from services.orders.contracts import OrderStatus
from settings import DATABASES
from subscribers.audit_log import newest
from tests.choreographed import ChoreographedShop, open_shop
from tests.postgres import Postgres
from tests.shop import POLICY, sample_order, undeliverable


@pytest.fixture(params=["postgresql", "postgresql and nats", "sqlite and nats"])
def elsewhere(
    request: pytest.FixtureRequest, postgres_server: Postgres, nats_server: NatsServer, tmp_path: Path
) -> Iterator[LabSettings]:
    faults = "payments.charge=lost,inventory.reserve=down:2"
    settings = LabSettings(data_dir=tmp_path, policy=POLICY, faults=faults, database_connections=2)
    if "nats" in request.param:
        changed = {"bus_url": nats_server.url, "bus_stream": f"ORDERS_{uuid4().hex}"}
        settings = settings.model_copy(update=changed)
    if "postgresql" not in request.param:
        yield settings
        return
    with postgres_server.lend() as take:
        yield settings.model_copy(update={"databases": {name: take() for name in DATABASES}})


async def test_two_workers_run_the_orders_of_a_shop_and_everything_adds_up(elsewhere: LabSettings) -> None:
    kinds: tuple[dict[str, Any], ...] = ({}, undeliverable(), {"payment_token": "tok_chargeDeclined"})
    orders = [sample_order(**kinds[number % 3]) for number in range(24)]
    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(open_shop(elsewhere))
        await stack.enter_async_context(open_shop(elsewhere))
        states = await asyncio.gather(*(shop.run(order) for order in orders))
        assert [state.status for state in states] == [
            OrderStatus.REJECTED if number % 3 else OrderStatus.COMPLETED for number in range(24)
        ]
        await _caught_up(shop)
        assert audit(elsewhere).violations == []
        assert await audit_events(elsewhere, shop.eventing.bus) == []
        assert audit_chain(shop.eventing.database("audit-log"), shop.eventing.progress) == []


async def _caught_up(shop: ChoreographedShop) -> None:
    """Until the audit log has every event."""
    reader = await shop.eventing.bus.read(None, 0)
    found = 0
    while batch := await reader.next(1_000, 0):
        found += len(batch)
    await reader.close()
    async with asyncio.timeout(30):
        while (head := newest(shop.eventing.database("audit-log"))) is None or head.number < found:
            await asyncio.sleep(0.05)
