"""A customer's cancel and Temporal's own: before, during and after every step, and while undoing."""

import asyncio
from contextlib import closing

import pytest
from temporalio.client import (
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from client.contracts import Resolution, ResolveBy, Stage
from client.errors import NotNow
from client.order import Order, OrderLine
from kernel.contracts import Steps
from kernel.database import Database
from kernel.outbox import outbox
from services.orders.contracts import OrderStatus
from tests.databases import rows
from tests.shop import POLICY, ShopUnderTest, sample_order, step_is, undeliverable
from workflows.contracts import TASK_QUEUE, CancelRequest, OrderInput, PlaceOrder, workflow_id
from workflows.order_saga import OrderSaga

STEPS = ("orders.create", "fraud.screen", "inventory.reserve", "payments.charge", "shipping.ship")


async def test_an_order_cancelled_before_its_first_step_does_nothing_and_is_published(shop: ShopUnderTest) -> None:
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
        found = rows(orders, outbox, "correlation", "type")
    assert [kind for about, kind in found if about == order.order_id] == ["OrderCancelled"]


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
    await shop.saga(steps=Steps.QUEUE).place(order)
    await _begun(shop, order, step)
    await shop.saga().cancel(order.order_id, "")
    state = await shop.handle(order).result()
    assert state.status is OrderStatus.CANCELLED
    _nothing_is_left(shop, order)


@pytest.mark.parametrize("step", STEPS)
async def test_cancelled_in_temporals_own_way(shop: ShopUnderTest, step: str) -> None:
    order = sample_order(f"slow-{step}")
    await shop.saga(steps=Steps.QUEUE).place(order)
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
    await shop.saga(steps=Steps.QUEUE).place(order)
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
    """Until then, no money goes back and no stock: the parcel may never come back."""
    order = sample_order("collected-at-once")
    await shop.saga(steps=Steps.QUEUE).place(order)
    await shop.until(order, step_is("shipping.ship", "running"))
    await shop.saga().cancel(order.order_id, "")
    state = await shop.until(order, lambda state: state.stage is Stage.ATTENTION)
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert "shipping.cancel: CannotUndo" in state.problems[0]
    assert (shop.books(order).charged, shop.books(order).refunded) == (4850, 0)
    assert shop.books(order).held == {"mug": 2, "tea-sampler": 1}
    with pytest.raises(NotNow, match="use 'returned' or 'delivered', by where the parcel is"):
        await shop.saga().resolve(order.order_id, Resolution(decision=ResolveBy.RESOLVED, note="by phone"))
    with pytest.raises(NotNow, match="a note is required"):
        await shop.saga().resolve(order.order_id, Resolution(decision=ResolveBy.DELIVERED))
    await shop.saga().resolve(order.order_id, Resolution(decision=ResolveBy.DELIVERED, note="the customer keeps it"))
    state = await shop.handle(order).result()
    assert (state.status, state.reason, state.problems) == (OrderStatus.COMPLETED, "", ())
    assert state.tracking_number
    assert (shop.books(order).charged, shop.books(order).refunded, shop.books(order).parcels_booked) == (4850, 0, 1)
    assert shop.books(order).held == {"mug": 2, "tea-sampler": 1}


async def test_a_parcel_that_came_back_lets_the_rest_be_undone(shop: ShopUnderTest) -> None:
    order = sample_order("collected-and-returned")
    await shop.saga(steps=Steps.QUEUE).place(order)
    await shop.until(order, step_is("shipping.ship", "running"))
    await shop.saga().cancel(order.order_id, "")
    await shop.until(order, lambda state: state.stage is Stage.ATTENTION)
    await shop.saga().resolve(order.order_id, Resolution(decision=ResolveBy.RETURNED, note="it is on the shelf"))
    state = await shop.handle(order).result()
    assert state.status is OrderStatus.CANCELLED
    assert shop.books(order).charged == shop.books(order).refunded == 4850
    assert shop.books(order).held == {}


async def test_cancelling_again_and_again_leaves_the_operators_updates(shop: ShopUnderTest) -> None:
    """A workflow takes 2,000 updates in its life; those that are refused do not count."""
    order = sample_order("down-inventory.release", lines=(OrderLine(sku="espresso-machine", quantity=1),))
    saga = shop.saga(POLICY.model_copy(update={"undo_deadline": 0.5}))
    await saga.place(order)
    await shop.until(order, lambda state: state.stage is Stage.REVIEW)
    await saga.cancel(order.order_id, "no")
    await shop.until(order, lambda state: state.stage is Stage.ATTENTION)
    before = (await shop.handle(order).describe()).history_length
    for _ in range(30):
        await saga.cancel(order.order_id, "again")
    assert (await shop.handle(order).describe()).history_length - before < 10
    await saga.resolve(order.order_id, Resolution(decision=ResolveBy.RESOLVED, note="put back by hand"))
    assert (await shop.handle(order).result()).status is OrderStatus.CANCELLED


async def test_a_reason_of_any_length_stops_no_undo(shop: ShopUnderTest) -> None:
    """Who cancels by Temporal's own means, or from another program, is bound by no client of ours."""
    order = sample_order("down-shipping.ship")
    await shop.saga().place(order)
    await shop.until(order, step_is("shipping.ship", "running"))
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await shop.handle(order).execute_update(OrderSaga.cancel, CancelRequest(reason="z" * 1_500_000))
    assert isinstance(refused.value.cause, ApplicationError)
    assert "at most" in refused.value.cause.message
    await shop.saga().cancel(order.order_id, "z" * 1_000)
    assert (await shop.handle(order).result()).status is OrderStatus.CANCELLED
    _nothing_is_left(shop, order)


async def test_only_a_shipment_is_returned_or_delivered(shop: ShopUnderTest) -> None:
    order = sample_order("refused-payments.refund", **undeliverable())
    assert (await shop.run(order)).stage is Stage.ATTENTION
    for decision in (ResolveBy.RETURNED, ResolveBy.DELIVERED):
        with pytest.raises(NotNow, match="is for a shipment that cannot be called back; use 'resolved'"):
            await shop.saga().resolve(order.order_id, Resolution(decision=decision, note="by phone"))


async def _begun(shop: ShopUnderTest, order: Order, step: str) -> None:
    if step != "orders.create":  # which runs inside the first workflow task, where no query can look
        await shop.until(order, step_is(step, "running"))


def _nothing_is_left(shop: ShopUnderTest, order: Order) -> None:
    books = shop.books(order)
    assert books.charged == books.refunded
    assert books.held == {}
    assert books.parcels_booked == 0
    assert shop.violations(order) == []
