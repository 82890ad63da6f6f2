"""Every way an order can end on events alone: the cases of tests/workflows/test_order_saga.py, and its books."""

import asyncio

import pytest

from choreography.reactions import REACTIONS, UNDONE
from client.errors import DifferentContent
from client.order import Order, OrderLine
from kernel.service import Kind
from services.orders.contracts import OrderStatus
from tests.choreographed import ChoreographedShop
from tests.shop import sample_order, step_is, undeliverable

STEPS = ("orders.create", "fraud.screen", "inventory.reserve", "payments.charge", "shipping.ship")
TOTAL = 4850


async def test_an_order_is_charged_shipped_and_taken_from_stock_once(choreographed: ChoreographedShop) -> None:
    order = sample_order()
    state = await choreographed.run(order)
    books = choreographed.books(order)
    assert state.status is OrderStatus.COMPLETED
    assert books.charges == [(TOTAL, "EUR")]
    assert books.refunded == 0
    assert books.held == {"mug": 2, "tea-sampler": 1}
    assert books.parcels_booked == 1
    assert choreographed.violations(order) == []


async def test_each_service_speaks_once_and_nobody_else(choreographed: ChoreographedShop) -> None:
    order = sample_order()
    await choreographed.run(order)
    done = {line.operation.publishes[0].type() for line in REACTIONS if line.kind in (Kind.STEP, Kind.FORWARD)}
    assert done >= {"NoFraudDetected", "OrderCompleted", "PaymentProcessed", "Shipped", "StockReserved"}
    assert sorted(await choreographed.types(order)) == sorted({"OrderPlaced", *done})


@pytest.mark.parametrize("step", STEPS)
async def test_a_refused_step_rejects_the_order_and_leaves_nothing_behind(
    choreographed: ChoreographedShop, step: str
) -> None:
    order = sample_order(f"refused-{step}")
    state = await choreographed.run(order)
    assert state.status is OrderStatus.REJECTED
    assert f"{step} refuses" in state.reason
    nothing_is_left(choreographed, order)


@pytest.mark.parametrize("step", STEPS)
async def test_an_outage_past_the_deadline_rejects_the_order(impatient: ChoreographedShop, step: str) -> None:
    order = sample_order(f"down-{step}")
    state = await impatient.run(order)
    assert state.status is OrderStatus.REJECTED
    assert state.reason.startswith("Outage: ")
    nothing_is_left(impatient, order)


@pytest.mark.parametrize("step", [*STEPS, "gateway.charge", "courier.book"])
async def test_what_was_done_without_an_answer_until_the_deadline_is_settled(
    impatient: ChoreographedShop, step: str
) -> None:
    """A service knows what it did, also when the reply is lost; of a company that never answers, it does not."""
    order = sample_order(f"lost-always-{step}")
    state = await impatient.run(order)
    if "." in step and step.partition(".")[0] in ("gateway", "courier"):
        assert state.status is OrderStatus.REJECTED
        nothing_is_left(impatient, order)
    else:
        assert state.status is OrderStatus.COMPLETED
        assert impatient.books(order).charges == [(TOTAL, "EUR")]
    assert impatient.violations(order) == []


async def test_a_lost_reply_or_a_short_outage_of_any_step_changes_nothing(choreographed: ChoreographedShop) -> None:
    operations = (*STEPS, "orders.complete", "gateway.charge", "courier.book")
    orders = [sample_order(f"{fault}-{step}") for step in operations for fault in ("lost", "down-twice")]
    states = await asyncio.gather(*(choreographed.run(order) for order in orders))
    for order, state in zip(orders, states, strict=True):
        assert state.status is OrderStatus.COMPLETED, order.order_id
        assert choreographed.books(order).charges == [(TOTAL, "EUR")], order.order_id
        assert choreographed.books(order).parcels_booked == 1, order.order_id
        assert choreographed.violations(order) == []


async def test_an_undo_is_retried_until_done_and_done_once(choreographed: ChoreographedShop) -> None:
    undos = ("payments.refund", "inventory.release", "orders.reject", "gateway.reverse")
    orders = [sample_order(f"{fault}-{undo}", **undeliverable()) for undo in undos for fault in ("lost", "down-twice")]
    states = await asyncio.gather(*(choreographed.run(order) for order in orders))
    for order, state in zip(orders, states, strict=True):
        assert state.status is OrderStatus.REJECTED, order.order_id
        assert choreographed.books(order).refunded == TOTAL, order.order_id
        nothing_is_left(choreographed, order)


async def test_an_order_ends_only_when_nothing_is_left_of_it(choreographed: ChoreographedShop) -> None:
    order = sample_order(**undeliverable())
    await choreographed.run(order)
    types = await choreographed.types(order)
    assert types[-1] == "OrderRejected"
    assert {"PaymentRefunded", "StockReleased"} <= {event.type() for event in UNDONE}
    assert sorted(types[-1 - len(UNDONE) : -1]) == sorted(event.type() for event in UNDONE)


async def test_a_declined_card_releases_the_stock(choreographed: ChoreographedShop) -> None:
    order = sample_order(payment_token="tok_chargeDeclinedInsufficientFunds")
    state = await choreographed.run(order)
    assert state.reason == "PaymentDeclined: the card has insufficient funds"
    assert not step_is("payments.refund", "undone")(state)
    nothing_is_left(choreographed, order)


async def test_an_unknown_product_rejects_the_order(choreographed: ChoreographedShop) -> None:
    state = await choreographed.run(sample_order(lines=(OrderLine(sku="unicorn", quantity=1),)))
    assert state.status is OrderStatus.REJECTED
    assert state.reason == "UnknownSku: not in the catalogue: unicorn"


async def test_the_last_piece_is_sold_once(choreographed: ChoreographedShop) -> None:
    orders = [sample_order(lines=(OrderLine(sku="last-kettle", quantity=1),)) for _ in range(8)]
    states = await asyncio.gather(*(choreographed.run(order) for order in orders))
    assert sorted(state.status for state in states) == [OrderStatus.COMPLETED] + [OrderStatus.REJECTED] * 7
    assert choreographed.violations(orders[0]) == []


async def test_placing_an_order_twice_is_placing_it_once(choreographed: ChoreographedShop) -> None:
    order = sample_order()
    states = await asyncio.gather(*(choreographed.run(order) for _ in range(5)))
    assert len({state.model_dump_json() for state in states}) == 1
    assert choreographed.books(order).charges == [(TOTAL, "EUR")]


async def test_an_order_id_with_another_content_is_refused(choreographed: ChoreographedShop) -> None:
    order = sample_order()
    await choreographed.run(order)
    lines = (OrderLine(sku="mug", quantity=3), *order.lines[1:])
    other = order.model_copy(update={"payment_token": "tok_mastercard", "lines": lines})
    with pytest.raises(DifferentContent, match="exists already, with another card and quantity of mug;"):
        await choreographed.client.place(other)
    assert choreographed.books(order).charges == [(TOTAL, "EUR")]


async def test_two_steps_that_both_fail_leave_nothing(choreographed: ChoreographedShop) -> None:
    """Fraud refuses while inventory is down: the retries give way to the undo."""
    order = sample_order("down-inventory.reserve", lines=(OrderLine(sku="roaster", quantity=1),))
    state = await choreographed.run(order)
    assert state.reason == "FraudConfirmed: score 100: huge amount"
    nothing_is_left(choreographed, order)


def nothing_is_left(shop: ChoreographedShop, order: Order) -> None:
    books = shop.books(order)
    assert books.charged == books.refunded
    assert books.held == {}
    assert books.parcels_booked == 0
    assert shop.violations(order) == []
