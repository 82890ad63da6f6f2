"""The clients of both styles, connected when they are asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import make_url, select
from sqlalchemy.exc import SQLAlchemyError

from choreography.client import ChoreographyClient
from choreography.projection import is_choreographed
from client.contracts import OrderState, PlacedOrder, Stage
from client.protocol import OrderClient
from kernel.contracts import Style
from kernel.database import Database
from kernel.money import Money
from messaging.bus import BusDown
from services.orders.contracts import OrderStatus
from services.orders.tables import orders
from settings import Settings
from wiring.bus import EventBus
from wiring.listening import settle
from wiring.program import complain
from wiring.services import Services
from wiring.temporal import connect
from workflows.client import OrchestrationClient

T = TypeVar("T")


class Clients:
    """Connects to what it is asked for, when it is asked for it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services = Services(settings)
        self._events: EventBus | None = None
        self._saga: OrchestrationClient | None = None

    async def saga(self) -> OrchestrationClient:
        """Raises Unreachable."""
        if self._saga is None:
            self._saga = OrchestrationClient(await connect(self._settings), self._settings)
        return self._saga

    @property
    def events(self) -> EventBus:
        """Raises SettingsError."""
        if self._events is None:
            self._events = EventBus(self._settings, self._services)
        return self._events

    def choreography(self) -> ChoreographyClient:
        return ChoreographyClient(self.events.bus, self.events.progress, partial(settle, self.events))

    async def client(self, style: Style) -> OrderClient:
        return self.choreography() if style is Style.CHOREOGRAPHY else await self.saga()

    async def client_of(self, order_id: str) -> OrderClient:
        """By the order's own style; orchestrated for an order that the bus knows nothing of."""
        if not self._has_bus():
            return await self.saga()
        try:
            choreographed = is_choreographed(await self.events.bus.of(order_id))
        except BusDown as error:
            complain(f"the bus does not answer: {error}; choreographed orders cannot be seen")
            choreographed = False
        return await self.client(Style.CHOREOGRAPHY if choreographed else Style.ORCHESTRATION)

    async def recent(self, style: Style | None, status: OrderStatus | None, limit: int) -> list[PlacedOrder]:
        """The newest orders first: the orchestrated as the server's index has them, the others from their records."""
        found: list[PlacedOrder] = []
        if style is not Style.CHOREOGRAPHY:
            found += [placed async for placed in (await self.saga()).recent(status, limit)]
        if style is not Style.ORCHESTRATION:
            for placed in await asyncio.to_thread(self._choreographed, status, limit):
                ended = placed.state.stage is Stage.ENDED
                now = placed if ended else await self.choreography().get(placed.state.order_id)
                found.append(replace(now, placed_at=placed.placed_at))
        newest = sorted(found, key=lambda placed: placed.placed_at or datetime.min.replace(tzinfo=UTC), reverse=True)
        return newest[:limit]

    def _has_bus(self) -> bool:
        """Whether there is anything to look at: a log in a file comes with the first worker, or the first event."""
        url = make_url(self._settings.url_of("bus"))
        in_file = not self._settings.bus_url and url.get_backend_name() == "sqlite"
        return not in_file or Path(url.database or "").exists()

    async def close(self) -> None:
        if self._events:
            await self._events.close()
        self._services.close()

    def _choreographed(self, status: OrderStatus | None, limit: int) -> list[PlacedOrder]:
        query = select(orders).where(orders.c.style == Style.CHOREOGRAPHY)
        stuck = orders.c.problem != ""
        if status is OrderStatus.NEEDS_ATTENTION:
            query = query.where(stuck)
        elif status is not None:
            query = query.where(orders.c.status == status, ~stuck)
        try:
            database = Database(self._settings.url_of("orders"), for_reading=True)
            try:
                with database.begin() as tx:
                    rows = tx.execute(query.order_by(orders.c.placed_at.desc()).limit(limit)).all()
            finally:
                database.close()
        except (SQLAlchemyError, OSError):
            return []  # no worker has ever run here
        return [_placed(row) for row in rows]


def with_clients(settings: Settings, run: Callable[[Clients], Awaitable[T]]) -> T:
    """Run this with clients, and close their connections."""

    async def connected() -> T:
        clients = Clients(settings)
        try:
            return await run(clients)
        finally:
            await clients.close()

    return asyncio.run(connected())


def _placed(row: Any) -> PlacedOrder:
    status = OrderStatus.NEEDS_ATTENTION if row.problem else OrderStatus(row.status)
    stage = {OrderStatus.NEEDS_ATTENTION: Stage.ATTENTION, OrderStatus.IN_PROGRESS: Stage.PROCESSING}.get(
        status, Stage.ENDED
    )
    total = Money(amount=row.total, currency=row.currency)
    state = OrderState(order_id=row.order_id, status=status, stage=stage, reason=row.reason, total=total)
    placed_at = datetime.fromtimestamp(row.placed_at / 1000, UTC)
    return PlacedOrder(state, style=Style.CHOREOGRAPHY, placed_at=placed_at)
