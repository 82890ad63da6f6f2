"""The clients of all styles that are part of this system; each connects when it is first used."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from client.attention import AttentionEntry
from client.contracts import PlacedOrder
from client.errors import NoSuchOrder
from client.order_id import check_order_id
from client.protocol import OrderClient
from client.records import OrderRecords
from kernel.contracts import Style
from kernel.errors import SettingsError, UserError
from services.orders.contracts import OrderStatus
from settings import Settings
from wiring.choreographed_orders import ChoreographedOrders
from wiring.order_records import RecordsOfOrders
from wiring.stopping import run_until_stopped
from wiring.temporal import connect
from workflows.client import OrchestrationClient

T = TypeVar("T")


class OrdersOfStyle(Protocol):
    """The orders of one style."""

    async def client(self) -> OrderClient:
        """A connected client. Raises SettingsError, Unreachable."""
        ...

    async def has(self, order_id: str) -> bool: ...

    async def recent(self, status: OrderStatus | None, limit: int) -> list[PlacedOrder]:
        """The newest orders first."""
        ...

    async def attention(self, after: timedelta) -> list[AttentionEntry]:
        """What needs a person among its orders; of steps, those that have been retried for longer than `after`."""
        ...

    async def close(self) -> None: ...


class OrchestratedOrders:
    def __init__(self, settings: Settings, records: OrderRecords) -> None:
        self._settings = settings
        self._records = records
        self._client: OrchestrationClient | None = None

    async def client(self) -> OrchestrationClient:
        """Raises Unreachable."""
        if self._client is None:
            self._client = OrchestrationClient(
                await connect(self._settings),
                self._settings.policy,
                self._settings.link,
                self._records,
                self._settings.steps,
            )
        return self._client

    async def has(self, order_id: str) -> bool:
        """Always true: for an order that does not exist, the client raises."""
        del order_id
        return True

    async def recent(self, status: OrderStatus | None, limit: int) -> list[PlacedOrder]:
        """The newest orders first."""
        return await (await self.client()).recent(status, limit)

    async def attention(self, after: timedelta) -> list[AttentionEntry]:
        """Raises Unreachable, RPCError."""
        return await (await self.client()).attention(after)

    async def close(self) -> None:
        """The connection ends with the process."""


class Clients:
    """Connects to a style's server or bus when it is first used."""

    def __init__(self, settings: Settings) -> None:
        self.records = RecordsOfOrders(settings.url_of)
        # In the order in which the styles are asked whether they have an order.
        self._styles: dict[Style, OrdersOfStyle] = {
            Style.CHOREOGRAPHY: ChoreographedOrders(settings, self.records),
            Style.ORCHESTRATION: OrchestratedOrders(settings, self.records),
        }

    async def client(self, style: Style) -> OrderClient:
        """Raises SettingsError, Unreachable."""
        return await self._of(style).client()

    async def client_of(self, order_id: str) -> OrderClient:
        """The client of the order's own style: by its record, or else by the style that has the order.

        Raises:
            UserError: the id is invalid; no style has the order; or a style cannot be asked, and no other one has it.
        """
        check_order_id(order_id)
        not_seen: UserError | None = None
        record = None
        with suppress(SettingsError):  # without the record, the styles are asked
            record = await self.records.find(order_id)
        if record:
            if not await self._of(record.style).has(order_id):
                raise SettingsError(
                    f"order {order_id} is on record, but not on the bus; see 'starter.py events republish'"
                )
            return await self.client(record.style)
        for orders in self._styles.values():
            try:
                if await orders.has(order_id):
                    client = await orders.client()
                    if not_seen:
                        await client.get(order_id)
                    return client
            except NoSuchOrder:
                break
            except UserError as error:
                not_seen = not_seen or error
        raise not_seen or NoSuchOrder(f"there is no order {order_id}; 'starter.py list' shows those that are")

    async def recent(self, style: Style | None, status: OrderStatus | None, limit: int) -> list[PlacedOrder]:
        """The newest orders first, of one style or of all."""
        asked = [self._of(style)] if style else list(self._styles.values())
        found = [placed for orders in asked for placed in await orders.recent(status, limit)]
        newest = sorted(found, key=lambda placed: placed.placed_at or datetime.min.replace(tzinfo=UTC), reverse=True)
        return newest[:limit]

    async def attention(self, style: Style, after: timedelta) -> list[AttentionEntry]:
        """What needs a person among the orders of this style: a part of what `wiring.attention` returns."""
        return await self._of(style).attention(after)

    @property
    def styles(self) -> tuple[Style, ...]:
        """The styles that are part of this system."""
        return tuple(self._styles)

    async def close(self) -> None:
        for orders in self._styles.values():
            await orders.close()
        self.records.close()

    def _of(self, style: Style) -> OrdersOfStyle:
        if style not in self._styles:
            raise SettingsError(f"--style {style} is not part of this system; there is: {', '.join(self._styles)}")
        return self._styles[style]


def with_clients(settings: Settings, run: Callable[[Clients], Awaitable[T]]) -> T:
    """Run this with clients, and close their connections."""

    async def connected() -> T:
        clients = Clients(settings)
        try:
            return await run(clients)
        finally:
            await clients.close()

    return run_until_stopped(connected())
