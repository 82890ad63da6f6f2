"""From the outbox to the bus: what was committed, all of it, once and in order, whichever process dies."""

import asyncio
import json
from collections.abc import AsyncIterator, Hashable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from kernel import outbox
from kernel.database import Database
from kernel.envelope import CloudEvent
from messaging.bus import Bus, BusDown, EventRefused
from messaging.failure import FailureState
from messaging.locks import FileLocks
from messaging.progress import Progress
from messaging.quarantine import Quarantine
from messaging.relay import Outbox, Relay
from tests.databases import Databases, rows
from tests.logs import lines_of
from tests.messaging.conftest import SECONDS, Log, ids, read_all
from tests.messaging.fates import SqlFate


class Outboxes:
    """A service's outbox, and relays that serve it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self._folder = folder
        self.progress = Progress(Database(f"sqlite:///{folder}/consumers.db"))
        self.progress.open()
        database.alone(outbox.metadata.create_all)

    def write(self, *numbers: int) -> None:
        with self.database.begin() as tx:
            for number in numbers:
                write(tx, number)

    def left(self) -> int:
        return sum(published_at is None for (published_at,) in rows(self.database, outbox.outbox, "published_at"))

    @asynccontextmanager
    async def relayed(self, bus: Bus, storage: Outbox | None = None) -> AsyncIterator[asyncio.Task[None]]:
        locks = FileLocks(self._folder / "locks")
        relay = Relay({"orders": storage or self.database}, bus, locks, self.progress)
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


def write(tx: Connection, number: int, data: str = '{"n": 1}') -> None:
    outbox.write(
        tx,
        event_id=f"event-{number}",
        type="OrderCreated",
        correlation="order-1",
        causation="order-1:create",
        style="orchestration",
        data=data,
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

    def stamp(self) -> Hashable | None:
        return self._database.stamp()

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
    """A bus that appends, and loses its answer, this number of times."""

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


async def test_a_relay_says_at_its_start_that_the_bus_lacks_what_was_published(
    outboxes: Outboxes, sqlite_databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when no consumer had read it."""
    fate = SqlFate(sqlite_databases)
    outboxes.write(1)
    for _ in range(2):
        async with fate.log.opened() as bus, outboxes.relayed(bus):
            await outboxes.is_empty()
        assert lines_of(caplog, "messaging.relay") == []
    await fate.lose()
    async with fate.log.opened() as bus, outboxes.relayed(bus):
        outboxes.write(2)
        await outboxes.is_empty()
    (found,) = lines_of(caplog, "messaging.relay")
    assert "the bus lacks event-1, which orders has published" in found


async def test_a_damaged_row_stops_no_relay_that_comes_later(outboxes: Outboxes, sqlite_bus: Bus) -> None:
    with outboxes.database.begin() as tx:
        write(tx, 1, data="not json")
    for number in (2, 3):
        async with outboxes.relayed(sqlite_bus):
            await outboxes.is_empty()
        outboxes.write(number)
        with outboxes.database.begin() as tx:
            write(tx, 10 * number, data="not json")
    async with outboxes.relayed(sqlite_bus):
        await outboxes.is_empty()
    assert ids(await read_all(sqlite_bus)) == ["event-2", "event-3"]


