"""A table that also waits for an old event: orders held over the deploy go on, and those that ended stay ended."""

from pathlib import Path

import pytest

import choreography.commands as commands
from choreography.reaction import Table
from choreography.reactions import REACTIONS, shipping
from client.contracts import Review, Stage
from client.order import OrderLine
from lab.settings import LabSettings
from services.fraud.contracts import Decision
from services.fraud.events import NoFraudDetected
from services.inventory.events import StockReserved
from services.orders.contracts import OrderStatus
from services.orders.events import OrderCreated
from services.payments.events import PaymentProcessed
from services.shipping.contracts import ShippingPort
from tests.choreographed import open_shop
from tests.shop import POLICY, sample_order

SHIP = (OrderCreated, NoFraudDetected, PaymentProcessed, StockReserved)
GROWN: Table = (
    *(line for line in REACTIONS if line.step != "shipping.ship"),
    shipping.does(ShippingPort.ship, commands.ship, after=SHIP),
)


async def test_an_order_that_was_held_over_the_deploy_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LabSettings(data_dir=tmp_path, policy=POLICY)
    held, ended = sample_order(lines=(OrderLine(sku="espresso-machine", quantity=1),)), sample_order()
    async with open_shop(settings) as shop:
        assert (await shop.run(held)).stage is Stage.REVIEW
        assert (await shop.run(ended)).status is OrderStatus.COMPLETED
        while "PaymentProcessed" not in await shop.types(held):
            await shop.until(held, lambda _state: True)
        before = await shop.types(ended)
    monkeypatch.setattr("tests.choreographed.REACTIONS", GROWN)
    async with open_shop(settings) as shop:
        await shop.client.review(held.order_id, Review(decision=Decision.APPROVE, note="known customer"))
        assert (await shop.rest(held)).status is OrderStatus.COMPLETED
        assert shop.books(held).parcels_booked == 1
        assert await shop.types(ended) == before
        assert shop.violations(held) == []
