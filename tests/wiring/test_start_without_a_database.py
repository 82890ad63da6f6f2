"""A database that does not answer when a worker starts delays what needs it, and nothing else, until it answers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kernel.errors import SettingsError
from lab.faults import faults_of
from lab.settings import LabSettings
from services.orders.contracts import OrderStatus
from tests.choreographed import ChoreographedShop, clients_of
from tests.shop import POLICY, sample_order
from wiring.bus_roles import ON_THE_BUS
from wiring.listening import listening
from wiring.services import Services
from wiring.supervision import Parts


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setattr("wiring.supervision._PAUSE_SECONDS", 0.1)
    monkeypatch.setattr("wiring.supervision._WORKS_AFTER_SECONDS", 0.2)
    return LabSettings(data_dir=tmp_path, policy=POLICY)


class Down:
    """A database that cannot be used until it is mended."""

    def __init__(self, settings: LabSettings, name: str) -> None:
        self._file = settings.data_dir / f"{name}.db"
        self._file.write_bytes(b"this is no database" * 100)

    def mend(self) -> None:
        for file in self._file.parent.glob(f"{self._file.name}*"):
            file.unlink()


@asynccontextmanager
async def worker(settings: LabSettings, parts: Parts) -> AsyncIterator[None]:
    services = Services(settings, faults_of(settings))
    async with listening(settings, services, ON_THE_BUS, parts):
        yield
    services.close()


async def until_nothing_fails(parts: Parts) -> None:
    async with asyncio.timeout(30):
        while parts.failing:
            await asyncio.sleep(0.05)


async def seen(shop: ChoreographedShop, order_id: str, *types: str) -> None:
    async with asyncio.timeout(30):
        while not set(types) <= {one.event.type for one in await shop.eventing.bus.of(order_id)}:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("name", ["payments", "gateway"])
async def test_a_service_s_database_delays_its_own_step_only(
    settings: LabSettings, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    down, parts, order = Down(settings, name), Parts(), sample_order()
    async with worker(settings, parts), clients_of(settings) as shop:
        await shop.client.place(order)
        await seen(shop, order.order_id, "NoFraudDetected", "StockReserved")
        assert set(parts.failing) == {"consumer payments", "relay of payments"}
        down.mend()
        assert (await shop.rest(order)).status is OrderStatus.COMPLETED
        await until_nothing_fails(parts)
    lines = [one.message for one in caplog.records if one.levelno >= logging.WARNING]
    assert len([one for one in lines if f"the database of {name}" in one]) == 2  # its consumer, and its relay


@pytest.mark.parametrize("name", ["orders", "bus", "consumers"])
async def test_what_all_orders_need_delays_them_until_it_answers(
    settings: LabSettings, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    down, parts = Down(settings, name), Parts()
    need_it = 3 if name == "orders" else 1  # the consumer, the relay, the deadlines; or the bus
    async with worker(settings, parts):
        async with asyncio.timeout(30):
            while len(parts.failing) < need_it:
                await asyncio.sleep(0.01)
        down.mend()
        async with clients_of(settings) as shop:
            assert (await shop.run(sample_order())).status is OrderStatus.COMPLETED
        await until_nothing_fails(parts)
    assert len([one for one in caplog.messages if f"the database of {name}" in one]) == need_it


async def test_a_subscriber_s_database_delays_no_order(settings: LabSettings) -> None:
    down, parts = Down(settings, "analytics"), Parts()
    async with worker(settings, parts), clients_of(settings) as shop:
        assert (await shop.run(sample_order())).status is OrderStatus.COMPLETED
        assert set(parts.failing) == {"consumer analytics"}
        down.mend()
        await until_nothing_fails(parts)


async def test_a_folder_that_cannot_be_used_is_a_wrong_setting(settings: LabSettings) -> None:
    """No waiting would change it."""
    wrong = settings.model_copy(update={"databases": {"payments": "sqlite:////proc/nowhere/payments.db"}})
    with pytest.raises(SettingsError, match="payments"):
        async with worker(wrong, Parts()):
            pass
