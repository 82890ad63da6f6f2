"""A death before and after each commit of each operation that the saga asks for: the order ends as it would have.

What dies is the activity's attempt, in a worker that goes on with others: for the saga the two are the same, an answer
that never comes. Whole workers are killed in tests/test_crashes.py. `make crash-points` also has each pair of deaths on
the way of the money.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeVar, cast

import pytest
from temporalio.client import Client

from audit.books import OrderBooks, read
from audit.invariants import audit
from client.contracts import Review
from client.order import Order, OrderLine
from kernel.errors import Outage
from kernel.service import Kind
from lab.settings import LabSettings
from services import SERVICES
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from services.shipping.contracts import ShippingPort
from services.shipping.declaration import SHIPPING
from tests.conftest import client_of
from tests.deaths import Deaths, Died, Point, When, at_every_commit
from tests.shop import POLICY, ShopUnderTest, sample_order, undeliverable
from wiring.roles import ON_TEMPORAL
from wiring.services import Services
from worker import build

P = TypeVar("P")

NAMESPACE = "deaths"
ALL = "CRASH_POINTS" in os.environ
AT_ONCE = 20
SECONDS = 300
IS_SHIPPED = Point("shipping.ship", "shipping", 1, When.AFTER)
SUSPICIOUS = {"lines": (OrderLine(sku="espresso-machine", quantity=1),)}


@dataclass(frozen=True)
class Way:
    status: OrderStatus
    content: dict[str, Any] = field(default_factory=dict)
    review: Decision | None = None


WAYS = {
    "good": Way(OrderStatus.COMPLETED),
    "undeliverable": Way(OrderStatus.REJECTED, undeliverable()),
    "declined": Way(OrderStatus.REJECTED, {"payment_token": "tok_chargeDeclined"}),
    "soldout": Way(OrderStatus.REJECTED, {"lines": (OrderLine(sku="sold-out-scale", quantity=1),)}),
    "fraud": Way(OrderStatus.REJECTED, {"lines": (OrderLine(sku="roaster", quantity=1),)}),
    "reviewed": Way(OrderStatus.REJECTED, SUSPICIOUS, Decision.DECLINE),
    "cancelled": Way(OrderStatus.CANCELLED),
}


class _Dying:
    """Stands before a service: whatever it does for an order, the process may die at.

    The parcel of an order that is to be cancelled is booked, and the saga never learns of it.
    """

    def __init__(self, service: str, port: object, deaths: Deaths) -> None:
        self._service = service
        self._port = port
        self._deaths = deaths

    def __getattr__(self, verb: str) -> Any:
        def call(command: Any) -> Any:
            try:
                with self._deaths.at(command.order_id, f"{self._service}.{verb}"):
                    answer = getattr(self._port, verb)(command)
            except Died:
                raise Outage("there is no answer") from None
            if verb == ShippingPort.ship.__name__ and command.order_id.startswith("cancelled"):
                raise Outage("the reply was lost")
            return answer

        return call


@asynccontextmanager
async def dying_worker(client: Client, settings: LabSettings, deaths: Deaths) -> AsyncIterator[None]:
    def wrap(name: str, port: P) -> P:
        is_service = name in {service.name for service in SERVICES}
        return cast(P, _Dying(name, port, deaths)) if is_service else port

    shop = Services(settings, wrap)
    with at_every_commit(deaths.reached):
        async with AsyncExitStack() as stack:
            stack.callback(shop.close)
            for worker in build(client, settings, shop, ON_TEMPORAL):
                await stack.enter_async_context(worker)
            yield


async def walk(client: Client, settings: LabSettings, deaths: Deaths, orders: dict[str, str]) -> dict[str, OrderBooks]:
    """Run orders, each on the way of its name, all at once; what is on record of each at the end."""
    shop = ShopUnderTest(settings, client)
    async with dying_worker(client, settings, deaths), asyncio.timeout(SECONDS):
        free = asyncio.Semaphore(AT_ONCE)

        async def end(order_id: str, way: Way) -> None:
            async with free:
                await _ended(shop, order_id, way, deaths)

        await asyncio.gather(*(end(order_id, WAYS[name]) for order_id, name in orders.items()))
    return read(settings).orders


async def _ended(shop: ShopUnderTest, order_id: str, way: Way, deaths: Deaths) -> None:
    order: Order = sample_order(order_id=order_id, customer_id=f"customer-{order_id}", **way.content)
    saga = shop.saga()
    await saga.place(order)
    if way.status is OrderStatus.CANCELLED:
        while IS_SHIPPED not in deaths.seen[order_id]:
            await asyncio.sleep(0.05)
        await shop.handle(order).cancel()
    if way.review:
        await saga.outcome(order_id)
        await saga.review(order_id, Review(decision=way.review))
    await saga.outcome(order_id)


@dataclass(frozen=True)
class Aftermath:
    settings: LabSettings
    undisturbed: dict[str, OrderBooks]
    points: dict[str, list[Point]]
    planned: dict[str, tuple[Point, ...]]
    books: dict[str, OrderBooks]
    deaths: Deaths


@pytest.fixture(scope="module")
async def aftermath(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    data = tmp_path_factory.mktemp("deaths")
    policy = POLICY.model_copy(update={"step_deadline": SECONDS, "undo_deadline": SECONDS})
    settings = server.model_copy(update={"data_dir": data, "policy": policy})
    client = await client_of(server, NAMESPACE)
    undisturbed = Deaths({})
    expected = await walk(client, settings, undisturbed, {f"{name}-0": name for name in WAYS})
    points = {name: list(undisturbed.seen[f"{name}-0"]) for name in WAYS}
    planned = dict(_planned(points))
    deaths = Deaths(planned)
    books = await walk(client, settings, deaths, {order_id: order_id.partition("-")[0] for order_id in planned})
    return Aftermath(settings, expected, points, planned, books, deaths)


def _planned(points: dict[str, list[Point]]) -> Iterator[tuple[str, tuple[Point, ...]]]:
    """By order: each point on the first way that has it, or on all."""
    tried: set[Point] = set()
    for name, of_way in points.items():
        for number, point in enumerate(one for one in of_way if ALL or one not in tried):
            yield f"{name}-{number + 1}", (point,)
        tried.update(of_way)
    for number, pair in enumerate(_pairs_of_money(points["undeliverable"])):
        yield f"undeliverable-pair-{number}", pair


def _pairs_of_money(seen: Iterable[Point]) -> Iterator[tuple[Point, Point]]:
    """Of each two commits around the card processor; unless all are wanted, of the same charge or the same refund."""
    works = {point.work for point in seen if point.database == "gateway"}
    for one, other in product([point for point in seen if point.work in works], repeat=2):
        if ALL or one.work == other.work:
            yield one, other


def test_each_operation_is_on_a_way(aftermath: Aftermath) -> None:
    on_a_way = {point.work for of_way in aftermath.points.values() for point in of_way}
    declared = {
        f"{service.name}.{one.verb}" for service in SERVICES for one in service.operations if one.kind is not Kind.NOTE
    }
    only_on_events = {f"{SHIPPING.name}.{ShippingPort.withdraw.__name__}"}
    assert declared - on_a_way == only_on_events


@pytest.mark.parametrize("name", WAYS)
def test_each_order_ends_as_it_would_have_without_a_death(aftermath: Aftermath, name: str) -> None:
    expected = aftermath.undisturbed[f"{name}-0"]
    assert expected.status is WAYS[name].status
    otherwise = {
        order_id: list(map(str, points))
        for order_id, points in aftermath.planned.items()
        if order_id.startswith(f"{name}-") and aftermath.books[order_id] != expected
    }
    assert otherwise == {}


def test_each_death_was_died(aftermath: Aftermath) -> None:
    """But for the second of a pair whose repeat has nothing left to commit."""
    assert [order_id for order_id in aftermath.deaths.left() if "pair" not in order_id] == []
    assert aftermath.deaths.died >= len(aftermath.planned)


def test_after_all_the_deaths_the_audit_finds_nothing(aftermath: Aftermath) -> None:
    report = audit(aftermath.settings)
    assert report.violations == []
    assert report.orders >= len(aftermath.planned)
