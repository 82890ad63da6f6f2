"""A shop under test whose orders are choreographed: the same services, driven by events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import pytest

from audit.books import OrderBooks, read
from audit.invariants import Violation, audit
from choreography.client import ChoreographyClient
from choreography.reactions import REACTIONS
from client.contracts import OrderState
from client.order import Order
from kernel.database import Database
from kernel.inbox import inbox
from lab.faults import faults_of
from lab.settings import LabSettings
from messaging.bus import Recorded
from tests.databases import rows
from wiring.bus import EventBus
from wiring.bus_roles import ON_THE_BUS
from wiring.choreographed_orders import choreography_client
from wiring.listening import listening
from wiring.services import Services

_SECONDS, _DEADLINES = (
    10,
    5,
)  # so long, and a number of the shop's own deadlines: a busy machine, and a clock that looks


@dataclass(frozen=True)
class ChoreographedShop:
    settings: LabSettings
    client: ChoreographyClient
    eventing: EventBus

    @property
    def limit(self) -> float:
        """After this number of seconds nothing will come any more: not long in a shop in which deadlines pass soon."""
        return _SECONDS + min(50, _DEADLINES * self.settings.policy.step_deadline)

    async def run(self, order: Order) -> OrderState:
        """Place the order and wait until it has ended, or waits for a person."""
        await self.client.place(order)
        return await self.rest(order)

    async def rest(self, order: Order) -> OrderState:
        async with asyncio.timeout(self.limit):
            return (await self.client.outcome(order.order_id)).state

    async def until(self, order: Order, condition: Callable[[OrderState], bool]) -> OrderState:
        async with asyncio.timeout(self.limit):
            while not condition(state := (await self.client.get(order.order_id)).state):
                await asyncio.sleep(0.02)
            return state

    async def events(self, order: Order) -> list[Recorded]:
        return await self.eventing.bus.of(order.order_id)

    async def types(self, order: Order) -> list[str]:
        return [recorded.event.type for recorded in await self.events(order)]

    async def received(self, service: str, event_id: str) -> None:
        """Until the service is done with this event."""
        with closing(Database(self.settings.url_of(service), for_reading=True)) as database:
            async with asyncio.timeout(self.limit):
                while event_id not in {known for (known,) in rows(database, inbox, "event_id")}:
                    await asyncio.sleep(0.02)

    def books(self, order: Order) -> OrderBooks:
        return read(self.settings, [order.order_id]).orders.get(order.order_id, OrderBooks())

    def violations(self, order: Order) -> list[Violation]:
        """What the audit has against this order, or against the stock."""
        return audit(self.settings, orders=[order.order_id]).violations


@asynccontextmanager
async def clients_of(settings: LabSettings) -> AsyncIterator[ChoreographedShop]:
    """Somebody who places orders and looks at them, from another process than the services' as it were."""
    shop = Services(settings)
    eventing = EventBus(settings, shop)
    try:
        yield ChoreographedShop(
            settings,
            choreography_client(eventing),
            eventing,
        )
    finally:
        await eventing.close()
        shop.close()


@asynccontextmanager
async def open_shop(
    settings: LabSettings, roles: Sequence[str] = ON_THE_BUS, but_for: Sequence[str] = ()
) -> AsyncIterator[ChoreographedShop]:
    """With the product's own relay, reactions and subscribers at work in this process.

    Args:
        but_for: the steps that the services' table lacks.
    """
    shop = Services(settings, faults_of(settings))
    table = tuple(reaction for reaction in REACTIONS if reaction.step not in but_for)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("wiring.choreography.REACTIONS", table)
            if but_for:
                patch.setattr("wiring.choreography.check", lambda _table: None)
            async with listening(settings, shop, roles), clients_of(settings) as clients:
                yield clients
    finally:
        shop.close()
