"""Follows watched orders, once for all browsers of this process.

One reader follows the bus, and one loop polls the watched orders at a bounded rate, however many watchers there are.
Watchers pull: each waits for a change and takes what it has not received, so a slow one delays no other.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from client.contracts import OrderHistory, PlacedOrder, Stage
from client.protocol import OrderClient
from kernel.trouble import Trouble
from kernel.waiting import is_set_within
from messaging.bus import Bus, Recorded, readable
from wiring.failures import PASSING

_log = logging.getLogger("web")

_AT_ONCE = 8  # orders are asked about, by the whole process
_TICK_SECONDS = 0.1
_FIRST_SECONDS, _LONGEST_SECONDS = 0.3, 3.0
_AFTER_EVENT_SECONDS = 0.05
_PAUSE_SECONDS = 1.0
_READ_SECONDS = 5.0
_BATCH = 200


class Orders(Protocol):
    """Finds the client of an order's style."""

    def client_of(self, order_id: str) -> Awaitable[OrderClient]: ...


class Watched:
    """One order: its state, and its events by position. `trouble` is the reason why these may be outdated."""

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        self.events: dict[int, Recorded] = {}
        self.placed: PlacedOrder | None = None
        self.history = OrderHistory()
        self.trouble = ""
        self.version = 0
        self.watchers = 0
        self.due = 0.0
        self.pause = _FIRST_SECONDS
        self.loaded = asyncio.Lock()
        self._news = asyncio.Event()
        self._document = (-1, "")

    def document(self, make: Callable[["Watched"], str]) -> str:
        """The document that all watchers receive, made once for each version."""
        if self._document[0] != self.version:
            self._document = self.version, make(self)
        return self._document[1]

    def in_order(self, after: int = 0) -> list[Recorded]:
        return [one for position, one in sorted(self.events.items()) if position > after]

    @property
    def has_ended(self) -> bool:
        """Whether no more changes are expected."""
        is_at_the_end = self.placed is not None and self.placed.state.stage is Stage.ENDED
        return is_at_the_end and not self.history.is_open

    async def news(self, version: int, wait: float) -> bool:
        """Wait for a newer version, for at most `wait` seconds."""
        if self.version == version:
            await is_set_within(self._news, wait)
        return self.version != version

    def changed(self) -> None:
        self.version += 1
        news, self._news = self._news, asyncio.Event()
        news.set()


class Live:
    """The watched orders. Args: orders: of both styles."""

    def __init__(self, bus: Bus, orders: Orders) -> None:
        self._bus = bus
        self._orders = orders
        self._watched: dict[str, Watched] = {}
        self._trouble = Trouble(_log, "page")
        self._stopping = asyncio.Event()

    @asynccontextmanager
    async def watch(self, order_id: str) -> AsyncIterator[Watched]:
        """Keep an order up to date while it has watchers. Raises NoSuchOrder, and transient errors."""
        watched = self._watched.setdefault(order_id, Watched(order_id))
        watched.watchers += 1
        try:
            async with watched.loaded:
                if watched.placed is None:
                    await self._load(watched)
            yield watched
        finally:
            watched.watchers -= 1
            if not watched.watchers:
                self._watched.pop(order_id, None)

    async def run(self) -> None:
        """Run until `stop`."""
        working = [asyncio.create_task(one) for one in (self._follow_bus(), self._ask(), self._stopping.wait())]
        try:
            done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in working:
                one.cancel()
            await asyncio.wait(working)

    @property
    def is_stopped(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """Disconnect all watchers."""
        self._stopping.set()
        for watched in self._watched.values():
            watched.changed()

    async def _load(self, watched: Watched) -> None:
        for one in await self._bus.of(watched.order_id):
            watched.events[one.position] = one
        await self._look(watched)

    async def _look(self, watched: Watched) -> None:
        client = await self._orders.client_of(watched.order_id)
        placed, history = await client.get(watched.order_id), watched.history
        if placed != watched.placed or history.is_open:
            history = await client.history(watched.order_id)
        if (placed, history, "") != (watched.placed, watched.history, watched.trouble):
            watched.placed, watched.history, watched.trouble, watched.pause = placed, history, "", _FIRST_SECONDS
            watched.changed()
        else:
            watched.pause = min(1.5 * watched.pause, _LONGEST_SECONDS)
        watched.due = time.monotonic() + watched.pause

    async def _ask(self) -> None:
        """Poll the watched orders, the longest-waiting first."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            due = [
                one
                for one in self._watched.values()
                if one.placed and one.due <= now and not (one.has_ended and one.due == 0)
            ]
            chosen = sorted(due, key=lambda one: one.due)[:_AT_ONCE]
            await asyncio.gather(*(self._ask_about(one) for one in chosen))

    async def _ask_about(self, watched: Watched) -> None:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                await self._look(watched)
            self._trouble.over(watched.order_id)
            if watched.has_ended:
                watched.due = 0  # until there is an event again
        except (*PASSING, TimeoutError) as error:
            self._trouble.met(watched.order_id, error)
            watched.trouble = "Where the order stands cannot be seen at the moment."
            watched.due = time.monotonic() + _PAUSE_SECONDS
            watched.changed()

    async def _follow_bus(self) -> None:
        log, position = "", 0
        while True:
            try:
                state = await self._bus.state()
                if state.id != log or position > state.head:  # the first time, or another log is in its place
                    log, position = state.id, state.head
                    await self._again()
                position = await self._read_on(position)
                self._trouble.over("bus")
            except PASSING as error:
                self._trouble.met("bus", error)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _read_on(self, position: int) -> int:
        """Read for some seconds, so that a replaced log is noticed. Returns the new position."""
        reader, until = await self._bus.read(None, position), time.monotonic() + _READ_SECONDS
        try:
            while time.monotonic() < until:
                for entry in await reader.next(_BATCH, 1.0):
                    position = entry.position
                    for one in readable([entry]):
                        self._received(one)
        finally:
            await reader.close()
        return position

    def _received(self, recorded: Recorded) -> None:
        watched = self._watched.get(recorded.event.correlationid)
        if watched and recorded.position not in watched.events:
            watched.events[recorded.position] = recorded
            watched.due, watched.pause = time.monotonic() + _AFTER_EVENT_SECONDS, _FIRST_SECONDS
            watched.changed()

    async def _again(self) -> None:
        for watched in list(self._watched.values()):
            found = {one.position: one for one in await self._bus.of(watched.order_id)}
            if found.keys() != watched.events.keys():
                watched.events = found
                watched.changed()
