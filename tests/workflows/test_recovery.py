"""What Temporal lost, or was forced to end, and what is on record: an order reads right, and goes on."""

import asyncio
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest

from client.contracts import Resolution, ResolveBy, Review, Stage
from client.errors import DifferentContent, NoSuchOrder, NotNow
from client.order import Order, OrderLine
from kernel.contracts import Steps
from kernel.database import Database
from kernel.errors import SettingsError
from kernel.operations import operations
from kernel.outbox import outbox
from lab.settings import LabSettings
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from services.orders.tables import orders as orders_table
from tests.conftest import client_of
from tests.shop import POLICY, ShopUnderTest, eventually, sample_order, step_is, undeliverable
from wiring.order_records import RecordsOfOrders
from workflows.client import OrchestrationClient
from workflows.contracts import workflow_id

RETRY = Resolution(decision=ResolveBy.RETRY)
BY_HAND = Resolution(decision=ResolveBy.RESOLVED, note="refunded by bank transfer")
SUSPICIOUS: dict[str, Any] = {"lines": (OrderLine(sku="espresso-machine", quantity=1),)}
ENDS: dict[OrderStatus, dict[str, Any]] = {
    OrderStatus.COMPLETED: {},
    OrderStatus.REJECTED: {"payment_token": "tok_chargeDeclined"},
}


# Ended by force


async def test_an_order_that_was_ended_by_force_is_listed_and_taken_up_again(shop: ShopUnderTest) -> None:
    order = await _terminated_while_shipping(shop)
    state = await shop.state(order)
    assert (state.status, state.stage) == (OrderStatus.NEEDS_ATTENTION, Stage.ATTENTION)
    assert "its workflow was ended by force (terminated)" in state.problems[0]
    await eventually(lambda: _is_listed(shop, order, OrderStatus.NEEDS_ATTENTION))
    assert not await _is_listed(shop, order, OrderStatus.IN_PROGRESS)

    await shop.saga().resolve(order.order_id, RETRY)
    assert (await shop.saga().outcome(order.order_id)).state.status is OrderStatus.COMPLETED
    await _completed_once(shop, order)
    await eventually(lambda: _is_listed(shop, order, OrderStatus.COMPLETED))
    assert not await _is_listed(shop, order, OrderStatus.NEEDS_ATTENTION)


async def test_an_order_that_was_ended_by_force_is_taken_up_by_placing_it_again(shop: ShopUnderTest) -> None:
    order = await _terminated_while_shipping(shop)
    with pytest.raises(DifferentContent):
        await shop.saga().place(order.model_copy(update={"customer_id": "somebody-else"}))
    assert (await shop.run(order)).status is OrderStatus.COMPLETED
    await _completed_once(shop, order)


async def test_an_order_that_was_ended_by_force_is_cancelled_by_undoing_what_was_done(shop: ShopUnderTest) -> None:
    order = await _terminated_while_shipping(shop)
    await shop.saga().cancel(order.order_id, "changed my mind")
    state = (await shop.saga().outcome(order.order_id)).state
    assert (state.status, state.reason) == (OrderStatus.CANCELLED, "Cancelled by the customer: changed my mind")
    _nothing_is_kept(shop, order)


async def test_an_order_in_review_that_was_ended_by_force_is_held_again(shop: ShopUnderTest) -> None:
    order = sample_order(**SUSPICIOUS)
    await shop.run(order)
    await shop.handle(order).terminate()
    with pytest.raises(NotNow, match="ended by force"):
        await shop.saga().review(order.order_id, Review(decision=Decision.APPROVE))
    await shop.saga().resolve(order.order_id, RETRY)
    assert (await shop.saga().outcome(order.order_id)).state.stage is Stage.REVIEW
    await shop.saga().review(order.order_id, Review(decision=Decision.APPROVE))
    assert (await shop.saga().outcome(order.order_id)).state.status is OrderStatus.COMPLETED
    await _completed_once(shop, order)


async def test_an_order_that_was_approved_and_ended_by_force_is_approved_again_for_another_reason(
    shop: ShopUnderTest,
) -> None:
    order = sample_order("slow-shipping.ship", **SUSPICIOUS)
    await shop.saga(steps=Steps.QUEUE).place(order)
    await shop.saga().outcome(order.order_id)
    await shop.saga().review(order.order_id, Review(decision=Decision.APPROVE, note="known to us"))
    await shop.until(order, step_is("shipping.ship", "running"))
    await shop.handle(order).terminate()
    await shop.saga().resolve(order.order_id, RETRY)
    await shop.saga().outcome(order.order_id)
    await shop.saga().review(order.order_id, Review(decision=Decision.APPROVE, note="asked again"))
    assert (await shop.saga().outcome(order.order_id)).state.status is OrderStatus.COMPLETED
    await _completed_once(shop, order)


