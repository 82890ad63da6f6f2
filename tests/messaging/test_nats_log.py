"""What the bus promises when it is NATS: servers that die, connections that break, clients of others."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats
import pytest

from kernel.envelope import CloudEvent
from lab.servers.nats import NatsServer
from messaging.bus import Bus, BusDown, Reader, Recorded, partition_of, readable
from messaging.nats.log import NatsLog
from tests.conftest import free_port
from tests.messaging.conftest import SECONDS, Log, event, events, ids, read_all
from tests.messaging.test_bus import read


async def append_in_spite_of_outages(bus: Bus, batch: list[CloudEvent]) -> None:
    """As the relay does it."""
    async with asyncio.timeout(SECONDS):
        while True:
            with suppress(BusDown):
                return await bus.append(batch)
            await asyncio.sleep(0.02)


async def read_in_spite_of_outages(reader: Reader, have: list[Recorded], count: int) -> None:
    """Until there are this many, or some more."""
    async with asyncio.timeout(SECONDS):
        while len(have) < count:
            try:
                have += readable(await reader.next(7, wait=0.2))
            except BusDown:
                await asyncio.sleep(0.02)


@pytest.fixture
def mortal_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A NATS server that a test may kill."""
    server = NatsServer(tmp_path / "nats", free_port())
    server.start()
    yield server
    server.stop()


def assert_logged_in_single_lines(caplog: pytest.LogCaptureFixture) -> None:
    assert caplog.records
    for record in caplog.records:
        assert record.exc_info is None
        assert "\n" not in record.getMessage()


