"""An undo that cannot be done: the others go on, and an operator has a way out."""

import pytest

from audit.invariants import audit
from client.contracts import OrderState, Resolution, ResolveBy, Stage
from client.errors import NotNow
from client.order import Order
from kernel.contracts import Steps
from services.orders.contracts import OrderStatus
from tests.shop import POLICY, ShopUnderTest, sample_order, step_is, undeliverable

RETRY = Resolution(decision=ResolveBy.RETRY, note="the processor is back")
BY_HAND = Resolution(decision=ResolveBy.RESOLVED, note="refunded by bank transfer")


async def test_a_refused_refund_does_not_stop_the_other_undos(shop: ShopUnderTest) -> None:
    order = sample_order("refused-payments.refund", **undeliverable())
    state = await shop.run(order)
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert state.reason == "Undeliverable: no courier goes to AQ"
    assert state.problems == ("payments.refund: CannotUndo: payments.refund refuses",)
    assert step_is("inventory.release", "undone")(state)
    assert shop.books(order).status is OrderStatus.NEEDS_ATTENTION
    assert shop.books(order).held == {}

    state = await _resolved(shop, order, RETRY)
    assert state.status is OrderStatus.REJECTED
    assert shop.books(order).charged == shop.books(order).refunded
    assert shop.violations(order) == []


async def test_an_undo_that_stays_impossible_is_settled_by_hand(shop: ShopUnderTest) -> None:
    order = sample_order("refused-always-payments.refund", **undeliverable())
    await shop.run(order)
    state = await _resolved(shop, order, RETRY)
    assert state.status is OrderStatus.NEEDS_ATTENTION

    state = await _resolved(shop, order, BY_HAND)
    assert state.status is OrderStatus.REJECTED
    assert step_is("payments.refund", "settled by hand")(state)
    assert shop.violations(order) == []
    assert audit(shop.settings).settled_by_hand[order.order_id].endswith("refunded by bank transfer")
    assert "refunded by bank transfer" in str((await shop.handle(order).fetch_history()).events)


async def test_every_undo_that_fails_is_named(shop: ShopUnderTest) -> None:
    order = sample_order("two-undos-refused", **undeliverable())
    state = await shop.run(order)
    assert [problem.partition(":")[0] for problem in state.problems] == ["payments.refund", "inventory.release"]
    state = await _resolved(shop, order, RETRY)
    assert state.status is OrderStatus.REJECTED
    assert shop.violations(order) == []


async def test_an_undo_past_its_deadline_needs_attention(shop: ShopUnderTest) -> None:
    order = sample_order("down-inventory.release", **undeliverable())
    state = await shop.run(order, POLICY.model_copy(update={"undo_deadline": 1.0}))
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert "Outage: no answer from inventory.release in time" in state.problems[0]
    assert shop.books(order).charged == shop.books(order).refunded


async def test_a_step_past_the_pivot_is_never_undone(shop: ShopUnderTest) -> None:
    order = sample_order("refused-orders.complete")
    state = await shop.run(order)
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert shop.books(order).parcels_booked == 1
    state = await _resolved(shop, order, RETRY)
    assert state.status is OrderStatus.COMPLETED
    assert shop.violations(order) == []


async def test_an_order_without_problems_cannot_be_resolved(shop: ShopUnderTest) -> None:
    order = sample_order("slow-shipping.ship")
    await shop.saga(steps=Steps.QUEUE).place(order)
    with pytest.raises(NotNow, match="does not need attention"):
        await shop.saga().resolve(order.order_id, RETRY)
    await shop.handle(order).result()


async def test_settling_by_hand_needs_a_note(shop: ShopUnderTest) -> None:
    order = sample_order("refused-payments.refund", **undeliverable())
    await shop.run(order)
    with pytest.raises(NotNow, match="a note is required"):
        await shop.saga().resolve(order.order_id, Resolution(decision=ResolveBy.RESOLVED))
    assert (await _resolved(shop, order, RETRY)).status is OrderStatus.REJECTED


