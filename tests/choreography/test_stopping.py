"""What stops an order that nobody conducts: its customer, a reviewer, an operator's turn, and the clock."""

from pathlib import Path
from typing import Any

import pytest

from audit.invariants import audit
from choreography.events import CancelRequested
from client.contracts import OrderState, Resolution, ResolveBy, Review, Stage
from client.errors import NotNow
from client.order import Order, OrderLine
from kernel.contracts import Style
from kernel.envelope import new_event
from lab.settings import LabSettings
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from tests.choreographed import ChoreographedShop, clients_of, open_shop
from tests.choreography.conftest import IMPATIENT, PATIENT
from tests.choreography.test_orders import TOTAL, nothing_is_left
from tests.shop import sample_order, step_is, undeliverable

STEPS = ("orders.create", "fraud.screen", "inventory.reserve", "payments.charge", "shipping.ship")
SUSPICIOUS: dict[str, Any] = {"lines": (OrderLine(sku="espresso-machine", quantity=1),)}
RETRY = Resolution(decision=ResolveBy.RETRY, note="the processor is back")
BY_HAND = Resolution(decision=ResolveBy.RESOLVED, note="refunded by bank transfer")


# The customer


@pytest.mark.parametrize("step", STEPS)
async def test_cancelled_while_a_step_is_retried_in_an_outage(choreographed: ChoreographedShop, step: str) -> None:
    """The retries give way at once; nobody waits for the step's deadline."""
    order = sample_order(f"down-{step}")
    await choreographed.client.place(order)
    await choreographed.client.cancel(order.order_id, "changed my mind")
    state = await choreographed.rest(order)
    assert state.status is OrderStatus.CANCELLED
    assert state.reason == "Cancelled by the customer: changed my mind"
    nothing_is_left(choreographed, order)


@pytest.mark.parametrize("step", STEPS)
async def test_cancelled_while_a_step_takes_effect(choreographed: ChoreographedShop, step: str) -> None:
    """The undo waits for its step; of the shipment, which is the pivot, it may come too late."""
    order = sample_order(f"slow-{step}")
    await choreographed.client.place(order)
    try:
        await choreographed.client.cancel(order.order_id, "")
    except NotNow as refusal:
        assert "too late" in str(refusal)  # noqa: PT017 - either outcome is right, and each is looked at
        assert (await choreographed.rest(order)).status is OrderStatus.COMPLETED
        assert choreographed.books(order).charges == [(TOTAL, "EUR")]
        assert choreographed.violations(order) == []
    else:
        assert (await choreographed.rest(order)).status is OrderStatus.CANCELLED
        nothing_is_left(choreographed, order)


async def test_past_the_pivot_it_is_too_late(choreographed: ChoreographedShop) -> None:
    order = sample_order("slow-orders.complete")
    await choreographed.client.place(order)
    await choreographed.until(order, step_is("shipping.ship", "done"))
    with pytest.raises(NotNow, match="too late to cancel: the parcel is on its way"):
        await choreographed.client.cancel(order.order_id, "")
    assert (await choreographed.rest(order)).status is OrderStatus.COMPLETED
    assert choreographed.violations(order) == []


async def test_a_cancel_that_reaches_shipping_too_late_changes_nothing(choreographed: ChoreographedShop) -> None:
    """Published without looking first."""
    order = sample_order()
    await choreographed.run(order)
    late = new_event(
        CancelRequested.type(),
        {"reason": ""},
        event_id=f"{order.order_id}:late",
        source="/customer",
        correlation=order.order_id,
        causation="/customer",
        style=Style.CHOREOGRAPHY,
    )
    await choreographed.eventing.bus.append([late])
    await choreographed.received("shipping", late.id)
    assert choreographed.books(order).parcels_booked == 1
    assert choreographed.violations(order) == []


