"""A message that is no event stops nobody: it is set aside as it is, seen, and read again once somebody can."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import nats
import pytest
from sqlalchemy import insert, text

from kernel.envelope import CloudEvent, NotAnEvent
from lab.servers.nats import NatsServer
from messaging.bus import Bus, Unreadable, partition_of
from messaging.failure import FailureState
from messaging.nats.log import NatsLog
from messaging.quarantine import Quarantine
from messaging.sql_log import log as events_table
from messaging.subscription import Rule
from tests.databases import Databases
from tests.messaging.conftest import Log, event, ids, read_all, sql_log
from tests.messaging.listening import Listener, until

ORDER = "order-1"


def changed(about: CloudEvent, **changes: object) -> bytes:
    return json.dumps(about.model_dump(mode="json") | changes).encode()


KINDS = {
    "not JSON": b"hello",
    "no object": b"null",
    "empty": b"{}",
    "of a later version": changed(event(ORDER), specversion="2.0"),
    "an id that is too long": changed(event(ORDER), id="x" * 201),
    "an id with a NUL": changed(event(ORDER), id="x\0"),
    "an order's id that is too long": changed(event(ORDER), correlationid="x" * 65),
    "a type with a blank": changed(event(ORDER), type="Order Created"),
    "of another order": changed(event("order-2")),
    "of another type": changed(event(ORDER), type="OrderCompleted"),
}

Put = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Foreign:
    """A log, and somebody who puts anything there as ORDER's OrderCreated."""

    log: Log
    put: Put


def in_sql(databases: Databases) -> Foreign:
    async def put(raw: bytes) -> None:
        row = {"event_id": uuid4().hex, "partition": partition_of(ORDER), "correlation": ORDER, "recorded_at": 0}
        with databases.open("events").begin() as tx:
            tx.execute(insert(events_table), row | {"type": "OrderCreated", "event": raw.decode()})

    return Foreign(sql_log(databases), put)


@pytest.fixture
def sqlite_foreign(sqlite_databases: Databases) -> Foreign:
    return in_sql(sqlite_databases)


@pytest.fixture
def postgresql_foreign(postgresql_databases: Databases) -> Foreign:
    return in_sql(postgresql_databases)


@pytest.fixture
def nats_foreign(nats_server: NatsServer) -> Foreign:
    stream = f"ORDERS_{uuid4().hex}"

    async def put(raw: bytes) -> None:
        client = await nats.connect(nats_server.url)
        await client.jetstream().publish(f"{stream}.{partition_of(ORDER)}.{ORDER}.OrderCreated", raw)
        await client.close()

    return Foreign(Log(lambda: NatsLog(nats_server.url, stream)), put)


@pytest.fixture(params=["sqlite", "postgresql", "nats"])
def foreign(request: pytest.FixtureRequest) -> Foreign:
    fixture: Foreign = request.getfixturevalue(f"{request.param}_foreign")
    return fixture


@pytest.fixture
async def bus(foreign: Foreign) -> AsyncIterator[Bus]:
    async with foreign.log.opened() as opened:
        await opened.append([event(ORDER)])  # which makes the log
        yield opened


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path)
    yield made
    made.close()


async def test_what_is_no_event_is_read_as_it_is_and_hides_no_other(foreign: Foreign, bus: Bus) -> None:
    for raw in KINDS.values():
        await foreign.put(raw)
    await bus.append([event(ORDER, 2)])
    for partition in (None, partition_of(ORDER)):
        assert ids(await read_all(bus, partition)) == [f"{ORDER}:1", f"{ORDER}:2"]
    assert ids(await bus.of(ORDER)) == [f"{ORDER}:1", f"{ORDER}:2"]
    unreadable = [one for one in await bus.entries_of(ORDER) if isinstance(one, Unreadable)]
    assert [one.raw for one in unreadable] == list(KINDS.values())
    assert {(one.partition, one.correlation, one.type) for one in unreadable} == {
        (partition_of(ORDER), ORDER, "OrderCreated")
    }
    assert all(one.why and "\n" not in one.why for one in unreadable)