@pytest.mark.parametrize("way", ["retry", "cancel", "place"])
async def test_an_order_that_was_ended_by_force_while_it_was_undone_is_undone(shop: ShopUnderTest, way: str) -> None:
    """Its refund was stuck, and its own record rejected already."""
    order = sample_order("refused-payments.refund", **undeliverable())
    await shop.run(order)
    await shop.handle(order).terminate()
    assert (await shop.state(order)).stage is Stage.ATTENTION
    if way == "retry":
        await shop.saga().resolve(order.order_id, RETRY)
    elif way == "cancel":
        await shop.saga().cancel(order.order_id, "")
    else:
        await shop.saga().place(order)
    state = (await shop.saga().outcome(order.order_id)).state
    assert (state.status, state.reason) == (OrderStatus.REJECTED, "Undeliverable: no courier goes to AQ")
    _nothing_is_kept(shop, order)
    assert await _is_listed(shop, order, OrderStatus.REJECTED)


async def test_only_a_new_run_settles_what_was_ended_by_force(shop: ShopUnderTest) -> None:
    order = await _terminated_while_shipping(shop)
    with pytest.raises(NotNow, match="decide retry first"):
        await shop.saga().resolve(order.order_id, BY_HAND)
    await asyncio.gather(*(shop.saga().resolve(order.order_id, RETRY) for _ in range(2)))  # two operators at once
    assert (await shop.saga().outcome(order.order_id)).state.status is OrderStatus.COMPLETED
    await _completed_once(shop, order)


# Temporal has lost it


@pytest.mark.parametrize("end", ENDS)
async def test_what_has_ended_reads_the_same_when_temporal_has_forgotten_it(
    shop: ShopUnderTest, server: LabSettings, end: OrderStatus
) -> None:
    order = sample_order(**ENDS[end])
    before = await shop.run(order)
    later = replace(shop, client=await client_of(server, "nobody"))  # a server that has never known it
    state = await later.state(order)
    assert (state.status, state.reason, state.total) == (end, before.reason, before.total)
    assert (await later.saga().outcome(order.order_id)).state == state
    assert await _is_listed(later, order, end)
    assert await _is_listed(later, order, None)

    await later.saga().place(order)
    assert await later.state(order) == state
    with pytest.raises(DifferentContent):
        await later.saga().place(order.model_copy(update={"customer_id": "somebody-else"}))
    for word in (later.saga().cancel(order.order_id, ""), later.saga().resolve(order.order_id, RETRY)):
        with pytest.raises(NotNow, match=f"has ended already: {end}"):
            await word
    assert len(shop.books(order).charges) == (end is OrderStatus.COMPLETED)
    assert shop.violations(order) == []


@pytest.mark.parametrize("way", ["place", "retry", "cancel"])
async def test_what_is_in_progress_and_unknown_to_temporal_is_seen_and_taken_up(shop: ShopUnderTest, way: str) -> None:
    order = sample_order(**SUSPICIOUS)
    await shop.run(order)
    await _forget(shop, order)
    state = await shop.state(order)
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert "Temporal does not know this order" in state.problems[0]
    assert await _is_listed(shop, order, OrderStatus.NEEDS_ATTENTION)
    if way == "cancel":
        await shop.saga().cancel(order.order_id, "")
        assert (await shop.saga().outcome(order.order_id)).state.status is OrderStatus.CANCELLED
        _nothing_is_kept(shop, order)
        return
    await (shop.saga().place(order) if way == "place" else shop.saga().resolve(order.order_id, RETRY))
    assert (await shop.saga().outcome(order.order_id)).state.stage is Stage.REVIEW
    await shop.saga().review(order.order_id, Review(decision=Decision.APPROVE))
    assert (await shop.saga().outcome(order.order_id)).state.status is OrderStatus.COMPLETED
    await _completed_once(shop, order)


async def test_an_unknown_order_is_not_one_whose_record_cannot_be_read(shop: ShopUnderTest) -> None:
    records = RecordsOfOrders(lambda _name: "postgresql://nobody@127.0.0.1:1/orders")
    blind = OrchestrationClient(shop.client, POLICY, shop.settings.link, records)
    order = sample_order()
    await blind.place(order)  # its saga will find what is on record
    assert (await blind.outcome(order.order_id)).state.status is OrderStatus.COMPLETED
    with pytest.raises(NoSuchOrder):
        await shop.saga().get("nobody-placed-this")
    with pytest.raises(SettingsError, match="the database of orders cannot be read"):
        await blind.get("nobody-placed-this")


# Temporal has an earlier point of it


