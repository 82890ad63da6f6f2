"""Steps in place: what takes effect before the history knows of it, and orders that move between workers."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing

import pytest

import workflows.commands as commands
from audit.books import OrderBooks, read
from audit.invariants import audit
from client.order import Order
from kernel.contracts import Steps
from lab.settings import LabSettings
from services import SERVICES
from services.fraud.declaration import FRAUD
from services.inventory.declaration import INVENTORY
from services.orders.contracts import OrderStatus
from services.orders.declaration import ORDERS
from services.payments.declaration import PAYMENTS
from services.shipping.declaration import SHIPPING
from tests.conftest import client_of
from tests.shop import POLICY, ShopUnderTest, sample_order, step_is, worker_running
from wiring.roles import HOSTS, ON_TEMPORAL, SAGA
from wiring.services import Services
from workflows.contracts import CancelRequest, OrderInput, PlaceOrder
from workflows.order_saga import OrderSaga

STEPS = ("orders.create", "fraud.screen", "inventory.reserve", "payments.charge", "shipping.ship", "orders.complete")
TOTAL = 4850
IMPATIENT = POLICY.model_copy(update={"step_deadline": 0.5})


def _take_effect(services: Services, order: Order, saga: str, count: int = len(STEPS)) -> None:
    """What a worker does that tries these first steps in place, and dies before the server knows of any."""
    given = OrderInput.of(order)
    place = PlaceOrder(order=given, policy=IMPATIENT)

    def effects() -> Iterator[object]:
        created = services.open(ORDERS).create(commands.create(place, saga))
        yield created
        yield services.open(FRAUD).screen(commands.screen(given, created.total))
        yield services.open(INVENTORY).reserve(commands.reserve(given))
        yield services.open(PAYMENTS).charge(commands.charge(given, created.total))
        yield services.open(SHIPPING).ship(commands.ship(given))
        yield services.open(ORDERS).complete(commands.complete(given))

    for _ in zip(range(count), effects(), strict=False):
        pass


async def test_what_a_dead_worker_did_is_kept_whole_or_undone(
    server: LabSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It died after each effect; then the order was cancelled, or that or an earlier service went down."""
    faults = ",".join(f"{step}=down:3@*-down-{step}-*" for step in STEPS)
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("dead"), "faults": faults})
    client = await client_of(server, "dead-in-place")
    shop = ShopUnderTest(settings, client)
    done = {sample_order(f"{count}-cancelled"): count for count in range(len(STEPS) + 1)}
    done |= {sample_order(f"{count}-down-{STEPS[count - 1]}"): count for count in range(1, len(STEPS) + 1)}
    done |= {sample_order(f"{count}-down-fraud.screen"): count for count in range(3, len(STEPS) + 1)}
    withdrawn = sample_order("4-withdrawn")
    done[withdrawn] = 4
    orders = list(done)

    async def die(order: Order) -> None:
        await shop.saga(IMPATIENT, Steps.IN_PLACE).place(order)
        await asyncio.to_thread(_take_effect, dead, order, await _run_id(shop, order), done[order])

    with closing(Services(settings)) as dead:
        for service in SERVICES:
            dead.open(service)
        await asyncio.gather(*map(die, orders))
    cancelled = [order for order in orders if "-cancelled-" in order.order_id]
    cancels = [asyncio.create_task(_cancel(shop, order)) for order in cancelled]
    await shop.handle(withdrawn).cancel()
    async with worker_running(client, settings):
        await asyncio.gather(*cancels, *(shop.saga().outcome(order.order_id) for order in orders))
    assert audit(settings).violations == []
    recorded = read(settings).orders
    for order in orders:
        books, count = recorded.get(order.order_id, OrderBooks()), done[order]
        if count == len(STEPS) or "down-orders.complete" in order.order_id:
            assert books.status is OrderStatus.COMPLETED, order.order_id
            assert (books.charged, books.refunded, books.parcels_booked) == (TOTAL, 0, 1), order.order_id
        else:
            ended = OrderStatus.CANCELLED if "-down-" not in order.order_id else OrderStatus.REJECTED
            assert books.status in ((ended,) if count else (ended, None)), order.order_id
            assert (books.charged, books.held, books.parcels_booked) == (books.refunded, {}, 0), order.order_id


