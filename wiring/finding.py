"""Finds orders of both styles by a query, newest first, with details from their records and their own state."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from client.contracts import PlacedOrder, Stage
from client.errors import NoSuchOrder
from client.order_query import OrderQuery
from client.records import OrderRecords
from kernel.errors import SettingsError
from services.orders.contracts import OrderStatus
from wiring.clients import Clients

_FIRST = 200
_AT_ONCE = 20
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_OF_ONE_STATUS = {
    Stage.PROCESSING: OrderStatus.IN_PROGRESS,
    Stage.REVIEW: OrderStatus.IN_PROGRESS,
    Stage.ATTENTION: OrderStatus.NEEDS_ATTENTION,
}
_UNSETTLED = (OrderStatus.IN_PROGRESS, OrderStatus.NEEDS_ATTENTION)


async def find_page(clients: Clients, query: OrderQuery, limit: int, page: int = 1) -> list[PlacedOrder]:
    """A page of the matching orders; the first page is 1. Raises what the clients raise."""
    found: list[PlacedOrder] = []
    async for placed in find(clients, query, at_least=limit * page):
        found.append(placed)
        if len(found) == limit * page:
            break
    chosen = found[limit * (page - 1) :]
    return chosen if query.asks_for_detail else await _looked_at(clients, chosen)


async def find(clients: Clients, query: OrderQuery, *, at_least: int = _FIRST) -> AsyncIterator[PlacedOrder]:
    """All matching orders. Each order's own state is read only if the query needs it."""
    now, seen, limit = datetime.now(UTC), set[str](), max(at_least, _FIRST)
    while True:
        recent = await _recent(clients, query, limit)
        fresh = [placed for placed in recent if placed.state.order_id not in seen]
        seen |= {placed.state.order_id for placed in fresh}
        recorded = await _with_records(clients.records, fresh)
        due = [placed for placed in recorded if query.may_fit(placed, now)]
        if query.asks_for_detail:
            due = [placed for placed in await _looked_at(clients, due) if query.fits(placed, now)]
        for placed in due:
            yield placed
        if len(recent) < limit or query.is_too_old(recent[-1], now):
            return
        limit *= 4


async def _recent(clients: Clients, query: OrderQuery, limit: int) -> list[PlacedOrder]:
    """The newest orders that may match, by status alone: ended orders are not read for what only others can be."""
    found = [placed for status in _statuses(query) for placed in await clients.recent(query.style, status, limit)]
    return sorted(found, key=lambda placed: placed.placed_at or _LONG_AGO, reverse=True)[:limit]


def _statuses(query: OrderQuery) -> Sequence[OrderStatus | None]:
    if query.status:
        return (query.status,)
    if query.stage in _OF_ONE_STATUS:
        return (_OF_ONE_STATUS[query.stage],)
    return _UNSETTLED if query.step or query.stage is Stage.UNDOING else (None,)


async def _with_records(records: OrderRecords, orders: Sequence[PlacedOrder]) -> list[PlacedOrder]:
    """With the customer and the amount of those that are on record."""
    try:
        of = await records.of([placed.state.order_id for placed in orders])
    except SettingsError:  # list the orders without what only the record has
        return list(orders)
    known = []
    for placed in orders:
        record = of.get(placed.state.order_id)
        if record:
            state = placed.state.model_copy(update={"total": placed.state.total or record.total})
            placed = replace(placed, state=state, customer_id=record.customer_id)
        known.append(placed)
    return known


async def _looked_at(clients: Clients, orders: Sequence[PlacedOrder]) -> list[PlacedOrder]:
    """With what is stuck, what is being tried and until when, for orders that have not ended."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def look(placed: PlacedOrder) -> PlacedOrder:
        if placed.state.status not in _UNSETTLED:
            return placed
        async with places:
            try:
                now = await (await clients.client(placed.style)).get(placed.state.order_id)
            except NoSuchOrder:
                return placed
        total = now.state.total or placed.state.total
        state = now.state.model_copy(update={"total": total})
        return replace(now, state=state, placed_at=placed.placed_at, customer_id=placed.customer_id)

    return list(await asyncio.gather(*map(look, orders)))
