"""What the bus promises, by whichever of its adapters, with other processes appending and reading at the same time."""

import asyncio
import itertools
import random
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from kernel.envelope import CloudEvent
from messaging import sql_reader
from messaging.bus import PARTITIONS, Bus, BusDown, Reader, Recorded, partition_of, readable
from messaging.sql_log import SqlLog
from tests.databases import Databases
from tests.messaging.conftest import SECONDS, Log, event, events, ids, read_all

ORDERS = [f"order-{number}" for number in range(12)]  # in all partitions


def in_partition(partition: int) -> str:
    return next(order for order in ORDERS if partition_of(order) == partition)


def by_order(recorded: list[Recorded]) -> dict[str, list[str]]:
    orders = defaultdict(list)
    for each in recorded:
        orders[each.event.correlationid].append(each.event.id)
    return dict(orders)


async def read(reader: Reader, count: int) -> list[Recorded]:
    """Wait until this number has been read."""
    have: list[Recorded] = []
    async with asyncio.timeout(SECONDS):
        while len(have) < count:
            have += readable(await reader.next(count - len(have), wait=SECONDS))
    return have


async def test_an_event_is_read_as_it_was_appended(bus: Bus) -> None:
    await bus.append([event("order-1")])
    assert [each.event for each in await read_all(bus)] == [event("order-1")]


async def test_events_are_read_in_the_order_in_which_they_were_appended(bus: Bus) -> None:
    batches = [[event(order, number) for order in ORDERS] for number in range(1, 4)]
    for batch in batches:
        await bus.append(batch)
    recorded = await read_all(bus)
    assert [each.event for each in recorded] == [*itertools.chain(*batches)]
    assert [each.position for each in recorded] == sorted({each.position for each in recorded})


async def test_a_large_batch_is_appended_in_its_order(bus: Bus) -> None:
    await bus.append(events("order-1", range(1, 1_203)))
    expected = [each.id for each in events("order-1", range(1, 1_203))]
    assert ids(await read_all(bus)) == expected
    assert ids(await bus.of("order-1")) == expected


async def test_appending_nothing_changes_nothing(bus: Bus) -> None:
    await bus.append([])
    assert await bus.head() == 0


async def test_an_event_that_is_on_the_log_is_not_appended_again(bus: Bus) -> None:
    await bus.append([event("order-1")])
    before = await read_all(bus)
    await bus.append([event("order-1")])
    assert await read_all(bus) == before


async def test_of_a_batch_of_which_some_are_on_the_log_the_others_are_appended_in_their_order(bus: Bus) -> None:
    await bus.append([event("order-1", 1), event("order-1", 2)])
    await bus.append([event("order-1", number) for number in (1, 3, 2, 4, 5)])
    assert ids(await read_all(bus)) == [f"order-1:{number}" for number in range(1, 6)]


async def test_an_event_that_is_twice_in_a_batch_is_appended_once(bus: Bus) -> None:
    await bus.append([event("order-1"), event("order-2"), event("order-1")])
    assert ids(await read_all(bus)) == ["order-1:1", "order-2:1"]


async def test_a_reader_gets_exactly_what_follows_its_position(bus: Bus) -> None:
    await bus.append(events("order-1", range(1, 6)))
    recorded = await read_all(bus)
    for number, each in enumerate(recorded, 1):
        assert await read_all(bus, after=each.position) == recorded[number:]


async def test_a_reader_gets_no_more_than_it_asks_for_and_then_what_follows(bus: Bus) -> None:
    await bus.append(events("order-1", range(1, 6)))
    reader = await bus.read(None, 0)
    read = [ids(await reader.next(2, wait=0)) for _ in range(4)]
    assert read == [["order-1:1", "order-1:2"], ["order-1:3", "order-1:4"], ["order-1:5"], []]
    await reader.close()


async def test_a_reader_without_news_returns_empty_after_its_wait(bus: Bus) -> None:
    reader = await bus.read(None, await bus.head())
    began = time.monotonic()
    assert await reader.next(10, wait=0.3) == []
    assert 0.3 <= time.monotonic() - began < 5
    await reader.close()


async def test_a_reader_that_waits_wakes_when_something_is_appended(log: Log) -> None:
    async with log.opened() as bus, log.opened() as other:
        for number in range(1, 21):
            reader = await bus.read(None, await bus.head())
            async with asyncio.timeout(SECONDS / 3):
                read, _ = await asyncio.gather(reader.next(10, wait=SECONDS), other.append([event("order-1", number)]))
            assert ids(read) == [f"order-1:{number}"]
            await reader.close()


