"""The bus is lost, or restored from an older backup, with all that services, customers and reviewers had published."""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import nats
import pytest

from audit.chain import audit_chain
from audit.events import audit_events
from audit.invariants import audit
from cli.archive import behind
from client.contracts import OrderState, Review
from client.order import OrderLine
from lab.servers.nats import NatsServer
from lab.settings import LabSettings
from services import SERVICES
from services.orders.contracts import OrderStatus
from tests.choreographed import ChoreographedShop, open_shop
from tests.processes import NOBODY_LISTENS, Environment, Ran, environment_of, run
from tests.shop import POLICY, sample_order, undeliverable

SECONDS = 60


@dataclass(frozen=True)
class Shop:
    settings: LabSettings
    back_up: Callable[[], Awaitable[None]]
    lose: Callable[[], Awaitable[None]]

    async def starter(self, *arguments: str) -> Ran:
        environment: Environment = environment_of(self.settings, "none") | {"TEMPORAL_ADDRESS": NOBODY_LISTENS}
        bus = {"BUS_URL": self.settings.bus_url, "BUS_STREAM": self.settings.bus_stream}
        return await run("starter.py", environment | (bus if self.settings.bus_url else {}), *arguments)


@pytest.fixture(params=["lost", "restored", "lost on nats"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    settings = LabSettings(data_dir=tmp_path / "data", policy=POLICY)
    if "nats" in request.param:
        server: NatsServer = request.getfixturevalue("nats_server")
        stream = f"ORDERS_{uuid4().hex}"
        settings = settings.model_copy(update={"bus_url": server.url, "bus_stream": stream})

    async def back_up() -> None:
        if request.param == "restored":
            shutil.copytree(settings.data_dir, tmp_path / "backup")

    async def lose() -> None:
        if settings.bus_url:
            async with await nats.connect(settings.bus_url) as operator:
                await operator.jsm().delete_stream(settings.bus_stream)
        for file in settings.data_dir.glob("bus.db*"):
            file.unlink()
        for file in (tmp_path / "backup").glob("bus.db*"):
            shutil.copy(file, settings.data_dir)

    return Shop(settings, back_up, lose)


async def test_orders_go_on_after_their_events_were_lost(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is passed over in silence; republished, all orders are where they were, and nothing is done again."""
    early, late = sample_order(), [sample_order(), sample_order(**undeliverable())]
    held = sample_order(lines=(OrderLine(sku="espresso-machine", quantity=1),))
    async with open_shop(shop.settings) as opened:
        await opened.run(early)
    await shop.back_up()
    async with open_shop(shop.settings) as opened:
        for order in (*late, held):
            await opened.run(order)
        async with asyncio.timeout(SECONDS):
            while "PaymentProcessed" not in await opened.types(held):
                await asyncio.sleep(0.05)
        await _caught_up(opened)
        before = [(await opened.client.get(order.order_id)).state for order in (early, *late, held)]
    await shop.lose()

    new = [sample_order("new") for _ in range(6)]  # in all partitions
    async with open_shop(shop.settings) as opened:
        for order in new:
            await opened.client.place(order)
        await _all_complain(caplog)
        shown = await shop.starter("events", "consumers", "--json")
        assert shown.code == 1
        waiting = {one["consumer"] for one in shown.document if "events republish" in one["problem"]}
        assert waiting >= {"orders", "payments", "notifications", "analytics", "audit-log"}
        assert len(shown.err.splitlines()) <= 3

        assert (await shop.starter("events", "republish")).code == 0
        assert (await shop.starter("events", "republish")).out.startswith("0 events were appended")
        assert "Restarted on this log" in (await shop.starter("events", "adopt", "--all")).out
        after = [(await opened.client.get(order.order_id)).state for order in (early, *late, held)]
        assert [_where(state) for state in after] == [_where(state) for state in before]
        assert [(await opened.rest(order)).status for order in new] == [OrderStatus.COMPLETED] * len(new)
        await opened.client.place(early)  # is known as the first one
        await opened.client.review(held.order_id, Review.model_validate({"decision": "approve", "note": ""}))
        assert (await opened.rest(held)).status is OrderStatus.COMPLETED
        await _caught_up(opened)
        assert (await shop.starter("events", "consumers")).code == 0
        assert audit(shop.settings).violations == []
        assert await audit_events(shop.settings, opened.eventing.bus) == []
        assert audit_chain(opened.eventing.database("audit-log"), opened.eventing.progress) == []
    for order in (early, late[0], held, *new):
        assert len(list((shop.settings.data_dir / "mail").glob(f"{order.order_id}*Shipped*.eml"))) == 1


def _where(state: OrderState) -> tuple[object, ...]:
    steps = sorted((step.step, step.state, step.detail) for step in state.steps)
    return (state.status, state.stage, state.reason, state.tracking_number, state.total, steps)


async def _all_complain(caplog: pytest.LogCaptureFixture) -> None:
    wanted = {*(service.name for service in SERVICES), "notifications", "analytics", "audit-log"}
    async with asyncio.timeout(SECONDS):
        while wanted - {
            record.getMessage().partition(":")[0]
            for record in caplog.records
            if record.levelno == logging.ERROR and "events adopt" in record.getMessage()
        }:
            await asyncio.sleep(0.05)


async def _caught_up(opened: ChoreographedShop) -> None:
    """Until the consumer that reads everything has read it, and that is on record."""
    bus, progress = opened.eventing.bus, opened.eventing.progress
    async with asyncio.timeout(SECONDS):
        for name in ("notifications", "analytics", "audit-log"):
            while await behind(bus, progress.positions(name)):
                await asyncio.sleep(0.05)
