"""Every way an order can end, seen in the ledgers, on the shelf and with the courier."""

import asyncio
from contextlib import closing

import pytest

from audit.books import OrderBooks, read
from audit.invariants import audit
from client.errors import DifferentContent
from client.order import OrderLine
from kernel.money import Money
from services.orders.contracts import OrderStatus
from services.payments.contracts import ChargeCard
from services.payments.declaration import PAYMENTS
from tests.shop import POLICY, ShopUnderTest, sample_order, step_is, undeliverable
from wiring.services import Services
from workflows import commands
from workflows.contracts import workflow_id

STEPS = ("orders.create", "fraud.screen", "inventory.reserve", "payments.charge", "shipping.ship")
IMPATIENT = POLICY.model_copy(update={"step_deadline": 1.0})

MUGS, TEA = 1200, 2450
TOTAL = 2 * MUGS + TEA


async def test_an_order_is_charged_shipped_and_taken_from_stock_once(shop: ShopUnderTest) -> None:
    order = sample_order()
    state = await shop.run(order)
    books = shop.books(order)
    assert state.status is OrderStatus.COMPLETED
    assert books.charges == [(TOTAL, "EUR")]
    assert books.refunded == 0
    assert books.held == {"mug": 2, "tea-sampler": 1}
    assert books.parcels_booked == 1
    assert shop.violations(order) == []


async def test_a_completed_order_costs_no_more_than_40_events_and_26_transitions(shop: ShopUnderTest) -> None:
    order = sample_order()
    await shop.run(order)
    info = (await shop.handle(order).describe()).raw_description.workflow_execution_info
    assert info.history_length <= 40
    assert info.state_transition_count <= 26


@pytest.mark.parametrize("step", STEPS)
async def test_a_refused_step_rejects_the_order_and_leaves_nothing_behind(shop: ShopUnderTest, step: str) -> None:
    order = sample_order(f"refused-{step}")
    state = await shop.run(order)
    assert state.status is OrderStatus.REJECTED
    assert f"{step} refuses" in state.reason
    await _nothing_is_left(shop, order.order_id)


@pytest.mark.parametrize("step", STEPS)
async def test_an_outage_past_the_deadline_rejects_the_order(shop: ShopUnderTest, step: str) -> None:
    order = sample_order(f"down-{step}")
    state = await shop.run(order, IMPATIENT)
    assert state.status is OrderStatus.REJECTED
    assert state.reason.startswith(f"Outage: no answer from {step} in time")
    await _nothing_is_left(shop, order.order_id)


@pytest.mark.parametrize("step", [*STEPS, "gateway.charge", "courier.book"])
async def test_what_was_done_without_an_answer_until_the_deadline_is_undone(shop: ShopUnderTest, step: str) -> None:
    order = sample_order(f"lost-always-{step}")
    state = await shop.run(order, IMPATIENT)
    assert state.status is OrderStatus.REJECTED
    await _nothing_is_left(shop, order.order_id)


async def test_a_lost_reply_or_a_short_outage_of_any_step_changes_nothing(shop: ShopUnderTest) -> None:
    operations = (*STEPS, "orders.complete", "gateway.charge", "courier.book")
    orders = [sample_order(f"{fault}-{step}") for step in operations for fault in ("lost", "down-twice")]
    states = await asyncio.gather(*(shop.run(order) for order in orders))
    for order, state in zip(orders, states, strict=True):
        assert state.status is OrderStatus.COMPLETED, order.order_id
        assert shop.books(order).charges == [(TOTAL, "EUR")], order.order_id
        assert shop.books(order).parcels_booked == 1, order.order_id
        assert shop.violations(order) == []


async def test_a_retry_of_a_charge_is_not_a_second_charge(shop: ShopUnderTest) -> None:
    order = sample_order("lost-payments.charge")
    await shop.run(order, IMPATIENT)
    assert shop.books(order).charges == [(TOTAL, "EUR")]


async def test_an_undo_is_retried_until_done_and_done_once(shop: ShopUnderTest) -> None:
    undos = ("payments.refund", "inventory.release", "orders.reject", "gateway.reverse")
    orders = [sample_order(f"{fault}-{undo}", **undeliverable()) for undo in undos for fault in ("lost", "down-twice")]
    states = await asyncio.gather(*(shop.run(order) for order in orders))
    for order, state in zip(orders, states, strict=True):
        assert state.status is OrderStatus.REJECTED, order.order_id
        assert shop.books(order).refunded == TOTAL, order.order_id
        await _nothing_is_left(shop, order.order_id)


async def test_undos_run_newest_first(shop: ShopUnderTest) -> None:
    order = sample_order(**undeliverable())
    await shop.run(order)
    started = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in shop.handle(order).fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert started[-3:] == ["payments.refund", "inventory.release", "orders.reject"]