async def test_readers_that_wait_for_the_same_wake_together(bus: Bus) -> None:
    readers = [await bus.read(partition, 0) for partition in [None, None, 0, 1]]
    waiting = [asyncio.create_task(reader.next(10, wait=SECONDS)) for reader in readers]
    await readers[0].next(1, wait=0.1)
    async with asyncio.timeout(SECONDS / 3):
        await bus.append([event(in_partition(0)), event(in_partition(1))])
        both, _, first, second = await asyncio.gather(*waiting)
    for reader in readers:
        await reader.close()
    assert ids(both)[:1] == ids(first) == [f"{in_partition(0)}:1"]
    assert ids(second) == [f"{in_partition(1)}:1"]


async def test_a_reader_that_does_not_wait_gets_what_is_there(bus: Bus) -> None:
    """However it has come to the end of the log before."""
    reader = await bus.read(None, 0)
    assert await reader.next(10, wait=0.1) == []
    for number in range(1, 4):
        await bus.append([event("order-1", number)])
        assert ids(await reader.next(10, wait=0)) == [f"order-1:{number}"]
        assert await reader.next(10, wait=0) == []
    await reader.close()


async def test_a_reader_that_is_interrupted_loses_nothing(log: Log) -> None:
    async with log.opened() as bus, log.opened() as other:
        reader, read = await bus.read(None, 0), list[Recorded]()
        appending = asyncio.create_task(append_each(other, events("order-1", range(1, 101))))
        async with asyncio.timeout(SECONDS):
            while len(read) < 100:
                reading = asyncio.create_task(reader.next(10, wait=1))
                await asyncio.wait([reading], timeout=random.uniform(0, 0.01))
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    read += readable(await reading)
        await appending
        await reader.close()
        assert ids(read) == ids(await read_all(bus))


async def append_each(bus: Bus, each: list[CloudEvent]) -> None:
    for one in each:
        await bus.append([one])


async def test_a_partition_has_all_events_of_its_orders_and_no_others(bus: Bus) -> None:
    await bus.append([event(order, number) for number in (1, 2) for order in ORDERS])
    partitions = [await read_all(bus, partition) for partition in range(PARTITIONS)]
    for partition, recorded in enumerate(partitions):
        assert {partition_of(each.event.correlationid) for each in recorded} == {partition}
        assert recorded == sorted(recorded, key=lambda each: each.position)
    everything = itertools.chain(*partitions)
    assert sorted(everything, key=lambda each: each.position) == await read_all(bus)


async def test_a_reader_of_one_partition_is_not_woken_by_another(bus: Bus) -> None:
    reader = await bus.read(0, 0)
    waiting = asyncio.create_task(reader.next(10, wait=0.5))
    await bus.append([event(in_partition(1))])
    assert await waiting == []
    await bus.append([event(in_partition(0))])
    assert ids(await reader.next(10, wait=SECONDS)) == [f"{in_partition(0)}:1"]
    await reader.close()


async def test_an_order_s_events_are_found_by_its_id_and_no_other_s(bus: Bus) -> None:
    orders = ["a", "a.b", "a.b.c", "a-b", "a_b", "ab", "A", "a.", "1.2.3", "x" * 64]
    await bus.append([event(order, number) for number in (1, 2) for order in orders])
    for order in orders:
        assert ids(await bus.of(order)) == [f"{order}:1", f"{order}:2"]
    assert await bus.of("b") == []


async def test_an_empty_log_has_its_head_at_zero(bus: Bus) -> None:
    assert await bus.head() == 0
    assert await read_all(bus) == []
    assert await bus.before(datetime.now(UTC)) == 0


async def test_the_head_is_the_newest_event_s_position(bus: Bus) -> None:
    for number in range(1, 4):
        await bus.append([event("order-1", number)])
        assert await bus.head() == (await read_all(bus))[-1].position


async def test_a_moment_is_after_what_was_recorded_before_it(bus: Bus) -> None:
    await bus.append(events("order-1", range(1, 4)))
    head, moment = await bus.head(), await a_moment()
    assert await bus.before(moment) == head
    await bus.append(events("order-1", range(4, 6)))
    assert await bus.before(moment) == head
    assert await bus.before(moment - timedelta(days=1)) == 0
    assert await bus.before(await a_moment()) == await bus.head()


