"""The newest orders are those that were placed last, whether or not an older one is still open."""

from client.order import OrderLine
from services.orders.contracts import OrderStatus
from tests.shop import ShopUnderTest, eventually, sample_order
from workflows.contracts import order_id_of
from workflows.newest import newest
from workflows.visibility import OF_ORDERS

HELD = (OrderLine(sku="espresso-machine", quantity=1),)


async def test_an_open_order_is_no_newer_than_one_that_was_placed_later(shop: ShopUnderTest) -> None:
    held, completed, last = sample_order(lines=HELD), sample_order(), sample_order()
    assert (await shop.run(held)).status is OrderStatus.IN_PROGRESS
    assert (await shop.run(completed)).status is OrderStatus.COMPLETED
    assert (await shop.run(last)).status is OrderStatus.COMPLETED

    async def listed(limit: int) -> list[str]:
        return [one.state.order_id for one in await shop.saga().recent(None, limit)]

    async def indexed(limit: int) -> list[str]:
        """By the server alone: a shop may have lost its records."""
        return [order_id_of(one.id) for one in await newest(shop.client, OF_ORDERS, limit)]

    async def has_ended() -> bool:
        return [one.state.status for one in await shop.saga().recent(None, 1)] == [OrderStatus.COMPLETED]

    await eventually(has_ended)  # the index follows in a moment
    for look in (listed, indexed):
        assert await look(1) == [last.order_id]
        assert await look(3) == [last.order_id, completed.order_id, held.order_id]