async def test_a_relay_misses_nothing_that_the_bus_has_never_taken(
    outboxes: Outboxes, sqlite_bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    taking: Bus = TakesLittle(sqlite_bus)  # type: ignore[assignment] # the rest is the bus' own
    with outboxes.database.begin() as tx:
        write(tx, 1, data=f'{{"note": "{"x" * 200}"}}')
    for _ in range(2):
        async with outboxes.relayed(taking):
            await outboxes.is_empty()
    assert "is a dead letter" in caplog.text
    assert "the bus lacks" not in caplog.text


async def test_another_relay_takes_over(outboxes: Outboxes, bus: Bus) -> None:
    async with outboxes.relayed(bus) as first:
        async with outboxes.relayed(bus):
            outboxes.write(1)
            await outboxes.is_empty()
        outboxes.write(2)
        await outboxes.is_empty()
        assert not first.done()
    assert ids(await read_all(bus)) == ["event-1", "event-2"]


class TakesLittle:
    """A bus that refuses what is larger than a hundred characters, for now."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.is_mended = False

    async def append(self, events: Sequence[CloudEvent]) -> None:
        for event in events:
            if len(str(event.data)) > 100 and not self.is_mended:
                raise EventRefused(event.id, "it is too large")
        await self._bus.append(events)

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)


def dead(outboxes: Outboxes) -> list[tuple[str, str, str]]:
    letters = outboxes.progress.failures(FailureState.DEAD)
    return [(one.consumer, one.id, one.error) for one in letters]


async def test_what_the_bus_does_not_take_is_a_dead_letter_and_the_others_go_on(
    outboxes: Outboxes, sqlite_bus: Bus
) -> None:
    little = TakesLittle(sqlite_bus)
    taking: Bus = little  # type: ignore[assignment] # the rest is the bus' own
    with outboxes.database.begin() as tx:
        for number in range(5):
            write(tx, number, data=f'{{"note": "{"x" * 200 if number in (1, 3) else ""}"}}')
    async with outboxes.relayed(taking):
        await outboxes.is_empty()
        assert dead(outboxes) == [("relay-orders", f"event-{number}", "it is too large") for number in (1, 3)]
        assert ids(await read_all(sqlite_bus)) == ["event-0", "event-2", "event-4"]

        outboxes.progress.requeue("relay-orders", "event-1")  # in vain
        async with asyncio.timeout(SECONDS):
            while [one.attempts for one in outboxes.progress.failures(FailureState.DEAD)] != [2, 1]:
                await asyncio.sleep(0.01)
        little.is_mended = True
        for event_id in ("event-1", "event-3"):
            outboxes.progress.requeue("relay-orders", event_id)
        async with asyncio.timeout(SECONDS):
            while outboxes.progress.failures(*FailureState):
                await asyncio.sleep(0.01)
    assert ids(await read_all(sqlite_bus)) == ["event-0", "event-2", "event-4", "event-1", "event-3"]


async def test_a_row_of_which_no_event_can_be_made_is_kept_and_the_others_go_on(
    outboxes: Outboxes, sqlite_bus: Bus
) -> None:
    with outboxes.database.begin() as tx:
        for number, data in enumerate(["{}", "not json", "[]", "{}"]):
            write(tx, number, data)
    async with outboxes.relayed(sqlite_bus):
        await outboxes.is_empty()
    assert ids(await read_all(sqlite_bus)) == ["event-0", "event-3"]
    kept = Quarantine(outboxes.progress).messages(consumer="relay-orders")
    assert [json.loads(one.message.raw)["data"] for one in kept] == ["not json", "[]"]


async def test_after_a_restart_what_was_set_aside_is_still_in_nobody_s_way(
    outboxes: Outboxes, sqlite_bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    """The relay begins with a look at what was published last, which is neither of these."""
    taking: Bus = TakesLittle(sqlite_bus)  # type: ignore[assignment] # the rest is the bus' own
    for data in (f'{{"note": "{"x" * 200}"}}', "not json"):
        with outboxes.database.begin() as tx:
            write(tx, 1_000 + len(data), data)
        async with outboxes.relayed(taking):
            await outboxes.is_empty()
        caplog.clear()
        async with outboxes.relayed(taking):
            outboxes.write(len(data))
            await outboxes.is_empty()
        assert lines_of(caplog, "messaging.relay") == []
    assert len(await read_all(sqlite_bus)) == 2


async def test_an_event_over_the_limit_of_nats_stops_no_other(outboxes: Outboxes, nats_log: Log) -> None:
    """Not on this connection, which the server would end, and not after a restart."""
    with outboxes.database.begin() as tx:
        write(tx, 0, data=f'{{"note": "{"x" * 1_100_000}"}}')
        write(tx, 1)
        write(tx, 2, data=f'{{"note": "{"x" * 1_000_000}"}}')  # within it
        # Only with its headers over it.
        write(tx, 3, data=f'{{"note": "{"x" * (1_048_576 - 520)}"}}')
    async with nats_log.opened() as bus, outboxes.relayed(bus):
        await outboxes.is_empty()
        outboxes.write(4)
        await outboxes.is_empty()
        assert ids(await bus.of("order-1")) == ["event-1", "event-2", "event-4"]
    assert [event_id for _, event_id, _ in dead(outboxes)] == ["event-0", "event-3"]
    assert "NATS takes 1,048,576" in dead(outboxes)[0][2]


class Failing:
    """A service's database that is away until it is mended."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.attempts = 0
        self.is_mended = False

    @property
    def is_sqlite(self) -> bool:
        return self._database.is_sqlite

    def stamp(self) -> Hashable | None:
        return self._database.stamp()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        self.attempts += 1
        if not self.is_mended:
            raise ZeroDivisionError("a bug, or an outage")
        with self._database.begin() as tx:
            yield tx

    def alone(self, change: object) -> None:
        raise AssertionError("the relay changes no schema")


async def test_a_service_whose_outbox_cannot_be_read_delays_no_other_and_is_logged_once(
    outboxes: Outboxes, sqlite_databases: Databases, sqlite_bus: Bus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = sqlite_databases.open("payments")
    other.alone(outbox.metadata.create_all)
    failing, locks = Failing(other), FileLocks(tmp_path / "locks")
    with other.begin() as tx:
        write(tx, 7)
    relay = Relay({"payments": failing, "orders": outboxes.database}, sqlite_bus, locks, outboxes.progress)
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(SECONDS):
        number = 10
        while failing.attempts < 2:
            outboxes.write(number := number + 1)
            relay.nudge()
            await outboxes.is_empty()
        failing.is_mended = True
        while "event-7" not in ids(await read_all(sqlite_bus)):
            await asyncio.sleep(0.01)
    relay.stop()
    await running
    locks.close()
    found = [line for line in caplog.messages if line.startswith("relay of payments")]
    assert [line.partition(" at ")[0] for line in found] == [
        "relay of payments (payments): ZeroDivisionError: a bug, or an outage"
    ]
