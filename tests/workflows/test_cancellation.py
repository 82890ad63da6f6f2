"""A customer's cancel and Temporal's own: before, during and after every step, and while undoing."""

import asyncio
from contextlib import closing

import pytest
from temporalio.client import WithStartWorkflowOperation, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy

from client.contracts import Stage
from client.errors import NotNow
from client.order import Order
from kernel.database import Database
from kernel.outbox import outbox
from services.orders.contracts import OrderStatus
from tests.databases import rows
from tests.shop import POLICY, ShopUnderTest, sample_order, step_is, undeliverable
from workflows.contracts import TASK_QUEUE, CancelRequest, OrderInput, PlaceOrder, workflow_id
from workflows.order_saga import OrderSaga

STEPS = ("orders.create", "fraud.screen", "inventory.reserve", "payments.charge", "shipping.ship")


async def test_an_order_cancelled_before_its_first_step_does_nothing_and_is_told(shop: ShopUnderTest) -> None:
    order = sample_order()
    start = WithStartWorkflowOperation(
        OrderSaga.run,
        PlaceOrder(order=OrderInput.of(order), policy=POLICY),
        id=workflow_id(order.order_id),
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    await shop.client.execute_update_with_start_workflow(
        OrderSaga.cancel, CancelRequest(), start_workflow_operation=start
    )
    state = await shop.handle(order).result()
    assert state.status is OrderStatus.CANCELLED
    assert shop.books(order).charges == []
    _nothing_is_left(shop, order)
    with closing(Database(shop.settings.url_of("orders"), for_reading=True)) as orders:
        told = rows(orders, outbox, "correlation", "type")
    assert [kind for about, kind in told if about == order.order_id] == ["OrderCancelled"]


@pytest.mark.parametrize("step", STEPS)
async def test_cancelled_while_a_step_is_retried_in_an_outage(shop: ShopUnderTest, step: str) -> None:
    """The retries stop at once; nobody waits for the step's deadline."""
    order = sample_order(f"down-{step}")
    await shop.saga().place(order)
    await shop.until(order, step_is(step, "running"))
    await shop.saga().cancel(order.order_id, "changed my mind")
    state = await shop.handle(order).result()
    assert state.status is OrderStatus.CANCELLED
    assert state.reason == "Cancelled by the customer: changed my mind"
    _nothing_is_left(shop, order)


@pytest.mark.parametrize("step", STEPS)
async def test_cancelled_while_a_step_takes_effect(shop: ShopUnderTest, step: str) -> None:
    """The step is waited for, and then undone: an undo never overtakes its own step."""
    order = sample_order(f"slow-{step}")
    await shop.saga().place(order)
    await _begun(shop, order, step)
    await shop.saga().cancel(order.order_id, "")
    state = await shop.handle(order).result()
    assert state.status is OrderStatus.CANCELLED
    _nothing_is_left(shop, order)


@pytest.mark.parametrize("step", STEPS)
async def test_cancelled_in_temporals_own_way(shop: ShopUnderTest, step: str) -> None:
    order = sample_order(f"slow-{step}")
    await shop.saga().place(order)
    await _begun(shop, order, step)
    await shop.handle(order).cancel()
    with pytest.raises(WorkflowFailureError):
        await shop.handle(order).result()
    described = await shop.handle(order).describe()
    assert described.status is WorkflowExecutionStatus.CANCELED
    assert (await shop.state(order)).status is OrderStatus.CANCELLED
    _nothing_is_left(shop, order)


@pytest.mark.parametrize("undo", ["payments.refund", "inventory.release", "orders.reject"])
async def test_undoing_is_not_interrupted_by_any_cancel(shop: ShopUnderTest, undo: str) -> None:
    order = sample_order(f"down-twice-{undo}", **undeliverable())
    await shop.saga().place(order)
    await shop.until(order, step_is(undo, "running"))
    with pytest.raises(NotNow, match="being undone already"):
        await shop.saga().cancel(order.order_id, "")
    await shop.handle(order).cancel()
    await shop.handle(order).cancel()
    state = await shop.handle(order).result()
    assert state.status is OrderStatus.REJECTED
    assert state.reason.startswith("Undeliverable")
    _nothing_is_left(shop, order)


async def test_a_second_cancel_changes_nothing(shop: ShopUnderTest) -> None:
    order = sample_order("slow-shipping.ship")
    await shop.saga().place(order)
    await shop.until(order, step_is("shipping.ship", "running"))
    await asyncio.gather(*(shop.saga().cancel(order.order_id, "") for _ in range(3)))
    assert (await shop.handle(order).result()).status is OrderStatus.CANCELLED
    _nothing_is_left(shop, order)


async def test_past_the_pivot_it_is_too_late(shop: ShopUnderTest) -> None:
    order = sample_order("down-twice-orders.complete")
    await shop.saga().place(order)
    await shop.until(order, step_is("orders.complete", "running"))
    with pytest.raises(NotNow, match="too late to cancel: the parcel is on its way"):
        await shop.saga().cancel(order.order_id, "")
    await shop.handle(order).cancel()
    state = await shop.handle(order).result()
    assert state.status is OrderStatus.COMPLETED
    assert shop.violations(order) == []


async def test_a_parcel_that_cannot_be_called_back_needs_a_person(shop: ShopUnderTest) -> None:
    """Everything else is undone meanwhile."""
    order = sample_order("collected-at-once")
    await shop.saga().place(order)
    await shop.until(order, step_is("shipping.ship", "running"))
    await shop.saga().cancel(order.order_id, "")
    state = await shop.until(order, lambda state: state.stage is Stage.ATTENTION)
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert "shipping.cancel: CannotUndo" in state.problems[0]
    assert shop.books(order).charged == shop.books(order).refunded
    assert shop.books(order).held == {}


async def _begun(shop: ShopUnderTest, order: Order, step: str) -> None:
    if step != "orders.create":  # which runs inside the first workflow task, where no query can look
        await shop.until(order, step_is(step, "running"))


def _nothing_is_left(shop: ShopUnderTest, order: Order) -> None:
    books = shop.books(order)
    assert books.charged == books.refunded
    assert books.held == {}
    assert books.parcels_booked == 0
    assert shop.violations(order) == []
