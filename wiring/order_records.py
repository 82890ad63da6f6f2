"""The orders service's records, read from its database."""

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from client.records import OrderOnRecord
from kernel.contracts import Policy, Style
from kernel.database import Database
from kernel.environment import one_line
from kernel.errors import SettingsError
from kernel.money import Money
from services.orders.contracts import OrderStatus
from services.orders.declaration import ORDERS
from services.orders.tables import is_flagged, orders
from settings import DATABASES

_AT_ONCE = 500  # a statement takes a limited number of values


class RecordsOfOrders:
    """A `client.records.OrderRecords`. Connects when it is first used.

    Args:
        url_of: returns the URL of a service's database.
    """

    def __init__(self, url_of: Callable[[str], str]) -> None:
        self._url_of = url_of
        self._database: Database | None = None

    async def find(self, order_id: str) -> OrderOnRecord | None:
        return (await self.of([order_id])).get(order_id)

    async def of(self, order_ids: Collection[str]) -> dict[str, OrderOnRecord]:
        ids, found = list(order_ids), dict[str, OrderOnRecord]()
        for first in range(0, len(ids), _AT_ONCE):
            query = select(orders).where(orders.c.order_id.in_(ids[first : first + _AT_ONCE]))
            found |= {record.order_id: record for record in await self._read(query)}
        return found

    async def newest(self, style: Style, status: OrderStatus | None, limit: int) -> list[OrderOnRecord]:
        query = select(orders).where(orders.c.style == style)
        if status is OrderStatus.NEEDS_ATTENTION:
            query = query.where(is_flagged)
        elif status is not None:
            query = query.where(orders.c.status == status, ~is_flagged)
        return await self._read(query.order_by(orders.c.placed_at.desc()).limit(limit))

    async def unsettled(self, style: Style) -> list[OrderOnRecord]:
        is_unsettled = (orders.c.status == OrderStatus.IN_PROGRESS) | is_flagged
        return await self._read(select(orders).where(orders.c.style == style, is_unsettled))

    def close(self) -> None:
        if self._database:
            self._database.close()

    async def _read(self, query: Select[Any]) -> list[OrderOnRecord]:
        return await asyncio.to_thread(self._rows, query)

    def _has_ever_run(self) -> bool:
        """Whether a SQLite file of any of the shop's databases exists."""
        urls = [make_url(self._url_of(name)) for name in DATABASES]
        return any(url.get_backend_name() == "sqlite" and Path(url.database or "").exists() for url in urls)

    def _rows(self, query: Select[Any]) -> list[OrderOnRecord]:
        try:
            if self._database is None:
                self._database = Database(self._url_of(ORDERS.name), for_reading=True)
            with self._database.begin() as tx:
                return [_on_record(row) for row in tx.execute(query)]
        except FileNotFoundError as error:
            if self._has_ever_run():
                why = f"{error}: no worker with the orders service has run here, or its database was lost"
                raise SettingsError(why) from None
            return []
        except (SQLAlchemyError, OSError) as error:
            raise SettingsError(f"the database of orders cannot be read: {one_line(error)[:200]}") from None


def _on_record(row: Row[Any]) -> OrderOnRecord:
    return OrderOnRecord(
        order_id=row.order_id,
        customer_id=row.customer_id,
        style=Style(row.style),
        ends=OrderStatus(row.status),
        problem=row.problem,
        reason=row.reason,
        total=Money(amount=row.total, currency=row.currency),
        placed_at=datetime.fromtimestamp(row.placed_at / 1000, UTC),
        placed=row.placed or "",
        policy=Policy.model_validate_json(row.policy) if row.policy else None,
    )