@pytest.mark.parametrize("undo", ["payments.refund", "inventory.release", "orders.reject"])
async def test_undoing_is_not_interrupted_by_a_cancel(choreographed: ChoreographedShop, undo: str) -> None:
    order = sample_order(f"down-twice-{undo}", **undeliverable())
    await choreographed.client.place(order)
    await choreographed.until(order, lambda state: state.stage is not Stage.PROCESSING)
    with pytest.raises(NotNow):
        await choreographed.client.cancel(order.order_id, "")
    state = await choreographed.rest(order)
    assert state.status is OrderStatus.REJECTED
    assert state.reason.startswith("Undeliverable")
    nothing_is_left(choreographed, order)


# A reviewer


@pytest.fixture
async def held(choreographed: ChoreographedShop) -> Order:
    order = sample_order(**SUSPICIOUS)
    state = await choreographed.run(order)
    assert state.stage is Stage.REVIEW
    assert state.status is OrderStatus.IN_PROGRESS
    assert state.reason == "PossibleFraud: large amount (score 50)"
    assert choreographed.books(order).parcels_booked == 0
    return order


async def test_an_approved_order_is_shipped(choreographed: ChoreographedShop, held: Order) -> None:
    state = await _reviewed(choreographed, held, Decision.APPROVE)
    assert state.status is OrderStatus.COMPLETED
    assert choreographed.books(held).charges == [(129_900, "EUR")]
    assert choreographed.violations(held) == []


async def test_a_declined_order_is_undone(choreographed: ChoreographedShop, held: Order) -> None:
    state = await _reviewed(choreographed, held, Decision.DECLINE)
    assert state.status is OrderStatus.REJECTED
    assert state.reason == "FraudConfirmed: declined in review: as seen by a person"
    nothing_is_left(choreographed, held)


async def test_a_held_order_can_be_cancelled(choreographed: ChoreographedShop, held: Order) -> None:
    await choreographed.client.cancel(held.order_id, "took too long")
    assert (await choreographed.rest(held)).status is OrderStatus.CANCELLED
    nothing_is_left(choreographed, held)


async def test_only_a_held_order_can_be_reviewed(choreographed: ChoreographedShop) -> None:
    order = sample_order("slow-shipping.ship")
    await choreographed.client.place(order)
    with pytest.raises(NotNow, match="not held for review"):
        await choreographed.client.review(order.order_id, Review(decision=Decision.APPROVE))
    await choreographed.rest(order)


async def test_nobody_decides_so_the_deadline_declines(impatient: ChoreographedShop) -> None:
    order = sample_order(**SUSPICIOUS)
    await impatient.client.place(order)
    state = await impatient.until(order, lambda state: state.stage is Stage.ENDED)
    assert state.status is OrderStatus.REJECTED
    assert "nobody decided within" in state.reason
    nothing_is_left(impatient, order)


# An operator


async def test_a_refused_refund_does_not_stop_the_other_undos(choreographed: ChoreographedShop) -> None:
    order = sample_order("refused-payments.refund", **undeliverable())
    await choreographed.client.place(order)
    state = await choreographed.until(order, step_is("inventory.release", "undone"))
    state = await choreographed.until(order, lambda state: bool(state.problems))
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert state.reason == "Undeliverable: no courier goes to AQ"
    assert state.problems == ("payments.refund: CannotUndo: payments.refund refuses",)
    assert choreographed.books(order).held == {}
    await choreographed.until(order, lambda _: choreographed.books(order).status is OrderStatus.NEEDS_ATTENTION)

    state = await _resolved(choreographed, order, RETRY)
    assert state.status is OrderStatus.REJECTED
    assert choreographed.books(order).status is OrderStatus.REJECTED
    nothing_is_left(choreographed, order)


async def test_an_undo_that_stays_impossible_is_settled_by_hand(choreographed: ChoreographedShop) -> None:
    order = sample_order("refused-always-payments.refund", **undeliverable())
    await choreographed.run(order)
    await choreographed.client.resolve(order.order_id, RETRY)
    await choreographed.until(order, lambda state: not state.problems)
    await choreographed.until(order, lambda state: bool(state.problems))

    state = await _resolved(choreographed, order, BY_HAND)
    assert state.status is OrderStatus.REJECTED
    [refund] = [report for report in state.steps if report.step == "payments.refund"]
    assert (refund.state, refund.detail) == ("settled by hand", BY_HAND.note)
    assert choreographed.violations(order) == []
    assert audit(choreographed.settings).settled_by_hand[order.order_id].endswith("refunded by bank transfer")


