"""One id is one order in both styles: checked where it is placed, and else settled by the orders service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import pytest

from choreography.client import ChoreographyClient
from client.errors import DifferentContent
from client.order import Order
from client.protocol import OrderClient
from kernel.contracts import Style
from lab.settings import LabSettings
from messaging.failure import FailureState
from services.orders.contracts import OrderStatus
from tests.choreographed import ChoreographedShop, clients_of, open_shop
from tests.conftest import client_of
from tests.shop import ShopUnderTest, eventually, sample_order, worker_running
from wiring.clients import Clients
from wiring.order_records import RecordsOfOrders
from workflows.client import OrchestrationClient

NAMESPACE = "stuck"  # nobody works there now
STYLES = list(Style)
OTHER = {Style.ORCHESTRATION: Style.CHOREOGRAPHY, Style.CHOREOGRAPHY: Style.ORCHESTRATION}


class BothStyles:
    """A shop in which the workers of each style are started when a test says so."""

    def __init__(
        self, saga: ShopUnderTest, events: ChoreographedShop, clients: Clients, opened: AsyncExitStack
    ) -> None:
        self.saga = saga
        self.events = events
        self.clients = clients
        self._opened = opened

    async def begin(self, style: Style, roles: tuple[str, ...] = ("choreography",)) -> None:
        settings, works = self.saga.settings, dict[Style, AbstractAsyncContextManager[object]]()
        works[Style.ORCHESTRATION] = worker_running(self.saga.client, settings)
        works[Style.CHOREOGRAPHY] = open_shop(settings, roles)
        await self._opened.enter_async_context(works[style])

    def client(self, style: Style) -> OrderClient:
        return self.saga.saga() if style is Style.ORCHESTRATION else self.events.client


@pytest.fixture
async def both(server: LabSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BothStyles]:
    settings = server.model_copy(update={"data_dir": tmp_path})
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{server.temporal_port}")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", NAMESPACE)
    clients = Clients(settings)
    async with AsyncExitStack() as opened, clients_of(settings) as events:
        yield BothStyles(ShopUnderTest(settings, await client_of(server, NAMESPACE)), events, clients, opened)
        await clients.close()


@pytest.mark.parametrize("first", STYLES)
async def test_an_id_that_is_on_record_is_refused_to_the_other_style(both: BothStyles, first: Style) -> None:
    """No relay runs, so that the bus does not know of it."""
    order = sample_order("recorded")
    await both.begin(first)
    await both.client(first).place(order)
    await _recorded(both, order)
    with pytest.raises(DifferentContent, match="exists already, in style"):
        await both.client(OTHER[first]).place(order)
    await _is_found_as(both, order, first)


@pytest.mark.parametrize("first", STYLES)
async def test_of_two_that_were_placed_at_the_same_moment_the_first_on_record_is_the_order(
    both: BothStyles, first: Style
) -> None:
    order, second = sample_order("twice"), OTHER[first]
    for style in (second, first):
        await both.client(style).place(order)
    await both.begin(first, ("relay", "choreography"))
    assert (await both.client(first).outcome(order.order_id)).state.status is OrderStatus.COMPLETED

    await both.begin(second, ("relay", "choreography"))
    if second is Style.ORCHESTRATION:
        state = (await both.client(second).outcome(order.order_id)).state
        assert state.status is OrderStatus.REJECTED
        assert "exists already, with another content or style" in state.reason
    else:
        with pytest.raises(DifferentContent, match="was taken by an orchestrated order at the same moment"):
            async with asyncio.timeout(30):
                await both.client(second).outcome(order.order_id)

        async def is_refused() -> bool:
            dead = both.events.eventing.progress.failures(FailureState.DEAD)
            return ["KeyReused" in one.error for one in dead] == [True]

        await eventually(is_refused)
    await _is_found_as(both, order, first)
    books = both.saga.books(order)
    assert (books.status, len(books.charges), books.refunded, books.parcels_booked) == (OrderStatus.COMPLETED, 1, 0, 1)
    assert both.saga.violations(order) == []


async def _recorded(both: BothStyles, order: Order) -> None:
    records = RecordsOfOrders(both.saga.settings.url_of)

    async def is_recorded() -> bool:
        return await records.find(order.order_id) is not None

    await eventually(is_recorded)
    records.close()


async def _is_found_as(both: BothStyles, order: Order, style: Style) -> None:
    kinds = {Style.ORCHESTRATION: OrchestrationClient, Style.CHOREOGRAPHY: ChoreographyClient}
    assert isinstance(await both.clients.client_of(order.order_id), kinds[style])