async def test_a_cancel_cannot_end_the_waiting_for_an_operator(shop: ShopUnderTest) -> None:
    order = sample_order("refused-payments.refund", **undeliverable())
    await shop.run(order)
    await shop.handle(order).cancel()
    with pytest.raises(NotNow, match="being undone already"):
        await shop.saga().cancel(order.order_id, "")
    assert (await shop.state(order)).stage is Stage.ATTENTION
    assert (await _resolved(shop, order, RETRY)).status is OrderStatus.REJECTED


async def _resolved(shop: ShopUnderTest, order: Order, resolution: Resolution) -> OrderState:
    await shop.saga().resolve(order.order_id, resolution)
    return (await shop.saga().outcome(order.order_id)).state


async def test_an_operator_is_called_before_the_other_undos_are_done(shop: ShopUnderTest) -> None:
    """The first problem is shown before the last undo gave up; a decision is for all that is stuck."""
    order = sample_order("refused-and-down", **undeliverable())
    await shop.saga().place(order)
    state = await shop.until(order, lambda state: state.status is OrderStatus.NEEDS_ATTENTION)
    assert state.stage is Stage.UNDOING
    with pytest.raises(NotNow, match="still being retried"):
        await shop.saga().resolve(order.order_id, BY_HAND)
    await shop.saga().outcome(order.order_id)
    assert (await _resolved(shop, order, RETRY)).status is OrderStatus.REJECTED
    assert shop.violations(order) == []


async def test_one_of_two_is_settled_by_hand_and_the_other_retried(shop: ShopUnderTest) -> None:
    """What was refunded by hand is not refunded again."""
    order = sample_order("two-undos-refused", **undeliverable())
    await shop.run(order)
    with pytest.raises(NotNow, match=r"shipping\.cancel is not stuck"):
        await shop.saga().resolve(order.order_id, RETRY.model_copy(update={"step": "shipping.cancel"}))
    state = await _resolved(shop, order, BY_HAND.model_copy(update={"step": "payments.refund"}))
    assert state.status is OrderStatus.NEEDS_ATTENTION
    assert state.problems == ("inventory.release: CannotUndo: inventory.release refuses",)
    assert (await _resolved(shop, order, RETRY)).status is OrderStatus.REJECTED
    assert shop.books(order).held == {}
    assert shop.books(order).refunded == 0
    assert audit(shop.settings).settled_by_hand[order.order_id].startswith("payments.refund: CannotUndo")


async def test_the_record_of_a_problem_does_not_hold_up_the_undos(shop: ShopUnderTest) -> None:
    """The orders service takes no note of it, for as long as an undo is retried; the other undos are done meanwhile."""
    order = sample_order("refused-and-unflagged", **undeliverable())
    await shop.saga(POLICY.model_copy(update={"undo_deadline": 6.0})).place(order)
    state = await shop.until(order, lambda state: state.stage is Stage.ATTENTION)
    assert not step_is("orders.flag", "failed")(state)
    assert step_is("orders.reject", "undone")(state)
    assert shop.books(order).held == {}
    assert (await _resolved(shop, order, RETRY)).status is OrderStatus.REJECTED
    assert step_is("orders.flag", "failed")(await shop.state(order))


async def test_a_script_that_keeps_retrying_leaves_room_for_an_operator(
    shop: ShopUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workflow takes 2,000 updates; one that is refused is none of them."""
    monkeypatch.setattr("workflows.update_checks.MOST_RETRIES", 2)
    order = sample_order("refused-always-payments.refund", **undeliverable())
    await shop.run(order)
    for _ in range(2):
        assert (await _resolved(shop, order, RETRY)).status is OrderStatus.NEEDS_ATTENTION
    with pytest.raises(NotNow, match="settle it by hand"):
        await shop.saga().resolve(order.order_id, RETRY)
    assert (await _resolved(shop, order, BY_HAND)).status is OrderStatus.REJECTED
