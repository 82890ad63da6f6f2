"""A possible fraud is held for a person, and nothing is charged or shipped meanwhile."""

from typing import Any

import pytest

from client.contracts import OrderState, Review, Stage
from client.errors import NotNow
from client.order import Order, OrderLine
from kernel.contracts import Steps
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from tests.shop import ShopUnderTest, sample_order

SUSPICIOUS: dict[str, Any] = {"lines": (OrderLine(sku="espresso-machine", quantity=1),)}


@pytest.fixture
async def held(shop: ShopUnderTest) -> Order:
    order = sample_order(**SUSPICIOUS)
    state = await shop.run(order)
    assert state.stage is Stage.REVIEW
    assert state.status is OrderStatus.IN_PROGRESS
    assert state.reason == "PossibleFraud: large amount (score 50)"
    assert shop.books(order).charges == []
    return order


async def test_an_approved_order_is_charged_and_shipped(shop: ShopUnderTest, held: Order) -> None:
    state = await _reviewed(shop, held, Decision.APPROVE)
    assert state.status is OrderStatus.COMPLETED
    assert state.reason == ""
    assert shop.books(held).charges == [(129_900, "EUR")]
    assert shop.violations(held) == []


async def test_a_declined_order_is_undone(shop: ShopUnderTest, held: Order) -> None:
    state = await _reviewed(shop, held, Decision.DECLINE)
    assert state.status is OrderStatus.REJECTED
    assert state.reason == "FraudConfirmed: declined in review: as seen by a person"
    assert shop.books(held).held == {}
    assert shop.violations(held) == []


async def test_a_held_order_can_be_cancelled(shop: ShopUnderTest, held: Order) -> None:
    await shop.saga().cancel(held.order_id, "took too long")
    state = await shop.handle(held).result()
    assert state.status is OrderStatus.CANCELLED
    assert shop.books(held).held == {}
    assert shop.violations(held) == []


async def test_only_a_held_order_can_be_reviewed(shop: ShopUnderTest) -> None:
    order = sample_order("slow-shipping.ship")
    await shop.saga(steps=Steps.QUEUE).place(order)
    with pytest.raises(NotNow, match="not held for review"):
        await shop.saga().review(order.order_id, Review(decision=Decision.APPROVE))
    await shop.handle(order).result()


async def test_a_confirmed_fraud_is_not_held(shop: ShopUnderTest) -> None:
    order = sample_order(lines=(OrderLine(sku="roaster", quantity=1),))
    state = await shop.run(order)
    assert state.status is OrderStatus.REJECTED
    assert state.reason == "FraudConfirmed: score 100: huge amount"
    assert shop.violations(order) == []


async def _reviewed(shop: ShopUnderTest, order: Order, decision: Decision) -> OrderState:
    await shop.saga().review(order.order_id, Review(decision=decision, note="as seen by a person"))
    return (await shop.saga().outcome(order.order_id)).state
