"""The clock by itself: a deadline that has passed is published at the next look, once, and not before it has passed.

What comes of it is tested with a whole shop in `test_stopping.py`; these fail within a second.
"""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from choreography.deadlines import Deadlines, Limits
from choreography.events import AttentionNeeded, OrderContent, OrderPlaced, OrderStalled, ReviewDecided
from kernel.contracts import Event, Style
from messaging.bus import Bus
from messaging.locks import FileLocks
from messaging.sql_log import SqlLog
from services.fraud.events import PossibleFraud
from services.orders.contracts import OrdersPort
from services.orders.service import Orders
from services.shipping.events import Shipped
from tests.databases import Databases
from tests.events import published
from tests.services.samples import MUG, MUG_PRICE, NOON, ORDER, Clock, create, product, undo
from tests.shop import sample_order

LIMITS = Limits(step=60, undo=600, review=3600)
SECONDS = 5

PLACED = OrderPlaced(order=OrderContent.model_validate(sample_order(order_id=ORDER).content()))
HELD = PossibleFraud(score=50, rules=("large amount",))
STALLED = OrderStalled(step="", reason="Outage")
SHIPPED = Shipped(tracking_number="TRK1", country="NL")

# What has happened to the order by noon; the first deadline that passes then, after how many seconds; what it sends.
DEADLINES: list[tuple[tuple[Event, ...], float, type[Event]]] = [
    ((PLACED,), LIMITS.step, OrderStalled),
    ((PLACED, HELD), LIMITS.review, ReviewDecided),
    ((PLACED, STALLED), LIMITS.undo, AttentionNeeded),
    ((PLACED, SHIPPED), LIMITS.undo, AttentionNeeded),
]
each_deadline = pytest.mark.parametrize(
    ("events", "after", "published"), DEADLINES, ids=["a step", "a review", "an undo", "past the pivot"]
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def orders(sqlite_databases: Databases, clock: Clock) -> Orders:
    """One order is in progress, since noon."""
    orders = Orders(sqlite_databases.migrated("orders"), clock)
    orders.offer([product(MUG, MUG_PRICE)])
    orders.create(create({MUG: 1}).model_copy(update={"style": Style.CHOREOGRAPHY}))
    return orders


@pytest.fixture
def bus(sqlite_databases: Databases) -> SqlLog:
    log = SqlLog(sqlite_databases.open("bus"))
    log.open()
    return log


@pytest.fixture
def deadlines(orders: OrdersPort, bus: Bus, clock: Clock, sqlite_databases: Databases, tmp_path: Path) -> Deadlines:
    return Deadlines(orders, bus, FileLocks(tmp_path / "locks"), LIMITS, clock)


async def happened(bus: Bus, events: tuple[Event, ...]) -> None:
    await bus.append([published(event, ORDER, style=Style.CHOREOGRAPHY) for event in events])


async def types(bus: Bus) -> list[str]:
    return [recorded.event.type for recorded in await bus.of(ORDER)]


@each_deadline
async def test_a_deadline_that_has_passed_is_published_once(
    deadlines: Deadlines, bus: SqlLog, clock: Clock, events: tuple[Event, ...], after: float, published: type[Event]
) -> None:
    assert clock() == NOON
    await happened(bus, events)
    before = await types(bus)
    clock.forward(timedelta(seconds=after - 1))
    await deadlines.look()
    assert await types(bus) == before
    clock.forward(timedelta(seconds=2))
    await deadlines.look()
    await deadlines.look()
    assert await types(bus) == [*before, published.type()]


async def test_an_order_that_has_ended_passes_no_deadline(
    deadlines: Deadlines, orders: Orders, bus: SqlLog, clock: Clock
) -> None:
    await happened(bus, (PLACED,))
    orders.reject(undo("create").model_copy(update={"style": Style.CHOREOGRAPHY}))
    clock.forward(timedelta(days=1))
    await deadlines.look()
    assert await types(bus) == [PLACED.type()]


async def test_it_looks_until_it_is_stopped(orders: Orders, bus: SqlLog, clock: Clock, tmp_path: Path) -> None:
    """Also after it has found nothing."""
    clock_of_a_second = Deadlines(orders, bus, FileLocks(tmp_path / "locks"), Limits(1, 1, 1), clock)
    running = asyncio.create_task(clock_of_a_second.run())
    await happened(bus, (PLACED,))
    clock.forward(timedelta(seconds=2))
    async with asyncio.timeout(SECONDS):
        while len(await types(bus)) < 2:
            await asyncio.sleep(0.01)
        clock_of_a_second.stop()
        await running
