"""From the outbox to the bus: what was committed, all of it, once and in order, whoever dies on the way."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from kernel import outbox
from kernel.database import Database, Storage
from kernel.envelope import CloudEvent
from messaging.bus import Bus, BusDown
from messaging.locks import FileLocks
from messaging.relay import Relay
from tests.databases import Databases, rows
from tests.messaging.conftest import SECONDS, Log, ids, read_all


class Outboxes:
    """A service's outbox, and relays that serve it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self._folder = folder
        database.alone(outbox.metadata.create_all)

    def write(self, *numbers: int) -> None:
        with self.database.begin() as tx:
            for number in numbers:
                write(tx, number)

    def left(self) -> int:
        return sum(published_at is None for (published_at,) in rows(self.database, outbox.outbox, "published_at"))

    @asynccontextmanager
    async def relayed(self, bus: Bus, storage: Storage | None = None) -> AsyncIterator[asyncio.Task[None]]:
        locks = FileLocks(self._folder / "locks")
        relay = Relay({"orders": storage or self.database}, bus, locks)
        task = asyncio.create_task(relay.run())
        try:
            yield task
        finally:
            relay.stop()
            await asyncio.wait([task])
            locks.close()

    async def is_empty(self) -> None:
        async with asyncio.timeout(SECONDS):
            while self.left():
                await asyncio.sleep(0.01)


def write(tx: Connection, number: int) -> None:
    outbox.write(
        tx,
        event_id=f"event-{number}",
        type="OrderCreated",
        correlation="order-1",
        causation="order-1:create",
        style="orchestration",
        data='{"n": 1}',
        occurred_at=1_700_000_000_000 + number,
    )


@pytest.fixture
def outboxes(sqlite_databases: Databases, tmp_path: Path) -> Outboxes:
    return Outboxes(sqlite_databases.open("orders"), tmp_path)


@pytest.fixture
def any_outboxes(databases: Databases, tmp_path: Path) -> Outboxes:
    return Outboxes(databases.open("orders"), tmp_path)


@pytest.fixture
async def sqlite_bus(sqlite_log: Log) -> AsyncIterator[Bus]:
    async with sqlite_log.opened() as opened:
        yield opened


async def test_what_is_written_is_published_in_order_and_kept(any_outboxes: Outboxes, sqlite_bus: Bus) -> None:
    any_outboxes.write(*range(250))
    async with any_outboxes.relayed(sqlite_bus):
        await any_outboxes.is_empty()
        any_outboxes.write(250)
        await any_outboxes.is_empty()
    published = await read_all(sqlite_bus)
    assert ids(published) == [f"event-{number}" for number in range(251)]
    with any_outboxes.database.begin() as tx:
        assert list(outbox.all_published(tx, "/orders")) == [one.event for one in published]
    sequences = [one.event.sequence for one in published]
    assert sequences == sorted(set(sequences))
    assert {(one.event.source, one.event.causationid) for one in published} == {("/orders", "order-1:create")}


async def test_what_is_rolled_back_is_never_published(any_outboxes: Outboxes, sqlite_bus: Bus) -> None:
    def in_vain() -> None:
        with any_outboxes.database.begin() as tx:
            write(tx, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_vain()
    any_outboxes.write(2)
    async with any_outboxes.relayed(sqlite_bus):
        await any_outboxes.is_empty()
    assert ids(await read_all(sqlite_bus)) == ["event-2"]


async def test_stopping_takes_on_what_was_written_before(any_outboxes: Outboxes, sqlite_bus: Bus) -> None:
    async with any_outboxes.relayed(sqlite_bus):
        any_outboxes.write(*range(300))
    assert len(await read_all(sqlite_bus)) == 300
    assert any_outboxes.left() == 0


class LosesItsConnection:
    """A database that is gone at the n-th transaction, once: what was not committed by then is not."""

    def __init__(self, database: Database, at: int) -> None:
        self._database = database
        self._left = at

    @property
    def is_sqlite(self) -> bool:
        return self._database.is_sqlite

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        self._left -= 1
        with self._database.begin() as tx:
            yield tx
            if self._left == 0:
                raise OperationalError("the connection is lost", None, Exception())

    def alone(self, change: object) -> None:
        raise AssertionError("the relay changes no schema")


@pytest.mark.parametrize("at", [1, 2, 3, 4])
async def test_a_relay_that_dies_between_the_bus_and_the_outbox_publishes_nothing_twice(
    outboxes: Outboxes, bus: Bus, at: int
) -> None:
    """At the reading (odd), and at the noting (even), when all of it is on the bus already."""
    outboxes.write(*range(150))
    async with outboxes.relayed(bus, LosesItsConnection(outboxes.database, at)):
        await outboxes.is_empty()
    assert ids(await read_all(bus)) == [f"event-{number}" for number in range(150)]


class AnswersLate:
    """A bus that does what it is asked, and is not heard, so many times."""

    def __init__(self, bus: Bus, times: int, *, before: bool) -> None:
        self._bus = bus
        self._times = times
        self._before = before

    async def append(self, events: Sequence[CloudEvent]) -> None:
        self._times -= 1
        if self._times >= 0 and self._before:
            raise BusDown("not there")
        await self._bus.append(events)
        if self._times >= 0:
            raise BusDown("no answer")

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)


@pytest.mark.parametrize("before", [True, False])
async def test_while_the_bus_does_not_answer_nothing_is_lost(outboxes: Outboxes, bus: Bus, before: bool) -> None:
    outboxes.write(*range(20))
    late: Bus = AnswersLate(bus, 2, before=before)  # type: ignore[assignment] # the rest is the bus' own
    async with outboxes.relayed(late):
        await outboxes.is_empty()
    assert ids(await read_all(bus)) == [f"event-{number}" for number in range(20)]


async def test_several_relays_publish_each_event_once_and_in_order(any_outboxes: Outboxes, sqlite_bus: Bus) -> None:
    async with any_outboxes.relayed(sqlite_bus), any_outboxes.relayed(sqlite_bus), any_outboxes.relayed(sqlite_bus):
        for number in range(100):
            await asyncio.to_thread(any_outboxes.write, number)
        await any_outboxes.is_empty()
    assert ids(await read_all(sqlite_bus)) == [f"event-{number}" for number in range(100)]


async def test_another_relay_takes_over(outboxes: Outboxes, bus: Bus) -> None:
    async with outboxes.relayed(bus) as first:
        async with outboxes.relayed(bus):
            outboxes.write(1)
            await outboxes.is_empty()
        outboxes.write(2)
        await outboxes.is_empty()
        assert not first.done()
    assert ids(await read_all(bus)) == ["event-1", "event-2"]
