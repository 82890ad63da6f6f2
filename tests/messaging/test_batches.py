"""A consumer that handles what is waiting in batches, over all of its partitions."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from messaging.batches import Batches
from messaging.bus import Bus, Recorded
from messaging.failure import FailureState
from messaging.subscription import NonRetryable
from tests.messaging.conftest import event
from tests.messaging.listening import Listener, until

ORDERS = [f"order-{number}" for number in range(20)]


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path)
    made.more = {"handle_all": made.handle_all}
    yield made
    made.close()


async def publish(bus: Bus, numbers: range) -> None:
    for number in numbers:
        await bus.append([event(order, number) for order in ORDERS])


async def test_what_is_waiting_is_handled_in_a_few_transactions_each_order_in_sequence(
    listener: Listener, bus: Bus
) -> None:
    await publish(bus, range(1, 6))
    async with listener.at_work(bus):
        await listener.has_handled(100)
        await publish(bus, range(6, 11))
        await listener.has_handled(200)
    for order in ORDERS:
        assert listener.handled(order) == [f"{order}:{number}" for number in range(1, 11)]
    assert sum(listener.batches) == 200
    assert len(listener.batches) < 20


async def test_what_comes_while_a_batch_is_handled_is_the_next_batch() -> None:
    """From all partitions."""
    handled: list[list[str]] = []
    stopping, go_on = asyncio.Event(), asyncio.Event()
    stopping.set()  # nothing is gathered beyond that

    async def handle_all(several: Sequence[Recorded]) -> None:
        handled.append([recorded.event.id for recorded in several])
        await go_on.wait()

    batches = Batches(handle_all, stopping)
    of_partitions = [asyncio.create_task(batches.handle([Recorded(1, event("order-1"))]))]
    await until(lambda: handled == [["order-1:1"]])
    for number in (2, 3, 4):
        of_partitions.append(asyncio.create_task(batches.handle([Recorded(number, event("order-1", number))])))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*of_partitions)
    assert handled == [["order-1:1"], ["order-1:2", "order-1:3", "order-1:4"]]


async def test_a_poisoned_event_splits_its_batch_and_the_others_succeed(listener: Listener, bus: Bus) -> None:
    def poison(recorded: Recorded) -> None:
        if recorded.event.id in ("order-3:2", "order-7:1"):
            raise NonRetryable("never")

    listener.before = poison
    await publish(bus, range(1, 4))
    async with listener.at_work(bus):
        await listener.has_handled(58)
        await until(lambda: len(listener.progress.failures(FailureState.DEAD)) == 2)
    dead = {one.id for one in listener.progress.failures(FailureState.DEAD)}
    assert dead == {"order-3:2", "order-7:1"}
    assert listener.handled("order-3") == ["order-3:1", "order-3:3"]
    assert listener.handled("order-7") == ["order-7:2", "order-7:3"]
    assert len(set(listener.handled())) == len(listener.handled()) == 58


async def test_later_events_of_an_order_wait_for_one_that_is_in_retry(listener: Listener, bus: Bus) -> None:
    """Also those that come in a later batch."""
    attempts: list[str] = []

    def failing(recorded: Recorded) -> None:
        if recorded.event.id == "order-1:1" and len(attempts) < 5:
            attempts.append(recorded.event.id)
            raise ConnectionError("not now")

    listener.before = failing
    await bus.append([event("order-1", 1), event("order-2", 1)])
    async with listener.at_work(bus):
        await until(lambda: len(attempts) > 1)
        await bus.append([event("order-1", 2), event("order-2", 2)])
        await listener.has_handled(4)
    assert listener.handled("order-1") == ["order-1:1", "order-1:2"]
    assert listener.progress.failures(*FailureState) == []
