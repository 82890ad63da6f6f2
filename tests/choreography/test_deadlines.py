"""The clock by itself: a deadline that has passed is published at the next look, once, and not before it has passed.

What comes of it is tested with a whole shop in `test_stopping.py`; these fail within a second.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from choreography.deadlines import Deadlines, Limits
from choreography.events import AttentionNeeded, OrderContent, OrderPlaced, OrderStalled, ReviewDecided
from kernel.contracts import Event, Style
from messaging.bus import Bus
from messaging.locks import FileLocks
from messaging.progress import Progress
from messaging.sql_log import SqlLog
from services.fraud.events import NoFraudDetected, PossibleFraud
from services.orders.contracts import OrdersPort
from services.orders.service import Orders
from services.shipping.events import Shipped
from tests.choreography.stopwatch import STEP, Stopwatch, watched
from tests.databases import Databases
from tests.events import published
from tests.services.samples import MUG, MUG_PRICE, NOON, ORDER, Clock, create, product, undo
from tests.shop import sample_order

LIMITS = Limits(step=60, undo=600, review=3600)
SECONDS = 5

Begin = Callable[..., Deadlines]

PLACED = OrderPlaced(order=OrderContent.model_validate(sample_order(order_id=ORDER).content()))
HELD = PossibleFraud(score=50, rules=("large amount",))
STALLED = OrderStalled(step="", reason="Outage")
NO_FRAUD = NoFraudDetected(score=0)
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
def clock() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def orders(sqlite_databases: Databases) -> Orders:
    """One order is in progress, since noon of a day that the system's clock may think is long ago, or is to come."""
    orders = Orders(sqlite_databases.migrated("orders"), Clock())
    orders.offer([product(MUG, MUG_PRICE)])
    orders.create(create({MUG: 1}).model_copy(update={"style": Style.CHOREOGRAPHY}))
    return orders


@pytest.fixture
def bus(sqlite_databases: Databases) -> SqlLog:
    log = SqlLog(sqlite_databases.open("bus"))
    log.open()
    return log


@pytest.fixture
def begun(orders: OrdersPort, bus: Bus, clock: Stopwatch, sqlite_databases: Databases, tmp_path: Path) -> Begin:
    """Another process each time."""

    def begin(limits: Limits = LIMITS) -> Deadlines:
        progress = Progress(sqlite_databases.open("consumers"))
        progress.open()
        return Deadlines(orders, bus, FileLocks(tmp_path / "locks"), limits, progress, clock)

    return begin


async def happened(bus: Bus, events: tuple[Event, ...], at: datetime = NOON) -> None:
    events_of_order = [published(event, ORDER, style=Style.CHOREOGRAPHY) for event in events]
    await bus.append([event.model_copy(update={"time": at}) for event in events_of_order])


async def types(bus: Bus) -> list[str]:
    return [recorded.event.type for recorded in await bus.of(ORDER)]


@each_deadline
@pytest.mark.parametrize("step", [timedelta(days=-400), timedelta(days=400)], ids=["back", "forward"])
async def test_a_deadline_passes_once_whatever_the_system_s_clock_says(
    begun: Begin,
    bus: SqlLog,
    clock: Stopwatch,
    events: tuple[Event, ...],
    after: float,
    published: type[Event],
    step: timedelta,
) -> None:
    """The events were published in the far past, or in the far future: the clock has stepped since."""
    await happened(bus, events, datetime.now(UTC) + step)
    before, deadlines = await types(bus), begun()
    await watched(deadlines, clock, after - 2 * STEP)
    assert await types(bus) == before
    await watched(deadlines, clock, 6 * STEP)
    assert await types(bus) == [*before, published.type()]


@each_deadline
async def test_a_deadline_goes_on_after_a_restart_and_stands_still_while_no_process_looks(
    begun: Begin, bus: SqlLog, clock: Stopwatch, events: tuple[Event, ...], after: float, published: type[Event]
) -> None:
    await happened(bus, events)
    before = await types(bus)
    await watched(begun(), clock, 0.6 * after)
    clock.seconds = 7_000_000.0  # another process has a clock of its own
    await begun().look()
    assert await types(bus) == before
    await watched(begun(), clock, 0.2 * after)
    assert await types(bus) == before
    await watched(begun(), clock, 0.2 * after + 6 * STEP)
    assert await types(bus) == [*before, published.type()]


async def test_a_worker_that_was_stopped_for_an_hour_counts_no_hour(
    begun: Begin, bus: SqlLog, clock: Stopwatch
) -> None:
    await happened(bus, (PLACED,))
    deadlines = begun()
    await watched(deadlines, clock, STEP)
    clock.seconds += 3_600
    await deadlines.look()
    assert await types(bus) == [PLACED.type()]


async def test_two_processes_that_take_turns_count_no_second_twice(begun: Begin, bus: SqlLog, clock: Stopwatch) -> None:
    await happened(bus, (PLACED,))
    first, second = begun(), begun()
    for _ in range(8):
        await watched(first, clock, STEP)
        await watched(second, clock, 0)
    assert await types(bus) == [PLACED.type()]


async def test_an_event_begins_the_time_of_an_order_again(begun: Begin, bus: SqlLog, clock: Stopwatch) -> None:
    await happened(bus, (PLACED,))
    deadlines = begun()
    await watched(deadlines, clock, 0.8 * LIMITS.step)
    await happened(bus, (NO_FRAUD,))
    await watched(deadlines, clock, 0.8 * LIMITS.step)
    assert await types(bus) == [PLACED.type(), NoFraudDetected.type()]


async def test_an_order_that_has_ended_passes_no_deadline(
    begun: Begin, orders: Orders, bus: SqlLog, clock: Stopwatch
) -> None:
    await happened(bus, (PLACED,))
    orders.reject(undo("create").model_copy(update={"style": Style.CHOREOGRAPHY}))
    await watched(begun(), clock, 2 * LIMITS.step)
    assert await types(bus) == [PLACED.type()]


async def test_it_looks_until_it_is_stopped(begun: Begin, bus: SqlLog, clock: Stopwatch) -> None:
    """Also after it has found nothing."""
    deadlines = begun(Limits(1, 1, 1))
    running = asyncio.create_task(deadlines.run())
    await happened(bus, (PLACED,))
    async with asyncio.timeout(SECONDS):
        while len(await types(bus)) < 2:
            clock.seconds += 0.1
            await asyncio.sleep(0.01)
        deadlines.stop()
        await running
