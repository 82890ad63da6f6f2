"""One service's reactor, on its own database."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import choreography.commands as commands
from choreography.order_events import OrderEvents
from choreography.reaction import Reactions, Table
from choreography.reactions import REACTIONS
from choreography.reactor import Reactor
from kernel.contracts import Style, Undo, Undone
from kernel.envelope import CloudEvent, new_event
from kernel.errors import Outage
from kernel.inbox import inbox
from messaging.bus import Recorded
from messaging.subscription import ReactionFailed
from services.inventory.contracts import InventoryPort, Reserved, ReserveStock
from services.inventory.declaration import INVENTORY
from services.inventory.tables import reservations
from services.orders.events import OrderCreated
from settings import Settings
from tests.databases import rows
from tests.services.samples import MUG, create
from wiring.services import Services

reactions = Reactions(INVENTORY)
MANY = 100


def is_large(events: OrderEvents) -> bool:
    return sum(line.quantity for line in events.first(OrderCreated).lines) >= MANY


LARGE_ONLY: Table = [
    reactions.does(InventoryPort.reserve, commands.reserve, after=(OrderCreated,), when=is_large),
]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Services]:
    with closing(Services(Settings(data_dir=tmp_path))) as services:
        yield services


def order_created(order: str, quantity: int) -> CloudEvent:
    command = create({MUG: quantity}, order)
    data: dict[str, Any] = {
        "customer_id": command.customer_id,
        "lines": [{"sku": MUG, "quantity": quantity, "unit_price": {"amount": 1, "currency": "EUR"}}],
        "total": {"amount": quantity, "currency": "EUR"},
        "payment_token": "tok_visa",
        "ship_to": command.ship_to.model_dump(),
    }
    return new_event(
        OrderCreated.type(),
        data,
        event_id=f"{order}:create:OrderCreated",
        source="/orders",
        correlation=order,
        causation="/customer",
        style=Style.CHOREOGRAPHY,
    )


def reactor(shop: Services, table: Table, port: InventoryPort) -> Reactor[InventoryPort]:
    return Reactor(INVENTORY, port, shop.database("inventory"), 60, 60, table)


def test_a_line_may_ask_about_content(shop: Services) -> None:
    reserving = reactor(shop, LARGE_ONLY, shop.open(INVENTORY))
    for order, quantity in (("small", MANY - 1), ("large", MANY)):
        for _ in range(2):
            reserving.handle(Recorded(1, order_created(order, quantity)))
    database = shop.database("inventory")
    assert rows(database, reservations, "order_id", "quantity") == [("large", MANY)]
    assert rows(database, inbox, "correlation", "repeats") == [("large", 1), ("small", 1)]


class Down:
    """An inventory that does not answer."""

    def reserve(self, command: ReserveStock) -> Reserved:
        raise Outage("no answer")

    def release(self, command: Undo) -> Undone:
        raise Outage("no answer")


def test_what_fails_says_which_line_it_was(shop: Services) -> None:
    shop.open(INVENTORY)
    with pytest.raises(ReactionFailed) as failed:
        reactor(shop, REACTIONS, Down()).handle(Recorded(1, order_created("order-1", 1)))
    assert failed.value.reaction == "inventory_reserve_after_OrderCreated"
    assert isinstance(failed.value.__cause__, Outage)
    assert rows(shop.database("inventory"), inbox, "correlation") == []