async def test_what_nats_acknowledged_survives_its_death(
    mortal_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with Log(lambda: NatsLog(mortal_server.url, "ORDERS")).opened() as bus:
        reader = await bus.read(None, 0)
        await bus.append(events("order-1", range(1, 4)))
        seen = await read(reader, 2)
        mortal_server.kill()
        with pytest.raises(BusDown) as refused:
            await bus.append(events("order-1", range(4, 7)))
        assert "\n" not in str(refused.value)
        with pytest.raises(BusDown):
            await reader.next(10, wait=SECONDS)
        mortal_server.start()
        await append_in_spite_of_outages(bus, events("order-1", range(4, 7)))
        await read_in_spite_of_outages(reader, seen, 6)
        await reader.close()
        assert ids(seen) == [f"order-1:{number}" for number in range(1, 7)]
        assert await read_all(bus) == seen
    assert_logged_in_single_lines(caplog)


async def test_a_server_that_dies_again_and_again_turns_no_order_around(mortal_server: NatsServer) -> None:
    """Nor does it lose or double anything, for batches that are appended until they are acknowledged."""
    log = Log(lambda: NatsLog(mortal_server.url, "ORDERS"))
    batches = [events("order-1", range(start, start + 10)) for start in range(1, 601, 10)]

    async def append_all() -> None:
        async with log.opened() as bus:
            for batch in batches:
                await append_in_spite_of_outages(bus, batch)

    async with log.opened() as bus:
        reader, seen = await bus.read(None, 0), list[Recorded]()
        appending = asyncio.create_task(append_all())
        for death in range(1, 5):
            await read_in_spite_of_outages(reader, seen, 100 * death)
            mortal_server.kill()
            mortal_server.start()
        await read_in_spite_of_outages(reader, seen, 600)
        await appending
        await reader.close()
        assert ids(seen) == [f"order-1:{number}" for number in range(1, 601)]
        assert await read_all(bus) == seen


class Wire:
    """A line to NATS that breaks three times, each time after this number of pieces in either direction."""

    def __init__(self, server: NatsServer, pieces: int) -> None:
        self._far = int(server.url.rpartition(":")[2])
        self._pieces = pieces
        self._carried = 0
        self._ends: set[asyncio.StreamWriter] = set()
        self.breaks = 0
        self.url = ""

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[None]:
        async with await asyncio.start_server(self._carry, "127.0.0.1") as server:
            self.url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield
            while self._ends:
                await asyncio.sleep(0)

    async def _carry(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        there, forth = await asyncio.open_connection("127.0.0.1", self._far)
        self._ends |= {back, forth}
        await asyncio.gather(self._copy(here, forth), self._copy(there, back))
        self._ends -= {back, forth}

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await source.read(250):
                target.write(piece)
                await target.drain()
                self._carried += 1
                if self._carried == self._pieces and self.breaks < 3:
                    self.breaks, self._carried = self.breaks + 1, 0
                    for end in self._ends:
                        end.transport.abort()
        target.close()


def tasks_of_clients() -> set[asyncio.Task[Any]]:
    """What runs in the NATS client's own code; other tests' shops are at work in the same loop."""
    return {task for task in asyncio.all_tasks() if "/nats/aio/" in repr(task)}


async def test_a_connection_that_breaks_at_any_moment_loses_doubles_and_turns_around_nothing(
    nats_server: NatsServer,
) -> None:
    async def appended_and_read(wire: Wire) -> list[str]:
        stream = f"ORDERS_{uuid4().hex}"
        async with wire.laid(), Log(lambda: NatsLog(wire.url, stream)).opened() as bus:
            reader, seen = await bus.read(None, 0), list[Recorded]()
            reading = asyncio.create_task(read_in_spite_of_outages(reader, seen, 60))
            for start in range(1, 61, 20):
                await append_in_spite_of_outages(bus, events("order-1", range(start, start + 20)))
            await reading
            await reader.close()
        return ids(seen)

    before = tasks_of_clients()
    wires = [Wire(nats_server, pieces) for pieces in range(10, 100, 9)]
    for seen in await asyncio.gather(*map(appended_and_read, wires)):
        assert seen == [f"order-1:{number}" for number in range(1, 61)]
    assert [wire.breaks for wire in wires] == [3] * len(wires)
    async with asyncio.timeout(SECONDS):
        while tasks_of_clients() - before:  # nor is a client left that would try to connect permanently
            await asyncio.sleep(0.01)


async def test_of_a_batch_in_which_nats_refuses_one_event_none_is_appended_and_later_all_in_their_order(
    nats_server: NatsServer,
) -> None:
    stream = f"ORDERS_{uuid4().hex}"
    large = event("order-1", 2).model_copy(update={"data": {"text": "x" * 5_000}})
    batch = [event("order-1", 1), large, event("order-1", 3)]
    async with (
        Log(lambda: NatsLog(nats_server.url, stream)).opened() as bus,
        await nats.connect(nats_server.url) as operator,
    ):
        await bus.append([event("order-1", 0)])
        config = (await operator.jsm().stream_info(stream)).config
        await operator.jsm().update_stream(config, max_msg_size=2_000)
        with pytest.raises(BusDown):
            await bus.append(batch)
        assert ids(await read_all(bus)) == ["order-1:0"]
        await operator.jsm().update_stream(config, max_msg_size=-1)
        await bus.append(batch)
        assert [each.event for each in await read_all(bus)] == [event("order-1", 0), *batch]


async def test_a_reader_that_nats_has_forgotten_goes_on_where_it_was(nats_server: NatsServer) -> None:
    """As it does when nothing was asked of it for a minute."""
    stream = f"ORDERS_{uuid4().hex}"
    async with (
        Log(lambda: NatsLog(nats_server.url, stream)).opened() as bus,
        await nats.connect(nats_server.url) as operator,
    ):
        await bus.append(events("order-1", range(1, 5)))
        reader = await bus.read(None, 0)
        read = await reader.next(2, wait=0)
        for consumer in await operator.jsm().consumers_info(stream):
            await operator.jsm().delete_consumer(stream, consumer.name)
        read += await reader.next(10, wait=0)
        await reader.close()
        assert ids(read) == [f"order-1:{number}" for number in range(1, 5)]
        assert await operator.jsm().consumers_info(stream) == []


async def test_other_programs_get_cloudevents_from_nats_by_order_and_type(nats_server: NatsServer) -> None:
    stream = f"ORDERS_{uuid4().hex}"
    async with (
        Log(lambda: NatsLog(nats_server.url, stream)).opened() as bus,
        await nats.connect(nats_server.url) as program,
    ):
        await bus.append([event("order-2"), event("order.1")])
        subscription = await program.jetstream().pull_subscribe(f"{stream}.*.order~1.OrderCreated", stream=stream)
        (message,) = await subscription.fetch(1, SECONDS)
        assert message.subject == f"{stream}.{partition_of('order.1')}.order~1.OrderCreated"
        assert message.headers is not None
        assert message.headers["Content-Type"] == "application/cloudevents+json"
        assert CloudEvent.model_validate_json(message.data) == event("order.1")


async def test_many_processes_can_open_a_new_stream_at_once(nats_log: Log) -> None:
    async with AsyncExitStack() as processes:
        buses = [await processes.enter_async_context(nats_log.opened()) for _ in range(8)]
        await asyncio.gather(*(bus.append([event(f"order-{n % 4}", n)]) for n in range(1, 9) for bus in buses))
        assert len(await read_all(buses[0])) == 8


async def test_where_nobody_listens_all_are_informed_within_seconds(caplog: pytest.LogCaptureFixture) -> None:
    bus = NatsLog(f"nats://somebody:secret@127.0.0.1:{free_port()}", "ORDERS")
    async with asyncio.timeout(SECONDS / 3):
        answers = await asyncio.gather(
            bus.append([event("order-1")]), *(bus.head() for _ in range(20)), return_exceptions=True
        )
    for answer in answers:
        assert isinstance(answer, BusDown)
        assert "\n" not in str(answer)
        assert "secret" not in str(answer)
    assert "Connect call failed" in str(answers[0])
    await bus.close()
    assert_logged_in_single_lines(caplog)


async def test_a_log_that_is_closed_is_down(nats_log: Log) -> None:
    async with nats_log.opened() as bus:
        reader = await bus.read(None, 0)
        await reader.next(1, wait=0)
    with pytest.raises(BusDown):
        await reader.next(1, wait=SECONDS)
    with pytest.raises(BusDown):
        await bus.append([event("order-1")])
    await reader.close()
