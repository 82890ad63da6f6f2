"""A workflow whose task fails again and again needs attention, and everybody who looks sees why."""

import pytest

from services.orders.contracts import OrderStatus
from services.shipping.contracts import Booked
from tests.shop import ShopUnderTest, eventually, sample_order


async def test_a_reply_that_this_version_cannot_read_needs_attention_with_its_reason(
    shop: ShopUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the saga's worker knows a required field that shipping's worker does not send."""

    def unreadable(*_: object, **__: object) -> Booked:
        raise ValueError("carrier: Field required")

    order = sample_order("lost-reply-of-another-version")
    with monkeypatch.context() as patch:
        patch.setattr("workflows.commands.ship", unreadable)
        state = await shop.run(order)
        assert state.status is OrderStatus.NEEDS_ATTENTION
        assert "carrier: Field required" in state.reason
        [listed] = [one.state for one in await shop.saga().recent(None, 20) if one.state.order_id == order.order_id]
        assert (listed.status, listed.reason) == (state.status, state.reason)
        assert shop.books(order).charged > 0

    async def has_ended() -> bool:
        return (await shop.state(order)).status is OrderStatus.COMPLETED

    await eventually(has_ended)
