"""The bus as one stream of NATS JetStream, for all machines that reach the server.

An event's subject is `<stream>.<partition>.<order>.<type>`; its message is the CloudEvents JSON. The stream keeps all
events, and a position is a sequence number of the stream.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import uuid4

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, NotFoundError

from kernel.envelope import CloudEvent
from messaging.bus import BusDown, Entry, EventRefused, LogState, Reader, Recorded, partition_of, readable
from messaging.nats.connection import NatsConnection
from messaging.unreadable import entry

_ANSWER_SECONDS = 5
_BATCH = 500  # the server allows 1000
_HEADERS = 512  # bytes for the headers, those of a batch included
_SOME_ARE_KNOWN = 10201
_NO_MORE = ("404", "408")


class NatsLog:
    """For one event loop; connects when it is first used.

    Args:
        url: such as nats://localhost:4222; commas separate the servers of one cluster.
        stream: created if it does not exist. The server deduplicates by event id for five minutes.
    """

    def __init__(self, url: str, stream: str) -> None:
        self._connection = NatsConnection(url, stream)

    async def append(self, events: Sequence[CloudEvent]) -> None:
        messages = list({event.id: self._message(event) for event in events}.values())
        async with self._connection.use() as client:
            for message in messages:
                _check_size(message, client.max_payload)
            for start in range(0, len(messages), _BATCH):
                batch = messages[start : start + _BATCH]
                if len(batch) == 1 or not await _publish_together(client, batch):
                    for message in batch:
                        await client.jetstream().publish(**message)

    async def read(self, partition: int | None, after: int) -> Reader:
        subjects = f"{self._connection.stream}.{'*' if partition is None else partition}.>"
        return _NatsReader(self._connection, subjects, after)

    async def of(self, correlation: str) -> list[Recorded]:
        return readable(await self.entries_of(correlation))

    async def entries_of(self, correlation: str) -> list[Entry]:
        if not _is_token(correlation):
            return []
        reader = _NatsReader(self._connection, f"{self._subject(correlation)}.>", after=0)
        entries: list[Entry] = []
        try:
            while len(entries) % _BATCH == 0 and (more := await reader.next(_BATCH, wait=0)):
                entries += more
        finally:
            await reader.close()
        return entries

    async def head(self) -> int:
        async with self._connection.use() as client:
            return (await client.jsm().stream_info(self._connection.stream)).state.last_seq

    async def state(self) -> LogState:
        async with self._connection.use() as client:
            info = await client.jsm().stream_info(self._connection.stream)
        assert info.created is not None  # the server always sends it
        return LogState(info.created.isoformat(), max(info.state.first_seq, 1), info.state.last_seq)

    async def id_at(self, position: int) -> str | None:
        async with self._connection.use() as client:
            try:
                message = await client.jsm().get_msg(self._connection.stream, position)
            except NotFoundError:
                return None
        found = _entry(position, message.subject or "", message.data or b"")
        return found.event.id if isinstance(found, Recorded) else ""

    async def before(self, moment: datetime) -> int:
        async with self._connection.use() as client:
            since = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=moment)
            consumer = await self._connection.add_consumer(client, since)
            await client.jsm().delete_consumer(self._connection.stream, consumer.name)
            assert consumer.delivered is not None  # where it starts
            return consumer.delivered.stream_seq

    async def close(self) -> None:
        await self._connection.close()

    def _message(self, event: CloudEvent) -> "_Message":
        if not _is_token(event.correlationid) or re.search(r"[*>]", event.type):
            raise EventRefused(event.id, "its order or its type cannot be part of a subject of NATS")
        return {
            "subject": f"{self._subject(event.correlationid)}.{event.type}",
            "payload": event.model_dump_json().encode(),
            "headers": {"Content-Type": "application/cloudevents+json", "Nats-Msg-Id": event.id},
        }

    def _subject(self, correlation: str) -> str:
        token = correlation.replace(".", "~")  # a dot would end the token; no order's id has a tilde
        return f"{self._connection.stream}.{partition_of(correlation)}.{token}"


def _is_token(correlation: str) -> bool:
    """Whether it can be a token of a subject: it has no separator and no wildcard."""
    return bool(correlation) and not re.search(r"[\s*>~\x00-\x1f\x7f]", correlation)


def _check_size(message: "_Message", limit: int) -> None:
    """Raises EventRefused. A server closes the connection of a client that sends more than it takes."""
    event_id = message["headers"]["Nats-Msg-Id"]
    size = len(message["payload"]) + len(event_id) + _HEADERS
    if size > limit:
        raise EventRefused(event_id, f"it has {size:,} bytes, and NATS takes {limit:,} (max_payload)")


def _entry(position: int, subject: str, raw: bytes) -> Entry:
    _, partition, token, kind = (*subject.split(".", 3), "", "", "")[:4]
    order = token.replace("~", ".")
    return entry(
        raw, position=position, partition=int(partition) if partition.isdecimal() else -1, correlation=order, type=kind
    )


class _Message(TypedDict):
    subject: str
    payload: bytes
    headers: dict[str, str]


async def _publish_together(client: Client, messages: list[_Message]) -> bool:
    """Publish all of them or none. False, and none, if the server knows some of them already.

    If they were sent one by one and one got lost, appending it again would put it after its followers.
    """
    batch = uuid4().hex
    for number, message in enumerate(messages, 1):
        headers = message["headers"] | {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
        if number < len(messages):
            await client.publish(message["subject"], message["payload"], headers=headers)
    try:
        headers["Nats-Batch-Commit"] = "1"
        await client.jetstream().publish(message["subject"], message["payload"], headers=headers)
    except APIError as error:
        if error.err_code == _SOME_ARE_KNOWN:
            return False
        raise
    return True


class _Gone(BusDown):
    """The server has dropped a consumer, or messages that it sent may be lost."""


@dataclass
class _Consumer:
    """A consumer on the server, and the inbox that it delivers to."""

    name: str
    inbox: Subscription
    arrived: asyncio.Queue[Msg]
    reconnects: int
    delivered: int = 0


class _NatsReader:
    """Reads through a consumer on the server; if that is lost, through a new one from the same position."""

    def __init__(self, connection: NatsConnection, subjects: str, after: int) -> None:
        self._connection = connection
        self._subjects = subjects
        self._after = after
        self._consumer: _Consumer | None = None

    async def next(self, limit: int, wait: float) -> list[Entry]:
        is_new = self._consumer is None
        try:
            events = await self._next(limit, wait)
        except _Gone:  # the server restarted, or we paused for too long
            return await self._next(limit, wait)
        if not events and wait <= 0 and not is_new:
            # An existing consumer sees an event a moment after it was appended; a new one sees all that is there.
            await self.close()
            events = await self._next(limit, wait)
        return events

    async def _next(self, limit: int, wait: float) -> list[Entry]:
        async with self._connection.use() as client:
            if self._consumer is None:
                self._consumer = await self._subscribe(client)
            try:
                events = await self._pull(client, self._consumer, limit, wait)
            except BaseException:  # a cancellation too: the consumer may be ahead of what we have
                await self._unsubscribe()
                raise
        if events:
            self._after = events[-1].position
        return events

    async def _subscribe(self, client: Client) -> _Consumer:
        start = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self._after + 1)
        start.filter_subject = self._subjects
        info = await self._connection.add_consumer(client, start)
        arrived: asyncio.Queue[Msg] = asyncio.Queue()
        inbox = await client.subscribe(client.new_inbox(), cb=arrived.put)
        return _Consumer(info.name, inbox, arrived, client.stats["reconnects"])

    async def _pull(self, client: Client, consumer: _Consumer, limit: int, wait: float) -> list[Entry]:
        # With an expiry, `no_wait` means: wait for the first message, and not for those after it.
        request = {"batch": limit, "no_wait": True} | ({"expires": int(wait * 1e9)} if wait > 0 else {})
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._connection.stream}.{consumer.name}"
        await client.publish(subject, json.dumps(request).encode(), reply=consumer.inbox.subject)
        entries: list[Entry] = []
        async with asyncio.timeout(wait + _ANSWER_SECONDS):
            while len(entries) < limit:
                message = await consumer.arrived.get()
                status = (message.headers or {}).get("Status")
                if status in _NO_MORE:
                    break
                consumer.delivered += 1
                if status or message.metadata.sequence.consumer != consumer.delivered:
                    raise _Gone(f"NATS: the reader has lost its place (status {status})")
                entries.append(_entry(message.metadata.sequence.stream, message.subject, message.data))
        if client.stats["reconnects"] != consumer.reconnects:
            raise _Gone("NATS: the connection was lost while reading")
        return entries

    async def _unsubscribe(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer:
            with suppress(NatsError):
                await consumer.inbox.unsubscribe()

    async def close(self) -> None:
        if self._consumer:
            name = self._consumer.name
            await self._unsubscribe()
            with suppress(BusDown):  # the server removes an idle consumer by itself
                async with self._connection.use() as client:
                    await client.jsm().delete_consumer(self._connection.stream, name)
