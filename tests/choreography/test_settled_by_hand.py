"""What a person settled by hand, or gave up, is not done after all: by no replay, and not when positions are lost."""

import asyncio
from pathlib import Path

import pytest

from audit.invariants import audit
from cli.archive import behind
from cli.replay import replay
from client.contracts import Resolution
from client.order import Order
from lab.settings import LabSettings
from services.orders.contracts import OrderStatus
from tests.choreographed import ChoreographedShop, open_shop
from tests.processes import NOBODY_LISTENS, environment_of, run
from tests.shop import POLICY, sample_order, undeliverable
from wiring.listening import all_subscriptions

SECONDS = 60
BY_HAND = Resolution.model_validate({"decision": "resolved", "note": "bank transfer 4711"})


@pytest.fixture
def broken(tmp_path: Path) -> LabSettings:
    """No card can be given its money back."""
    return LabSettings(data_dir=tmp_path, policy=POLICY, faults="payments.refund=refuse:*")


def mended(settings: LabSettings) -> LabSettings:
    return settings.model_copy(update={"faults": ""})


async def stuck(shop: ChoreographedShop) -> Order:
    order = sample_order(**undeliverable())
    assert (await shop.run(order)).status is OrderStatus.NEEDS_ATTENTION
    return order


async def replayed(shop: ChoreographedShop) -> None:
    for subscription in all_subscriptions(shop.eventing):
        if subscription.name == "payments":
            await replay(shop.eventing, subscription, 0, lambda _done, _all: None)


async def read_again(settings: LabSettings) -> None:
    """The consumers' database is lost; they begin with the first event again."""
    for file in settings.data_dir.glob("consumers.db*"):
        file.unlink()
    async with open_shop(settings) as shop, asyncio.timeout(SECONDS):
        bus, progress = shop.eventing.bus, shop.eventing.progress
        while await behind(bus, progress.positions("payments")):
            await asyncio.sleep(0.05)


async def test_what_was_settled_by_hand_is_not_refunded_as_well(broken: LabSettings) -> None:
    async with open_shop(broken) as shop:
        order = await stuck(shop)
        await shop.client.resolve(order.order_id, BY_HAND)
        assert (await shop.rest(order)).status is OrderStatus.REJECTED
    async with open_shop(mended(broken)) as shop:
        await replayed(shop)
        assert shop.books(order).refunded == 0
    await read_again(mended(broken))
    async with open_shop(mended(broken)) as shop:
        assert shop.books(order).refunded == 0
        assert (await shop.rest(order)).status is OrderStatus.REJECTED
    assert audit(broken).violations == []


async def test_what_was_settled_while_the_service_was_down_is_known_when_it_comes_back(broken: LabSettings) -> None:
    """Although it reads of the trouble before it could read of the settlement."""
    async with open_shop(broken) as shop:
        order = await stuck(shop)
    async with open_shop(mended(broken), roles=[]) as shop:
        await shop.client.resolve(order.order_id, BY_HAND)
    await read_again(mended(broken))
    async with open_shop(mended(broken)) as shop:
        assert (await shop.rest(order)).status is OrderStatus.REJECTED
        assert shop.books(order).refunded == 0


async def test_what_was_discarded_is_not_handled_after_all(broken: LabSettings) -> None:
    async with open_shop(broken) as shop:
        order = await stuck(shop)
    environment = environment_of(mended(broken), "none") | {"TEMPORAL_ADDRESS": NOBODY_LISTENS}
    discarded = await run(
        "starter.py", environment, "events", "dead-letters", "discard", "--all", "--note", "paid in the shop"
    )
    assert discarded.code == 0
    await read_again(mended(broken))
    async with open_shop(mended(broken)) as shop:
        await replayed(shop)
        assert shop.books(order).refunded == 0