async def a_moment() -> datetime:
    """After all that was until now, and before all that will be, for a clock of milliseconds."""
    moment = datetime.now(UTC) + timedelta(milliseconds=2)
    while datetime.now(UTC) < moment + timedelta(milliseconds=2):
        await asyncio.sleep(0)
    return moment


async def test_all_processes_see_the_same(log: Log) -> None:
    async with log.opened() as one, log.opened() as other:
        await asyncio.gather(one.append(events("order-1", range(1, 5))), other.append(events("order-2", range(1, 5))))
        assert await read_all(one) == await read_all(other)
        assert len(await read_all(one)) == 8
        assert await one.head() == await other.head()


async def test_what_two_processes_append_at_once_is_appended_once(log: Log) -> None:
    async with log.opened() as one, log.opened() as other:
        batches = [events(order, range(1, 6)) for order in ORDERS]
        await asyncio.gather(*(bus.append(batch) for batch in batches for bus in (one, other)))
        assert by_order(await read_all(one)) == {
            order: [f"{order}:{number}" for number in range(1, 6)] for order in ORDERS
        }


async def test_a_reader_skips_nothing_while_many_processes_append(log: Log) -> None:
    """Which it would if an event became visible after one with a higher position."""
    orders = [f"{process}-{order}" for process in range(4) for order in range(5)]

    def appending_process(process: int) -> None:
        async def append() -> None:
            async with log.opened() as bus:
                for number in range(1, 16):
                    for order in range(5):
                        await bus.append(
                            [event(f"{process}-{order}", 2 * number - 1), event(f"{process}-{order}", 2 * number)]
                        )

        asyncio.run(append())

    async with log.opened() as bus:
        tail, partition = await bus.read(None, 0), await bus.read(0, 0)
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(4) as processes:
            appending = [loop.run_in_executor(processes, appending_process, process) for process in range(4)]
            seen = await read(tail, 30 * len(orders))
            seen_in_partition = await read(partition, 30 * len([order for order in orders if partition_of(order) == 0]))
            await asyncio.gather(*appending)
        await tail.close()
        await partition.close()
        assert seen == await read_all(bus)
        assert seen_in_partition == await read_all(bus, 0)
        assert by_order(seen) == {order: [f"{order}:{number}" for number in range(1, 31)] for order in by_order(seen)}
        assert set(by_order(seen)) == set(orders)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_reader_skips_nothing_while_the_newest_are_too_many_to_keep_in_memory(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    log: Log = request.getfixturevalue(f"{kind}_log")
    async with log.opened() as bus, log.opened() as elsewhere:
        newest = await bus.read(None, 0)
        assert await newest.next(1, wait=0.1) == []  # from here on it reads from memory
        await bus.append(events("order-1", range(10)))
        positions = [one.position for one in await read(newest, 10)]
        head, is_asked, go_on = bus.head, asyncio.Event(), asyncio.Event()

        async def slow_head() -> int:
            is_asked.set()
            await go_on.wait()
            return await head()

        monkeypatch.setattr(bus, "head", slow_head)
        monkeypatch.setattr(sql_reader, "_BATCH", 6)
        waiting = asyncio.create_task(read(newest, 6))
        await elsewhere.append(events("order-2", range(6)))
        async with asyncio.timeout(SECONDS):
            await is_asked.wait()
        behind = await bus.read(None, positions[4])
        meanwhile = await behind.next(1_000, wait=0.1)
        go_on.set()
        await waiting
        assert ids([*meanwhile, *await read(behind, 11 - len(meanwhile))]) == ids(
            await read_all(bus, after=positions[4])
        )


async def test_a_log_that_cannot_be_used_says_so_to_all_who_use_it(databases: Databases) -> None:
    database = databases.open("events")
    log = SqlLog(database)
    log.open()
    reader = await log.read(None, 0)
    waiting = asyncio.create_task(reader.next(10, wait=SECONDS))
    await reader.next(10, wait=0.05)
    with database.begin() as tx:
        tx.execute(text("DROP TABLE events"))
    async with asyncio.timeout(SECONDS / 3):
        with pytest.raises(BusDown):
            await waiting
    with pytest.raises(BusDown):
        await log.append([event("order-1")])
    with pytest.raises(BusDown):
        await log.head()
    await log.close()
