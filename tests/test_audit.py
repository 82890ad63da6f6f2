"""What the audit says of orders that no workflow looks after; what else it finds is in tests/cli/test_audit.py."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.invariants import audit
from client.errors import NotNow
from kernel.database import Database
from lab.settings import LabSettings
from services import SERVICES
from services.orders.contracts import OrderStatus
from services.orders.service import Orders
from settings import Settings
from tests.conftest import client_of
from tests.shop import ShopUnderTest, sample_order
from wiring.services import Services
from workflows import client as client
from workflows import commands
from workflows.contracts import OrderInput, PlaceOrder
from workflows.visibility import ORDER_STATUS


@pytest.mark.parametrize(("age", "invariants"), [(timedelta(hours=1), []), (timedelta(days=3), ["every order ends"])])
def test_an_order_that_never_ends_is_found(tmp_path: Path, age: timedelta, invariants: list[str]) -> None:
    settings = Settings(data_dir=tmp_path)
    shop = Services(settings)
    for service in SERVICES:
        shop.open(service)
    database = Database(settings.url_of("orders"))
    place = PlaceOrder(order=OrderInput.of(sample_order()))
    Orders(database, lambda: datetime.now(UTC) - age).create(commands.create(place))
    assert [violation.invariant for violation in audit(settings).violations] == invariants
    database.close()
    shop.close()


async def test_an_order_is_in_progress_for_the_server_before_any_worker_has_seen_it(
    server: LabSettings, tmp_path: Path
) -> None:
    shop = ShopUnderTest(server.model_copy(update={"data_dir": tmp_path}), await client_of(server, "unserved"))
    order = sample_order()
    await shop.saga().place(order)
    described = await shop.handle(order).describe()
    assert described.typed_search_attributes[ORDER_STATUS] == OrderStatus.IN_PROGRESS


async def test_without_a_worker_nobody_is_kept_waiting(
    server: LabSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_ANSWER_SECONDS", 0.5)
    shop = ShopUnderTest(server.model_copy(update={"data_dir": tmp_path}), await client_of(server, "unserved"))
    order = sample_order()
    await shop.saga().place(order)
    with pytest.raises(NotNow, match="no worker answered"):
        await shop.saga().cancel(order.order_id, "")