@pytest.mark.parametrize("changes", [{}, undeliverable()], ids=["completed", "rejected"])
@pytest.mark.parametrize("event", ["first", "last"])
async def test_an_order_that_has_ended_ends_the_same_after_a_reset(
    shop: ShopUnderTest, changes: dict[str, Any], event: str
) -> None:
    order = sample_order(**changes)
    before = await shop.run(order)
    await _reset(shop, order, first=event == "first")
    state = (await shop.saga().outcome(order.order_id)).state
    assert (state.status, state.reason) == (before.status, before.reason)
    if before.status is OrderStatus.COMPLETED:
        await _completed_once(shop, order)
    else:
        _nothing_is_kept(shop, order)


# The orders service has an earlier state of it


async def test_a_record_that_was_restored_to_before_the_end_is_reported_and_brought_up_to_date(
    shop: ShopUnderTest,
) -> None:
    order = sample_order()
    await shop.run(order)
    with closing(Database(shop.settings.url_of("orders"))) as database, database.begin() as tx:
        of_order = orders_table.c.order_id == order.order_id
        tx.execute(update(orders_table).where(of_order).values(status=OrderStatus.IN_PROGRESS))
        tx.execute(delete(operations).where(operations.c.key == f"{order.order_id}:complete"))
        tx.execute(delete(outbox).where(outbox.c.event_id == f"{order.order_id}:complete:OrderCompleted"))
    state = await shop.state(order)
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert "its workflow has ended as completed, and the orders service has not recorded that" in state.problems[0]
    assert await _is_listed(shop, order, OrderStatus.NEEDS_ATTENTION)
    await shop.saga().resolve(order.order_id, RETRY)
    assert (await shop.saga().outcome(order.order_id)).state.status is OrderStatus.COMPLETED
    await _completed_once(shop, order)


async def test_a_record_that_is_lost_is_reported(shop: ShopUnderTest) -> None:
    order = sample_order()
    await shop.run(order)
    with closing(Database(shop.settings.url_of("orders"))) as database, database.begin() as tx:
        of_order = orders_table.c.order_id == order.order_id
        row = dict(tx.execute(select(orders_table).where(of_order)).one()._mapping)
        tx.execute(delete(orders_table).where(of_order))
    state = await shop.state(order)
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert "has lost its record of this order" in state.problems[0]
    assert shop.violations(order) != []
    with pytest.raises(NotNow, match="has lost its record"):
        await shop.saga().resolve(order.order_id, RETRY)
    with closing(Database(shop.settings.url_of("orders"))) as database, database.begin() as tx:
        tx.execute(insert(orders_table), row)
    assert (await shop.state(order)).status is OrderStatus.COMPLETED


async def _terminated_while_shipping(shop: ShopUnderTest) -> Order:
    """It is charged, and its parcel may or may not be booked by the time."""
    order = sample_order("slow-shipping.ship")
    await shop.saga(steps=Steps.QUEUE).place(order)
    await shop.until(order, step_is("shipping.ship", "running"))
    await shop.handle(order).terminate("by mistake")
    return order


async def _forget(shop: ShopUnderTest, order: Order) -> None:
    """As after a restore from a backup, or the namespace's retention."""
    execution = WorkflowExecution(workflow_id=workflow_id(order.order_id))
    request = DeleteWorkflowExecutionRequest(namespace=shop.client.namespace, workflow_execution=execution)
    await shop.client.workflow_service.delete_workflow_execution(request)

    async def is_gone() -> bool:
        return await shop.saga()._lookup.described(order.order_id) is None

    await eventually(is_gone)


async def _reset(shop: ShopUnderTest, order: Order, *, first: bool) -> None:
    """As an operator does in the UI: to one of its workflow tasks."""
    history = await shop.handle(order).fetch_history()
    tasks = [
        event.event_id for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    request = ResetWorkflowExecutionRequest(
        namespace=shop.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id(order.order_id)),
        reason="a test",
        workflow_task_finish_event_id=tasks[0 if first else -1],
        request_id=f"reset-{order.order_id}",
    )
    await shop.client.workflow_service.reset_workflow_execution(request)


async def _is_listed(shop: ShopUnderTest, order: Order, status: OrderStatus | None) -> bool:
    listed = await shop.saga().recent(status, 1000)
    return order.order_id in [one.state.order_id for one in listed if status in (None, one.state.status)]


async def _completed_once(shop: ShopUnderTest, order: Order) -> None:
    books = shop.books(order)
    assert books.status is OrderStatus.COMPLETED
    assert (len(books.charges), books.refunded, books.parcels_booked) == (1, 0, 1)
    assert shop.violations(order) == []


def _nothing_is_kept(shop: ShopUnderTest, order: Order) -> None:
    books = shop.books(order)
    assert books.charged == books.refunded
    assert (books.parcels_booked, books.held) == (0, {})
    assert shop.violations(order) == []