async def test_a_consumer_keeps_it_and_goes_on_also_after_a_restart(
    foreign: Foreign, bus: Bus, listener: Listener
) -> None:
    for raw in KINDS.values():
        await foreign.put(raw)
    await bus.append([event(ORDER, 2)])
    async with listener.at_work(bus):
        await listener.has_handled(2)
    listener.progress.save("listener", partition_of(ORDER), 0)
    await bus.append([event(ORDER, 3)])
    async with listener.at_work(bus):
        await listener.has_handled(3)
    kept = Quarantine(listener.progress).messages(consumer="listener", correlation=ORDER)
    assert [one.message.raw for one in kept] == list(KINDS.values())
    assert listener.progress.counts() == {"listener": len(KINDS)}


async def test_who_waits_for_other_types_does_not_keep_it(foreign: Foreign, bus: Bus, listener: Listener) -> None:
    await foreign.put(b"hello")
    await bus.append([event(ORDER, 2)])
    async with listener.at_work(bus, Rule(types=("StockReserved",))):
        await until(lambda: listener.progress.positions("listener")[partition_of(ORDER)] >= 3)
    assert Quarantine(listener.progress).messages() == []


async def test_once_it_can_be_read_it_is_handled_as_the_event_that_it_is(
    sqlite_foreign: Foreign, listener: Listener
) -> None:
    """Such as one that was filed under another order: an operator decides."""
    async with sqlite_foreign.log.opened() as bus:
        await sqlite_foreign.put(KINDS["of another order"])
        quarantine = Quarantine(listener.progress)
        async with listener.at_work(bus):
            await until(lambda: bool(quarantine.messages()))
            assert listener.handled() == []
            quarantine.read_again("listener", quarantine.messages()[0].id)
            await listener.has_handled(1)
            await until(lambda: listener.progress.failures(*FailureState) == [])
    assert listener.handled() == ["order-2:1"]
    assert quarantine.messages() == []


async def test_what_still_cannot_be_read_stays_until_it_is_discarded(
    sqlite_foreign: Foreign, listener: Listener
) -> None:
    async with sqlite_foreign.log.opened() as bus:
        await sqlite_foreign.put(b"hello")
        quarantine = Quarantine(listener.progress)
        async with listener.at_work(bus):
            await until(lambda: bool(quarantine.messages()))
        (kept,) = quarantine.messages()
        with pytest.raises(NotAnEvent, match="Invalid JSON"):
            quarantine.read_again("listener", kept.id)
        assert quarantine.messages() == [kept]
        assert listener.progress.discard("listener", kept.id, "a test of somebody")
        listener.progress.save("listener", partition_of(ORDER), 0)
        await bus.append([event(ORDER)])
        async with listener.at_work(bus):
            await listener.has_handled(1)
    assert quarantine.messages() == []


async def test_bytes_that_are_no_text_hide_nothing_in_sqlite(sqlite_databases: Databases) -> None:
    async with in_sql(sqlite_databases).log.opened() as bus:
        await bus.append([event(ORDER, 1), event(ORDER, 2), event(ORDER, 3)])
        with sqlite_databases.open("events").begin() as tx:
            tx.execute(text("UPDATE events SET event = CAST(x'ff00fe' AS TEXT) WHERE position = 2"))
        assert ids(await read_all(bus)) == [f"{ORDER}:1", f"{ORDER}:3"]
        (damaged,) = [one for one in await bus.entries_of(ORDER) if isinstance(one, Unreadable)]
        assert damaged.raw == b"\xff\x00\xfe"


async def test_a_damaged_record_of_a_failure_is_kept_and_the_consumer_goes_on(
    sqlite_foreign: Foreign, listener: Listener
) -> None:
    def failing(recorded: object) -> None:
        raise ConnectionError("not now")

    async with sqlite_foreign.log.opened() as bus:
        await bus.append([event(ORDER)])
        listener.before = failing
        async with listener.at_work(bus):
            await until(lambda: bool(listener.progress.failures(FailureState.RETRYING)))
        with listener.progress.database.begin() as tx:
            tx.execute(text("UPDATE failures SET event = 'damaged'"))
        listener.before = lambda _recorded: None
        await bus.append([event("order-2")])
        async with listener.at_work(bus):
            await until(lambda: "order-2:1" in listener.handled())
            await until(lambda: bool(Quarantine(listener.progress).messages()))
    assert [one.message.raw for one in Quarantine(listener.progress).messages()] == [b"damaged"]