async def test_an_order_by_queue_that_a_dead_worker_completed_is_not_undone(
    server: LabSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its last step is tried in place as well, so that a cancel may come before the history knows of it."""
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("dead")})
    client = await client_of(server, "dead-queue")
    shop = ShopUnderTest(settings, client)
    asked, in_temporal = sample_order(), sample_order()
    async with worker_running(client, settings, [role for role in ON_TEMPORAL if role != SHIPPING.name]):
        for order in asked, in_temporal:
            await shop.saga(steps=Steps.QUEUE).place(order)
        for order in asked, in_temporal:
            await shop.until(order, step_is("shipping.ship", "running"))
    with closing(Services(settings)) as dead:
        for order in asked, in_temporal:
            await asyncio.to_thread(_take_effect, dead, order, await _run_id(shop, order))
    await shop.handle(in_temporal).cancel()
    cancel = asyncio.create_task(_cancel(shop, asked))
    async with worker_running(client, settings):
        await asyncio.gather(cancel, *(shop.saga().outcome(order.order_id) for order in (asked, in_temporal)))
    assert audit(settings).violations == []
    for order in asked, in_temporal:
        books = shop.books(order)
        assert books.status is OrderStatus.COMPLETED
        assert (books.charged, books.refunded, books.parcels_booked) == (TOTAL, 0, 1)


async def _cancel(shop: ShopUnderTest, order: Order) -> None:
    """By the workflow alone: the client would see on record that some of them have ended."""
    await shop.handle(order).execute_update(OrderSaga.cancel, CancelRequest())


async def _run_id(shop: ShopUnderTest, order: Order) -> str:
    return (await shop.handle(order).describe()).run_id


async def test_a_step_that_takes_too_long_in_place_goes_on_beside_its_next_attempt(shop: ShopUnderTest) -> None:
    orders = [sample_order(f"slower-{step}") for step in STEPS]
    states = await asyncio.gather(*(shop.run(order, steps=Steps.IN_PLACE) for order in orders))
    for order, state in zip(orders, states, strict=True):
        assert state.status is OrderStatus.COMPLETED, order.order_id
        assert shop.books(order).charges == [(TOTAL, "EUR")], order.order_id
        assert shop.books(order).parcels_booked == 1, order.order_id
        assert shop.violations(order) == []


async def test_a_cancel_is_answered_before_the_step_in_place_is_over(
    server: LabSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    faults = ",".join(f"{step}=slow:3@very-slow-{step}-*" for step in STEPS[:-1])
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("slow"), "faults": faults})
    client = await client_of(server, "slow")
    shop = ShopUnderTest(settings, client)

    async def cancelled(step: str) -> None:
        order = sample_order(f"very-slow-{step}")
        await shop.saga(steps=Steps.IN_PLACE).place(order)
        await shop.saga().cancel(order.order_id, "")
        assert not _has_taken_effect(shop, order, step)
        assert (await shop.handle(order).result()).status is OrderStatus.CANCELLED
        assert shop.violations(order) == []

    async with worker_running(client, settings):
        await asyncio.gather(*(cancelled(step) for step in STEPS[:-1]))


def _has_taken_effect(shop: ShopUnderTest, order: Order, step: str) -> bool:
    books = shop.books(order)
    return {
        "orders.create": books.status is not None,
        "fraud.screen": books.charged > 0,
        "inventory.reserve": books.held != {},
        "payments.charge": books.charged > 0,
        "shipping.ship": books.parcels_booked > 0,
    }[step]


@pytest.mark.parametrize("begins_with", ["everything", "the saga alone"])
async def test_an_order_moves_at_every_step_between_a_worker_of_everything_and_one_of_the_saga(
    server: LabSettings, tmp_path_factory: pytest.TempPathFactory, begins_with: str
) -> None:
    data = tmp_path_factory.mktemp("moving")
    settings = server.model_copy(update={"data_dir": data})
    client, of_services = await client_of(server, "moving"), await client_of(server, "moving")
    shop = ShopUnderTest(settings, client)
    order = sample_order("moves")
    for number, step in enumerate((*(step for step in STEPS if step != "inventory.reserve"), "")):
        faults = f"{step}=down:*" if step else ""
        at_work = settings.model_copy(update={"faults": faults})
        async with AsyncExitStack() as running:
            if (number % 2 == 0) is (begins_with == "everything"):
                await running.enter_async_context(worker_running(client, at_work))
            else:
                await running.enter_async_context(worker_running(of_services, at_work, HOSTS))
                await running.enter_async_context(worker_running(client, at_work, (SAGA,)))
            if not number:
                await shop.saga(steps=Steps.IN_PLACE).place(order)
            if step:
                await shop.until(order, step_is(step, "running"))
            else:
                assert (await shop.handle(order).result()).status is OrderStatus.COMPLETED
    assert shop.violations(order) == []
    history = await shop.handle(order).fetch_history()
    assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history.events)
