"""Follows the orders on the bus with one reader, so that observation costs both styles the same."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

from kernel.contracts import Event
from kernel.envelope import CloudEvent
from messaging.bus import Bus, BusDown, Recorded, partition_of, readable
from services.orders.contracts import OrderStatus
from services.orders.events import END_OF_TYPE, OrderFlagged

_BATCH = 500
_LOOK_SECONDS = 0.2
_AFTER_TROUBLE_SECONDS = 1.0
_STILL_SECONDS = 3.0


class Watch:
    """Receives every event from the first on."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._types: defaultdict[str, set[str]] = defaultdict(set)
        self._received_at = time.monotonic()
        self._looked = asyncio.Condition()
        self._ended: dict[str, OrderStatus] = {}
        self._flagged: dict[str, OrderStatus] = {}
        self._without_event: dict[str, OrderStatus] = {}
        self.events: list[CloudEvent] = []
        self.last_of: dict[int, int] = {}  # by partition, the position of its newest event

    async def run(self) -> None:
        """Run until cancelled."""
        reader = await self._bus.read(None, 0)
        try:
            while True:
                try:
                    for recorded in readable(await reader.next(_BATCH, _LOOK_SECONDS)):
                        self._receive(recorded)
                except BusDown:
                    await asyncio.sleep(_AFTER_TROUBLE_SECONDS)
                async with self._looked:
                    self._looked.notify_all()
        finally:
            await reader.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which is checked several times a second."""
        async with self._looked:
            await self._looked.wait_for(condition)

    def has_event(self, order_id: str, *events: type[Event]) -> bool:
        """Whether the order has one of these events."""
        return not self._types.get(order_id, set()).isdisjoint(event.type() for event in events)

    @property
    def ends(self) -> dict[str, OrderStatus]:
        """The result of each order: its end, or needs attention, which its record shows first."""
        return self._without_event | self._ended | self._flagged

    def is_finished(self, order_id: str) -> bool:
        return any(order_id in rest for rest in (self._ended, self._flagged, self._without_event))

    def all_rest(self, orders: Iterable[str]) -> bool:
        """For an order that needs attention, other undos may still run for a moment."""
        return all(map(self.is_finished, orders)) and (not self._flagged or self.quiet > _STILL_SECONDS)

    def knows(self, order_id: str) -> bool:
        """Whether the order has any event."""
        return order_id in self._types

    def ended_unpublished(self, order_id: str, status: OrderStatus) -> None:
        """Note that an order has ended without an event on the bus."""
        self._without_event[order_id] = status

    @property
    def quiet(self) -> float:
        """Seconds since an event was received."""
        return time.monotonic() - self._received_at

    @property
    def position(self) -> int:
        return max(self.last_of.values(), default=0)

    def _receive(self, recorded: Recorded) -> None:
        event = recorded.event
        self._received_at = time.monotonic()
        self.last_of[partition_of(event.correlationid)] = recorded.position
        self.events.append(event)
        self._types[event.correlationid].add(event.type)
        order_id = event.correlationid
        if event.type in END_OF_TYPE:
            self._ended.setdefault(order_id, END_OF_TYPE[event.type])
        if event.type == OrderFlagged.type() and event.data["problem"]:
            self._flagged[order_id] = OrderStatus.NEEDS_ATTENTION
        elif event.type == OrderFlagged.type():
            self._flagged.pop(order_id, None)
