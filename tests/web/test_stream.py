"""An order's stream, without a browser: one reader for all, catching up, and who is too slow."""

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from choreography.client import ChoreographyClient
from choreography.events import CancelRequested
from kernel.contracts import Style
from kernel.envelope import new_event
from kernel.keys import event_id
from lab.settings import LabSettings
from messaging.sql_log import SqlLog
from tests.choreographed import ChoreographedShop, clients_of
from tests.conftest import free_port
from tests.processes import NOBODY_LISTENS
from tests.shop import sample_order
from web.server import page
from web.settings import WebSettings


@dataclass
class Stream:
    """What one reader was sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: str
    orders: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    resets: int = 0

    async def until(self, events: int, orders: int = 1) -> None:
        async with asyncio.timeout(30):
            while len(self.events) < events or len(self.orders) < orders:
                await self._next()

    async def _next(self) -> None:
        """Messages come in chunks, each behind a line with its size."""
        kind = ""
        while line := (await self.reader.readline()).decode():
            name, _, value = line.rstrip("\r\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                self.resets += kind == "reset"
                {"event": self.events, "order": self.orders, "reset": []}[kind].append(json.loads(value))
                return
        raise ConnectionError("the stream has ended")


@dataclass(frozen=True)
class Served:
    port: int
    shop: ChoreographedShop
    asked: Counter[str]

    async def publish(self, order_id: str, count: int = 1, reason: str = "") -> None:
        """That the customer does not want it, time and again."""
        event = CancelRequested(reason=reason)
        data, source = event.model_dump(mode="json"), "/customer"
        published = [
            new_event(
                event.type(),
                data,
                event_id=event_id(order_id, uuid4().hex),
                source=source,
                correlation=order_id,
                causation=source,
                style=Style.CHOREOGRAPHY,
            )
            for _ in range(count)
        ]
        await self.shop.eventing.bus.append(published)

    @asynccontextmanager
    async def stream(self, order_id: str, **headers: str) -> AsyncIterator[Stream]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"GET /orders/{order_id}/events HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = (await reader.readline()).decode().split()[1]
        while (await reader.readline()).strip():
            pass  # headers
        try:
            yield Stream(reader, writer, status)
        finally:
            writer.close()


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """In this process, over a bus in SQLite and without a Temporal server; what it asks of either is counted."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOBODY_LISTENS)
    port, asked = free_port(), Counter[str]()
    read, get = SqlLog._entries, ChoreographyClient.get

    async def counted_read(log: SqlLog, *arguments: Any) -> Any:
        asked["bus"] += 1
        return await read(log, *arguments)

    async def counted_get(client: ChoreographyClient, order_id: str) -> Any:
        asked["orders"] += 1
        return await get(client, order_id)

    monkeypatch.setattr(SqlLog, "_entries", counted_read)
    monkeypatch.setattr(ChoreographyClient, "get", counted_get)
    settings = LabSettings(data_dir=tmp_path).given(WebSettings(port=port))
    async with page(settings), clients_of(settings) as shop:
        yield Served(port, shop, asked)


async def test_five_hundred_readers_cost_what_one_does(served: Served) -> None:
    order = sample_order()
    await served.shop.client.place(order)
    served.asked.clear()
    async with asyncio.timeout(60), AsyncExitStack() as readers:
        streams = [await readers.enter_async_context(served.stream(order.order_id)) for _ in range(500)]
        await asyncio.gather(*(one.until(1) for one in streams))
        await served.publish(order.order_id)
        await asyncio.gather(*(one.until(2) for one in streams))
        assert {one.events[-1]["type"] for one in streams} == {"CancelRequested"}
        assert served.asked["orders"] < 50
        assert served.asked["bus"] < 250


async def test_who_comes_back_gets_what_it_has_missed_and_no_more(served: Served) -> None:
    order = sample_order()
    await served.shop.client.place(order)
    async with served.stream(order.order_id) as stream:
        await stream.until(1)
    await served.publish(order.order_id)
    async with served.stream(order.order_id, Last_Event_ID=str(stream.events[0]["position"])) as again:
        await again.until(1)
        assert [one["type"] for one in again.events] == ["CancelRequested"]
        assert again.orders[-1]["stage"] == "undoing"
    async with served.stream(order.order_id, Last_Event_ID="999999") as lost:  # of a bus that is no more
        await lost.until(2)
        assert lost.resets == 1


async def test_nothing_private_is_on_the_stream(served: Served) -> None:
    order = sample_order()
    await served.shop.client.place(order)
    async with served.stream(order.order_id) as stream:
        await stream.until(1)
    sent = json.dumps([*stream.events, *stream.orders])
    assert order.payment_token not in sent
    assert order.ship_to.street not in sent


async def test_an_order_that_does_not_exist_has_no_stream(served: Served) -> None:
    async with served.stream("no-such-order") as stream:
        assert stream.status == "503"  # no Temporal server: it may be one of its orders


async def test_who_does_not_read_is_dropped_and_holds_up_nobody(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.stream._SEND_SECONDS", 0.2)
    order = sample_order()
    await served.shop.client.place(order)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect(("127.0.0.1", served.port))
        slow.sendall(f"GET /orders/{order.order_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        slow.settimeout(20)
        await asyncio.to_thread(slow.recv, 1, socket.MSG_PEEK)  # its stream has begun
        async with served.stream(order.order_id) as quick:
            reading = asyncio.create_task(quick.until(301))
            for _ in range(100):
                await served.publish(order.order_id, 3, "x" * 1_000)
            await reading
            for number in range(20):  # its connection takes no more, and that is found when there is more
                await served.publish(order.order_id)
                await quick.until(302 + number)
            sent = await asyncio.to_thread(_until_the_end, slow)
    assert 0 < sent.count(b"event: event") < 321


def _until_the_end(connection: socket.socket) -> bytes:
    received, deadline = b"", time.monotonic() + 10
    with suppress(ConnectionResetError):
        while more := connection.recv(65_536):
            received += more
            assert time.monotonic() < deadline, "it was not dropped"
    return received
