"""Choreographed orders, for the clients of both styles."""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from choreography.client import ChoreographyClient
from choreography.projection import OrderView
from client.attention import AttentionEntry, unseen
from client.contracts import PlacedOrder, Stage
from client.records import OrderRecords
from kernel.contracts import Style
from services.orders.contracts import OrderStatus
from settings import Settings
from wiring.bus import EventBus, bus_is_there, open_bus
from wiring.listening import settle

_MOST = 500
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def choreography_client(events: EventBus) -> ChoreographyClient:
    policy, records = events.settings.policy, events.records
    return ChoreographyClient(events.bus, events.progress, partial(settle, events), policy, records)


class ChoreographedOrders:
    def __init__(self, settings: Settings, records: OrderRecords) -> None:
        self._settings = settings
        self._records = records
        self._opened = AsyncExitStack()
        self._events: EventBus | None = None

    async def client(self) -> ChoreographyClient:
        """Raises SettingsError."""
        events = await self._bus()
        return choreography_client(events)

    async def has(self, order_id: str) -> bool:
        """Whether the bus has events of an order of this style under this id. Raises SettingsError, BusDown."""
        if not bus_is_there(self._settings):
            return False
        return OrderView(order_id, await (await self._bus()).bus.of(order_id)).is_choreographed

    async def recent(self, status: OrderStatus | None, limit: int) -> list[PlacedOrder]:
        """The newest orders first: those on record, and those that the orders service could not record."""
        unrecorded = await (await self.client()).without_a_record() if bus_is_there(self._settings) else []
        found = [placed for placed in unrecorded if status in (None, placed.state.status)]
        found += await self._on_record(status, limit)
        return sorted(found, key=lambda placed: placed.placed_at or _LONG_AGO, reverse=True)[:limit]

    async def _on_record(self, status: OrderStatus | None, limit: int) -> list[PlacedOrder]:
        asked_for = limit
        while True:
            records = await self._records.newest(Style.CHOREOGRAPHY, status, asked_for)
            found: list[PlacedOrder] = []
            for record in records:
                placed = record.as_placed
                ended = placed.state.stage is Stage.ENDED
                now = placed if ended else await (await self.client()).get(placed.state.order_id)
                if status in (None, now.state.status):  # its record may lag behind its events
                    found.append(replace(now, placed_at=placed.placed_at))
            if len(found) >= limit or len(records) < asked_for:
                return found[:limit]
            asked_for *= 2

    async def attention(self, after: timedelta) -> list[AttentionEntry]:
        """Raises SettingsError, BusDown, SQLAlchemyError."""
        if not bus_is_there(self._settings):
            return []
        open_ones = await self._records.newest(Style.CHOREOGRAPHY, OrderStatus.IN_PROGRESS, _MOST)
        stuck = await self._records.newest(Style.CHOREOGRAPHY, OrderStatus.NEEDS_ATTENTION, _MOST)
        ids = [record.order_id for record in (*stuck, *open_ones)]
        entries = await (await self.client()).attention(ids, after)
        if _MOST in (len(open_ones), len(stuck)):
            why = f"there are more than {_MOST} choreographed orders in progress, and only the newest were looked at"
            command = "starter.py list --style choreography --status in-progress"
            entries.append(unseen("choreographed orders", why, command))
        return entries

    async def close(self) -> None:
        await self._opened.aclose()

    async def _bus(self) -> EventBus:
        if self._events is None:
            self._events = await self._opened.enter_async_context(open_bus(self._settings))
        return self._events
