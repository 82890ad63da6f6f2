"""The connection of one process to one stream of NATS JetStream."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, StorageType
from nats.js.errors import NoStreamResponseError, NotFoundError

from kernel.trouble import Trouble
from messaging.bus import BusDown

_log = logging.getLogger(__name__)

_CONNECT_SECONDS = 3
_RECONNECT_SECONDS = 1
_PING_SECONDS = 10
_IDLE_CONSUMER_SECONDS = 60
_REMEMBERED_SECONDS = 300


class NatsConnection:
    """Connects when it is first used, and reconnects when the connection is lost. Failures are BusDown, in one line."""

    def __init__(self, url: str, stream: str) -> None:
        self.stream = stream
        self._servers = url.split(",")
        self._client: Client | None = None
        self._is_stream_there = False
        self._opening = asyncio.Lock()
        self._failed_at = 0.0
        self._is_closed = False
        self._uses: set[asyncio.Timeout] = set()
        self._trouble = Trouble(_log, "the bus")

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Client]:
        """A connected client. Raises BusDown, also for failures in the block; at once when the connection is lost."""
        try:
            async with asyncio.timeout(None) as use:
                self._uses.add(use)
                try:
                    yield await self._connected()
                finally:
                    self._uses.discard(use)
        except (NatsError, OSError, TimeoutError) as error:
            if isinstance(error, NotFoundError | NoStreamResponseError):
                self._is_stream_there = False  # the server may have lost it while we were connected
            raise self._down("no answer" if isinstance(error, TimeoutError) else error) from error

    async def add_consumer(self, client: Client, config: ConsumerConfig) -> ConsumerInfo:
        """Add an ephemeral consumer in the server's memory; the server removes it when it is idle for a while."""
        ephemeral = config.evolve(
            ack_policy=AckPolicy.NONE, mem_storage=True, inactive_threshold=_IDLE_CONSUMER_SECONDS
        )
        return await client.jsm().add_consumer(self.stream, ephemeral)

    async def close(self) -> None:
        self._is_closed = True
        async with self._opening:
            if self._client:
                await self._client.close()

    async def _connected(self) -> Client:
        asked_at = time.monotonic()
        async with self._opening:
            if self._is_closed:
                raise self._down("closed")
            if self._failed_at > asked_at:
                raise self._down("no connection")  # the first caller waited for it, and raised the reason
            if self._client is None or self._client.is_closed:
                self._client = await self._open()
            if not self._client.is_connected:
                raise self._down("not connected")
            if not self._is_stream_there:
                await self._make_stream(self._client)
                self._is_stream_there = True
            return self._client

    async def _open(self) -> Client:
        client = Client()
        try:
            await self._connect(client)
            await self._make_stream(client)
            self._is_stream_there = True
        except BaseException:
            self._failed_at = time.monotonic()
            if client.is_connecting or client.is_connected or client.is_reconnecting:
                await client.close()
            raise
        self._trouble.over("connection")
        return client

    async def _connect(self, client: Client) -> None:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await client.connect(
                    list(self._servers),
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=_RECONNECT_SECONDS,
                    ping_interval=_PING_SECONDS,
                    pending_size=0,  # buffer nothing for later: the append fails, and is retried
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_connected,
                )
        except TimeoutError as error:
            raise ConnectionError(client.last_error or "no answer") from error

    async def _make_stream(self, client: Client) -> None:
        try:
            await client.jsm().stream_info(self.stream)
        except NotFoundError:
            # Another process may be creating it now; creating the same stream twice is no error.
            await client.jsm().add_stream(
                name=self.stream,
                subjects=[f"{self.stream}.>"],
                storage=StorageType.FILE,
                duplicate_window=_REMEMBERED_SECONDS,
                allow_atomic=True,
                allow_direct=True,
                deny_delete=True,
                deny_purge=True,
            )

    async def _on_error(self, error: Exception) -> None:
        self._trouble.met("connection", self._down(error))

    async def _on_connected(self) -> None:
        self._trouble.over("connection")

    async def _on_disconnected(self) -> None:
        if not self._is_closed:
            self._trouble.met("connection", self._down("disconnected"))
        for use in self._uses:
            if not use.expired():
                use.reschedule(asyncio.get_running_loop().time())

    def _down(self, why: str | Exception) -> BusDown:
        hosts = ", ".join(server.rpartition("@")[2] for server in self._servers)  # never a password
        return BusDown(f"NATS at {hosts}: {' '.join(str(why).split()) or type(why).__name__}")