async def test_a_declined_card_releases_the_stock(shop: ShopUnderTest) -> None:
    order = sample_order(payment_token="tok_chargeDeclinedInsufficientFunds")
    state = await shop.run(order)
    assert state.reason == "PaymentDeclined: the card has insufficient funds"
    assert not step_is("payments.refund", "undone")(state)  # the gateway's own word: there is nothing to refund
    await _nothing_is_left(shop, order.order_id)


async def test_an_unknown_product_rejects_the_order(shop: ShopUnderTest) -> None:
    state = await shop.run(sample_order(lines=(OrderLine(sku="unicorn", quantity=1),)))
    assert state.status is OrderStatus.REJECTED
    assert state.reason == "UnknownSku: not in the catalogue: unicorn"


async def test_the_last_piece_is_sold_once(shop: ShopUnderTest) -> None:
    orders = [sample_order(lines=(OrderLine(sku="last-kettle", quantity=1),)) for _ in range(8)]
    states = await asyncio.gather(*(shop.run(order) for order in orders))
    assert sorted(state.status for state in states) == [OrderStatus.COMPLETED] + [OrderStatus.REJECTED] * 7
    assert shop.violations(orders[0]) == []


async def test_placing_an_order_twice_is_placing_it_once(shop: ShopUnderTest) -> None:
    order = sample_order()
    states = await asyncio.gather(*(shop.run(order) for _ in range(5)))
    assert len({state.model_dump_json() for state in states}) == 1
    assert shop.books(order).charges == [(TOTAL, "EUR")]


async def test_an_order_id_with_another_content_is_refused(shop: ShopUnderTest) -> None:
    order = sample_order()
    await shop.run(order)
    lines = (OrderLine(sku="mug", quantity=3), *order.lines[1:])
    other = order.model_copy(update={"payment_token": "tok_mastercard", "lines": lines})
    with pytest.raises(DifferentContent, match="exists already, with another card and quantity of mug;"):
        await shop.saga().place(other)
    assert shop.books(order).charges == [(TOTAL, "EUR")]


async def test_a_charge_under_our_key_with_another_content_is_refunded(shop: ShopUnderTest) -> None:
    """As after a deployment between the charge and its retry that changed what the command holds."""
    order = sample_order()
    earlier = ChargeCard(
        key=f"{order.order_id}:charge",
        order_id=order.order_id,
        amount=Money(amount=100, currency="EUR"),
        payment_token="tok_visa",
    )
    with closing(Services(shop.settings)) as before_deployment:
        charge, _ = before_deployment.activities(PAYMENTS)
        charge(earlier)
    state = await shop.run(order)
    assert state.reason.startswith("KeyReused")
    assert shop.books(order).refunded == 100
    await _nothing_is_left(shop, order.order_id)


async def test_two_steps_side_by_side_that_both_fail_leave_nothing(shop: ShopUnderTest) -> None:
    """Fraud refuses while inventory is down: the retries stop, and the undo follows."""
    order = sample_order("down-inventory.reserve", lines=(OrderLine(sku="roaster", quantity=1),))
    state = await shop.run(order)
    assert state.reason == "FraudConfirmed: score 100: huge amount"
    assert step_is("inventory.release", "undone")(state)
    await _nothing_is_left(shop, order.order_id)


async def test_search_attributes_show_how_an_order_ended(shop: ShopUnderTest) -> None:
    order = sample_order(payment_token="tok_chargeDeclined")
    await shop.run(order)
    query = (
        f'WorkflowId = "{workflow_id(order.order_id)}" AND OrderStatus = "rejected" AND OrderReason = "PaymentDeclined"'
    )
    async with asyncio.timeout(20):
        while (await shop.client.count_workflows(query)).count != 1:
            await asyncio.sleep(0.05)


async def test_a_bug_in_the_workflow_refunds_nothing_and_goes_on_once_mended(
    shop: ShopUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, calls = commands.ship, 0

    def buggy(order: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise TypeError("a bug")
        return good(order)  # type: ignore[arg-type] # stands in for the real one

    monkeypatch.setattr(commands, "ship", buggy)
    order = sample_order()
    state = await shop.run(order)
    assert calls > 1
    assert state.status is OrderStatus.COMPLETED
    assert shop.books(order).refunded == 0


async def _nothing_is_left(shop: ShopUnderTest, order_id: str) -> None:
    books = read(shop.settings).orders.get(order_id, OrderBooks())
    assert books.charged == books.refunded
    assert books.held == {}
    assert books.parcels_booked == 0
    assert [v for v in audit(shop.settings).violations if v.order_id in ("", order_id)] == []
