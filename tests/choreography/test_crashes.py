"""`kill -9` before and after the effect of a charge and a refund, on events alone: the same ends.

Of every do and every undo with `make crash-points`; deaths inside of them are in test_every_crash.py.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import pytest

from audit.books import OrderBooks
from audit.invariants import audit
from client.contracts import OrderState
from client.errors import NotNow
from client.order import Order
from lab.settings import LabSettings
from lab.worker_process import WorkerProcess
from services.orders.contracts import OrderStatus
from tests.choreographed import ChoreographedShop, clients_of
from tests.shop import POLICY, sample_order, undeliverable
from tests.test_crashes import ALL, KINDS, OF_MONEY, TOTAL, struck
from wiring.bus_roles import ON_THE_BUS

SECONDS = 120
COMPLETED, REJECTED, CANCELLED = OrderStatus.COMPLETED, OrderStatus.REJECTED, OrderStatus.CANCELLED

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
    "shipping.withdraw": CANCELLED,
    "orders.cancel": CANCELLED,
}
ENDS = {operation: end for operation, end in ALL_ENDS.items() if ALL or operation in OF_MONEY}
CRASHES = [f"{kind}-{operation}" for operation in ENDS for kind in KINDS]

# An order that is to be cancelled is not screened, so that the cancel comes before the pivot.
FAULTS = ",".join(
    [f"{operation}={kind}@{kind}-{operation}-*" for operation in ENDS for kind in KINDS]
    + [f"fraud.screen=down:*@*-{operation}-*" for operation, end in ENDS.items() if end is CANCELLED]
)


@dataclass(frozen=True)
class Aftermath:
    """All orders have ended, each by way of a crash of its own."""

    settings: LabSettings
    worker: WorkerProcess
    orders: dict[str, Order]
    states: dict[str, OrderState]
    books: dict[str, OrderBooks]


@pytest.fixture(scope="module")
async def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    """Placed all at once, so that each crash hits the other orders too, wherever they are."""
    data = tmp_path_factory.mktemp("choreographed-crashes")
    policy = POLICY.model_copy(update={"step_deadline": SECONDS, "undo_deadline": SECONDS})
    settings = LabSettings(data_dir=data, faults=FAULTS, policy=policy)
    roles = [word for role in ON_THE_BUS for word in ("--role", role)]
    worker = WorkerProcess(settings, *roles, log=data / "worker.log")
    worker.start()
    try:
        orders = {crash: _order(crash) for crash in CRASHES}
        async with clients_of(settings) as clients:
            states = await asyncio.gather(*(_ended(clients, order) for order in orders.values()))
            books = {crash: clients.books(order) for crash, order in orders.items()}
    finally:
        await asyncio.to_thread(worker.stop)
    return Aftermath(settings, worker, orders, dict(zip(orders, states, strict=True)), books)


def _order(crash: str) -> Order:
    end = ENDS[crash.split("-", 2)[2]]
    return sample_order(crash, **(undeliverable() if end is REJECTED else {}))


async def _ended(clients: ChoreographedShop, order: Order) -> OrderState:
    """How the order ended, or where it is stuck."""
    client = clients.client
    await client.place(order)
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            if any(f"-{operation}-" in order.order_id for operation, end in ENDS.items() if end is CANCELLED):
                while "PaymentProcessed" not in await clients.types(order):
                    await asyncio.sleep(0.2)
                with suppress(NotNow):
                    await client.cancel(order.order_id, "")
            await client.outcome(order.order_id)
    return (await client.get(order.order_id)).state


@pytest.mark.parametrize("crash", CRASHES)
async def test_an_order_ends_as_it_would_have_without_the_crash(aftermath: Aftermath, crash: str) -> None:
    end = ENDS[crash.split("-", 2)[2]]
    books = aftermath.books[crash]
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
    """After the effect it may have come too late: another order's crash let nobody ask a second time."""
    before, after = (
        {(f"{operation}={kind}", aftermath.orders[f"{kind}-{operation}"].order_id) for operation in ENDS}
        for kind in KINDS
    )
    assert before <= struck(aftermath.settings) <= before | after
    assert struck(aftermath.settings) & after
    assert aftermath.worker.restarts >= len(ENDS)  # now and then one death serves two


def test_after_all_the_crashes_the_audit_finds_nothing(aftermath: Aftermath) -> None:
    report = audit(aftermath.settings)
    assert report.violations == []
    assert report.orders == len(CRASHES)