async def test_every_undo_that_fails_is_named(choreographed: ChoreographedShop) -> None:
    order = sample_order("two-undos-refused", **undeliverable())
    await choreographed.client.place(order)
    state = await choreographed.until(order, lambda state: len(state.problems) == 2)
    assert {problem.partition(":")[0] for problem in state.problems} == {"payments.refund", "inventory.release"}
    state = await _resolved(choreographed, order, RETRY)
    assert state.status is OrderStatus.REJECTED
    nothing_is_left(choreographed, order)


async def test_a_step_past_the_pivot_is_never_undone(choreographed: ChoreographedShop) -> None:
    order = sample_order("refused-orders.complete")
    state = await choreographed.run(order)
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert choreographed.books(order).parcels_booked == 1
    state = await _resolved(choreographed, order, RETRY)
    assert state.status is OrderStatus.COMPLETED
    assert choreographed.violations(order) == []


async def test_an_order_without_problems_cannot_be_resolved(choreographed: ChoreographedShop) -> None:
    order = sample_order("slow-shipping.ship")
    await choreographed.client.place(order)
    with pytest.raises(NotNow, match="does not need attention"):
        await choreographed.client.resolve(order.order_id, RETRY)
    await choreographed.rest(order)


# The clock


async def test_an_order_that_nobody_moves_is_found_by_the_deadline(tmp_path: Path) -> None:
    """A service lost its line of the table: the order stalls with the stock held, and does not stay so."""
    settings = LabSettings(data_dir=tmp_path, policy=IMPATIENT)
    order = sample_order()
    async with open_shop(settings, but_for=("payments.charge",)) as shop:
        await shop.client.place(order)
        state = await shop.until(order, lambda state: state.stage is Stage.ENDED)
    assert state.status is OrderStatus.REJECTED
    assert "nothing happened" in state.reason
    nothing_is_left(shop, order)


async def test_a_missing_compensation_is_found_by_the_deadline_and_reported_to_an_operator(tmp_path: Path) -> None:
    settings = LabSettings(data_dir=tmp_path, policy=IMPATIENT.model_copy(update={"undo_deadline": 1.0}))
    order = sample_order(payment_token="tok_chargeDeclined")
    async with open_shop(settings, but_for=("inventory.release",)) as shop:
        await shop.client.place(order)
        state = await shop.until(order, lambda state: state.status is OrderStatus.NEEDS_ATTENTION)
        assert state.problems[0].startswith("nothing happened for 0:00:01 after ")  # fraud may answer after payments
        assert shop.books(order).held == {"mug": 2, "tea-sampler": 1}
        with pytest.raises(NotNow, match="no service has failed"):
            await shop.client.resolve(order.order_id, RETRY)
        state = await _resolved(shop, order, BY_HAND)
        assert state.status is OrderStatus.REJECTED
        await shop.until(order, lambda _: shop.books(order).settled_by_hand.endswith("bank transfer"))
    assert shop.violations(order) == []


async def test_an_order_waits_for_a_service_that_is_away_and_goes_on(tmp_path: Path) -> None:
    settings = LabSettings(data_dir=tmp_path, policy=PATIENT)
    order = sample_order()
    async with open_shop(settings, ("relay",)) as shop:
        await shop.client.place(order)
    async with clients_of(settings) as clients:
        assert (await clients.client.get(order.order_id)).state.status is OrderStatus.IN_PROGRESS
    async with open_shop(settings) as shop:
        assert (await shop.rest(order)).status is OrderStatus.COMPLETED


async def _reviewed(shop: ChoreographedShop, order: Order, decision: Decision) -> OrderState:
    await shop.client.review(order.order_id, Review(decision=decision, note="as seen by a person"))
    return await shop.until(order, lambda state: state.stage is Stage.ENDED)


async def _resolved(shop: ChoreographedShop, order: Order, resolution: Resolution) -> OrderState:
    await shop.client.resolve(order.order_id, resolution)
    return await shop.until(order, lambda state: state.stage is Stage.ENDED)
