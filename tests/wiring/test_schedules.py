"""What runs by itself: the reconciliation and the audit, on a real server's schedules."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from temporalio.client import ScheduleInfo

from audit.invariants import Report
from client.attention import AttentionKind
from client.events import OPERATIONS, DiscrepanciesFound
from kernel.database import Database
from kernel.envelope import CloudEvent
from lab.servers.temporal import DevServer
from lab.settings import LabSettings
from services.orders.contracts import OrderStatus
from services.payments.simulated_gateway import ledger
from settings import Schedules as Intervals
from tests.conftest import client_of, free_port
from tests.processes import environment_of, run_inside
from tests.shop import POLICY, ShopUnderTest, sample_order, worker_running
from wiring.bus import open_bus
from wiring.operations import operations_worker
from wiring.schedules import Schedules, ensure_schedules

NAMESPACE = "scheduled"
NOTHING_FOUND = Report(orders=0, by_status={}, settled_by_hand={}, violations=[])
OFTEN = Intervals(reconciliation_every=2, audit_every=0)
SELDOM = Intervals(reconciliation_every=86_400, audit_every=86_400)


@pytest.fixture(scope="module")
async def shop(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ShopUnderTest]:
    """With one order that is over, and the role that looks at all of them."""
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("scheduled"), "schedules": SELDOM})
    client = await client_of(server, NAMESPACE)
    async with worker_running(client, settings), await operations_worker(client, settings):
        shop = ShopUnderTest(settings, client)
        await shop.run(sample_order("reconciled"))
        async with open_bus(settings):
            yield shop


async def _starter(shop: ShopUnderTest, *arguments: str) -> tuple[int, str]:
    ran = await run_inside(environment_of(shop.settings, NAMESPACE), *arguments)
    return ran.code, ran.out or ran.err


async def test_what_is_scheduled_is_listed_run_paused_and_resumed(shop: ShopUnderTest) -> None:
    code, said = await _starter(shop, "schedules", "run", "reconciliation")
    assert (code, said) == (0, "1 orders, 0 findings\n")
    code, said = await _starter(shop, "schedules", "list")
    assert code == 0
    assert "1 orders, 0 findings" in said
    assert await _starter(shop, "schedules", "pause", "audit", "--note", "books are being mended") == (
        0,
        "audit is paused.\n",
    )
    [_, audit] = await Schedules(shop.client).all()
    assert (audit.is_paused, audit.note) == (True, "books are being mended")
    await ensure_schedules(shop.client, shop.settings)  # another worker starts
    [_, audit] = await Schedules(shop.client).all()
    assert audit.is_paused
    assert await _starter(shop, "schedules", "resume", "audit") == (0, "audit runs by itself again.\n")
    [_, audit] = await Schedules(shop.client).all()
    assert not audit.is_paused


async def test_a_reconciliation_finds_what_the_processor_has_otherwise_and_everybody_knows(
    shop: ShopUnderTest,
) -> None:
    order = sample_order("refunded-by-telephone")
    await shop.run(order)
    gateway = Database(shop.settings.url_of("gateway"))

    def refunded(amount: int) -> None:
        with gateway.begin() as tx:
            tx.execute(update(ledger).where(ledger.c.key == f"{order.order_id}:charge").values(refunded=amount))

    refunded(100)
    try:
        code, said = await _starter(shop, "schedules", "run", "reconciliation")
        assert code == 1
        assert f"{order.order_id}: payments agree with the processor" in said.replace("✗ ", "")
        assert await _attention(shop) == [(order.order_id, "payments agree with the processor")]
        [event] = await _published(shop)
        assert event.data == {"examination": "reconciliation", "findings": 1, "orders": [order.order_id]}
        assert order.customer_id not in event.model_dump_json()
    finally:
        refunded(0)
        gateway.close()
    assert (await Schedules(shop.client).run("reconciliation")).findings == 0
    assert await _attention(shop) == []
    assert len(await _published(shop)) == 1


async def test_the_audit_runs_on_a_schedule_too_and_its_own_event_does_not_trouble_it(shop: ShopUnderTest) -> None:
    examined = await Schedules(shop.client).run("audit")
    # No relay runs here, so nothing is on the bus; no waiting event is old enough to be held against anybody.
    assert (examined.examination, examined.findings) == ("audit", 0)


async def test_what_is_not_scheduled_is_said_in_one_line(server: LabSettings, tmp_path: Path) -> None:
    environment = environment_of(server.model_copy(update={"data_dir": tmp_path}), "nobody")
    assert (await run_inside(environment, "schedules", "run", "audit")).complaint == (
        "✗ audit is not scheduled; run a worker with the role operations, and SCHEDULES__AUDIT_EVERY above 0"
    )
    assert (await run_inside(environment, "schedules", "list")).code == 0


async def test_a_slow_run_is_alone_and_what_a_stopped_server_missed_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no order waits for either."""
    may_end = threading.Event()
    monkeypatch.setattr("wiring.operations.reconcile", lambda _settings: may_end.wait(60) and NOTHING_FOUND)
    settings = LabSettings(
        data_dir=tmp_path, temporal_port=free_port(), ui_port=free_port(), policy=POLICY, schedules=OFTEN
    )
    server = DevServer(settings)
    server.start()
    try:
        client = await client_of(settings)
        shop = ShopUnderTest(settings, client)
        async with worker_running(client, settings), await operations_worker(client, settings):
            handle = client.get_schedule_handle("order-saga-reconciliation")

            async def until(condition: Callable[[ScheduleInfo], bool]) -> ScheduleInfo:
                async with asyncio.timeout(60):
                    while not condition(info := (await handle.describe()).info):
                        await asyncio.sleep(0.1)
                    return info

            slow = await until(lambda info: info.num_actions_skipped_overlap > 0)
            assert (slow.num_actions, len(slow.running_actions)) == (1, 1)
            assert (await shop.run(sample_order())).status is OrderStatus.COMPLETED
            may_end.set()
            await until(lambda info: info.num_actions > 1 and not info.running_actions)

            stopping = datetime.now(UTC)
            await asyncio.to_thread(server.stop)
            while datetime.now(UTC) < stopping + 2 * timedelta(seconds=OFTEN.reconciliation_every):
                await asyncio.sleep(0.05)
            restarting = datetime.now(UTC)
            await asyncio.to_thread(server.start)
            await until(
                lambda info: any(
                    stopping < one.scheduled_at < restarting < one.started_at for one in info.recent_actions
                )
            )
    finally:
        server.stop()


async def _attention(shop: ShopUnderTest) -> list[tuple[str, str]]:
    """What examinations have found, as operators see it."""
    _, said = await _starter(shop, "attention", "--json")
    return [(one["order_id"], one["step"]) for one in json.loads(said) if one["kind"] == AttentionKind.AUDIT]


async def _published(shop: ShopUnderTest) -> list[CloudEvent]:
    async with open_bus(shop.settings) as events:
        found = [one.event for one in await events.bus.of(OPERATIONS)]
    assert {one.type for one in found} <= {DiscrepanciesFound.type()}
    return found
