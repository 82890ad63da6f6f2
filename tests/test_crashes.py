"""`kill -9` before and after the effect of a charge and a refund: each order ends as it would have without.

Of every do and every undo with `make crash-points`; deaths inside of them are in tests/workflows/test_every_crash.py.
"""

import asyncio
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass

import pytest

from audit.books import OrderBooks
from audit.invariants import audit
from client.contracts import OrderState
from client.order import Order
from kernel.contracts import Steps
from lab.settings import LabSettings
from lab.worker_process import WorkerProcess
from services.orders.contracts import OrderStatus
from tests.conftest import client_of
from tests.shop import POLICY, ShopUnderTest, sample_order, undeliverable

NAMESPACE = "crashes"
TOTAL = 4850
SECONDS = 120  # far more than it takes, for a machine that is busy

COMPLETED, REJECTED, CANCELLED = OrderStatus.COMPLETED, OrderStatus.REJECTED, OrderStatus.CANCELLED
IN_PLACE = ("payments.charge", "shipping.ship", "orders.complete")
KINDS = ("kill-before", "kill-after")
ALL = "CRASH_POINTS" in os.environ
OF_MONEY = ("payments.charge", "payments.refund")

# Each operation that a worker dies at, and how the order ends that comes to it.
ALL_ENDS = {
    "orders.create": COMPLETED,
    "fraud.screen": COMPLETED,
    "inventory.reserve": COMPLETED,
    "payments.charge": COMPLETED,
    "shipping.ship": COMPLETED,
    "orders.complete": COMPLETED,
    "payments.refund": REJECTED,
    "inventory.release": REJECTED,
    "orders.reject": REJECTED,
    "shipping.cancel": CANCELLED,
    "orders.cancel": CANCELLED,
}
ENDS = {operation: end for operation, end in ALL_ENDS.items() if ALL or operation in OF_MONEY}
CRASHES = [f"{kind}-{operation}" for operation in ENDS for kind in KINDS]

# An order that is to be cancelled has a parcel, but its reply is lost, so that the cancel comes before the pivot.
FAULTS = ",".join(
    [f"{operation}={kind}@{kind}-{operation}-*" for operation in ENDS for kind in KINDS]
    + [f"shipping.ship=lost:*@*-{operation}-*" for operation, end in ENDS.items() if end is CANCELLED]
)


@dataclass(frozen=True)
class Aftermath:
    """All orders have ended, each by way of a crash of its own."""

    shop: ShopUnderTest
    worker: WorkerProcess
    log: str
    orders: dict[str, Order]
    states: dict[str, OrderState]

    def books(self, crash: str) -> OrderBooks:
        return self.shop.books(self.orders[crash])


def struck(settings: LabSettings) -> set[tuple[str, str]]:
    """Each death by a fault, with the order that met it, as the faults' own database has it."""
    with closing(sqlite3.connect(settings.data_dir / "faults.db")) as connection:
        rows: list[tuple[str, str]] = connection.execute("SELECT fault, order_id FROM hits").fetchall()
    return {(fault.partition("@")[0], order_id) for fault, order_id in rows if "=kill-" in fault}


@pytest.fixture(scope="module")
async def aftermath(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    """Placed all at once, so that each crash hits the other orders too, wherever they are."""
    data = tmp_path_factory.mktemp("crashes")
    policy = POLICY.model_copy(update={"attempt_timeout": 2, "step_deadline": SECONDS, "undo_deadline": SECONDS})
    settings = server.model_copy(update={"data_dir": data, "faults": FAULTS, "policy": policy})
    shop = ShopUnderTest(settings, await client_of(server, NAMESPACE))
    log = data / "worker.log"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TEMPORAL_NAMESPACE", NAMESPACE)
        environment.delenv("TEMPORAL_ADDRESS", raising=False)
        worker = WorkerProcess(settings, log=log)
    worker.start()
    try:
        orders = {crash: _order(crash) for crash in CRASHES}
        while not log.exists() or "ready: " not in log.read_text():
            assert not worker.wait(0.05), "it does not start"
        states = await asyncio.gather(*(_ended(shop, order) for order in orders.values()))
    finally:
        await asyncio.to_thread(worker.stop)
    return Aftermath(shop, worker, log.read_text(), orders, dict(zip(orders, states, strict=True)))


def _order(crash: str) -> Order:
    end = ENDS[crash.split("-", 2)[2]]
    return sample_order(crash, **(undeliverable() if end is REJECTED else {}))


async def _ended(shop: ShopUnderTest, order: Order) -> OrderState:
    """How the order ended, or where it is stuck."""
    # By queue, so that a death costs the other orders no more than the attempt that is under way, but for a few.
    in_place = any(order.order_id.startswith(f"kill-after-{step}-") for step in IN_PLACE)
    saga = shop.saga(shop.settings.policy, Steps.IN_PLACE if in_place else Steps.QUEUE)
    await saga.place(order)
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            if any(f"-{operation}-" in order.order_id for operation, end in ENDS.items() if end is CANCELLED):
                while shop.books(order).parcels_booked != 1:
                    await asyncio.sleep(0.2)
                await shop.handle(order).cancel()
            await saga.outcome(order.order_id)
    return await shop.state(order)


@pytest.mark.parametrize("crash", CRASHES)
async def test_an_order_ends_as_it_would_have_without_the_crash(aftermath: Aftermath, crash: str) -> None:
    end = ENDS[crash.split("-", 2)[2]]
    books = aftermath.books(crash)
    assert aftermath.states[crash].status is end
    assert books.status is end
    assert books.charges == [(TOTAL, "EUR")]
    if end is COMPLETED:
        assert books.refunded == 0
        assert books.held == {"mug": 2, "tea-sampler": 1}
        assert books.parcels_booked == 1
    else:
        assert books.refunded == TOTAL
        assert books.held == {}
        assert books.parcels_booked == 0


def test_each_crash_took_place_once(aftermath: Aftermath) -> None:
    assert struck(aftermath.shop.settings) == {
        (f"{operation}={kind}", aftermath.orders[f"{kind}-{operation}"].order_id)
        for operation in ENDS
        for kind in KINDS
    }
    assert aftermath.worker.restarts >= len(ENDS)  # now and then one death serves two
    assert aftermath.log.count("the worker died (-9)") == aftermath.worker.restarts


def test_after_all_the_crashes_the_audit_finds_nothing(aftermath: Aftermath) -> None:
    report = audit(aftermath.shop.settings)
    assert report.violations == []
    assert report.orders == len(CRASHES)
