"""The orders that run on events alone, for the clients of both styles."""

import asyncio
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.exc import SQLAlchemyError

from choreography.client import ChoreographyClient
from choreography.projection import OrderView
from client.attention import AttentionEntry, unseen
from client.contracts import OrderState, PlacedOrder, Stage
from kernel.contracts import Style
from kernel.database import Database
from kernel.environment import one_line
from kernel.errors import SettingsError
from kernel.money import Money
from messaging.bus import BusDown
from services.orders.contracts import OrderStatus
from services.orders.tables import orders
from settings import Settings
from wiring.bus import EventBus, bus_is_there, open_bus
from wiring.listening import settle
from wiring.program import complain

_MOST = 500


def choreography_client(events: EventBus) -> ChoreographyClient:
    return ChoreographyClient(events.bus, events.progress, partial(settle, events), events.settings.policy)


class ChoreographedOrders:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened = AsyncExitStack()
        self._events: EventBus | None = None

    async def client(self) -> ChoreographyClient:
        """Raises SettingsError."""
        events = await self._bus()
        return choreography_client(events)

    async def has(self, order_id: str) -> bool:
        """Whether the bus knows it as an order of this style."""
        if not bus_is_there(self._settings):
            return False
        try:
            return OrderView(order_id, await (await self._bus()).bus.of(order_id)).is_choreographed
        except BusDown as error:
            complain(f"the bus does not answer: {error}; choreographed orders cannot be seen")
            return False

    async def recent(self, status: OrderStatus | None, limit: int) -> list[PlacedOrder]:
        """The newest orders first, as the orders service has them on record."""
        found: list[PlacedOrder] = []
        for placed in await asyncio.to_thread(self._recorded, status, limit):
            ended = placed.state.stage is Stage.ENDED
            now = placed if ended else await (await self.client()).get(placed.state.order_id)
            if status in (None, now.state.status):  # its record may be a moment behind its events
                found.append(replace(now, placed_at=placed.placed_at))
        return found

    async def attention(self, after: timedelta) -> list[AttentionEntry]:
        """Raises SettingsError, BusDown, SQLAlchemyError."""
        if not bus_is_there(self._settings):
            return []
        open_ones = await asyncio.to_thread(self._recorded, OrderStatus.IN_PROGRESS, _MOST)
        stuck = await asyncio.to_thread(self._recorded, OrderStatus.NEEDS_ATTENTION, _MOST)
        ids = [placed.state.order_id for placed in (*stuck, *open_ones)]
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

    def _reading(self) -> closing[Database]:
        return closing(Database(self._settings.url_of("orders"), for_reading=True))

    def _recorded(self, status: OrderStatus | None, limit: int) -> list[PlacedOrder]:
        """Raises SettingsError: they are not to be seen, which is not to say that there are none."""
        query = select(orders).where(orders.c.style == Style.CHOREOGRAPHY)
        stuck = orders.c.problem != ""
        if status is OrderStatus.NEEDS_ATTENTION:
            query = query.where(stuck)
        elif status is not None:
            query = query.where(orders.c.status == status, ~stuck)
        try:
            with self._reading() as database, database.begin() as tx:
                rows = tx.execute(query.order_by(orders.c.placed_at.desc()).limit(limit)).all()
        except FileNotFoundError:
            return []  # no worker has ever run here
        except (SQLAlchemyError, OSError) as error:
            raise SettingsError(f"the database of orders cannot be read: {one_line(error)[:200]}") from None
        return [_placed(row) for row in rows]


def _placed(row: Row[Any]) -> PlacedOrder:
    status = OrderStatus.NEEDS_ATTENTION if row.problem else OrderStatus(row.status)
    stage = {OrderStatus.NEEDS_ATTENTION: Stage.ATTENTION, OrderStatus.IN_PROGRESS: Stage.PROCESSING}.get(
        status, Stage.ENDED
    )
    total = Money(amount=row.total, currency=row.currency)
    state = OrderState(order_id=row.order_id, status=status, stage=stage, reason=row.reason, total=total)
    placed_at = datetime.fromtimestamp(row.placed_at / 1000, UTC)
    return PlacedOrder(state, style=Style.CHOREOGRAPHY, placed_at=placed_at)
