"""Checks the invariants after a run."""

import asyncio
from collections.abc import Iterator

from sqlalchemy import func, select

from audit.books import read
from audit.chain import audit_chain
from audit.events import audit_events
from audit.invariants import audit
from lab.compare.watch import Watch
from services.orders.contracts import OrderStatus
from settings import Settings
from subscribers import audit_log
from wiring.bus import EventBus


async def violations(settings: Settings, eventing: EventBus, watch: Watch) -> list[str]:
    """Findings of the audit, and of checks that need a finished run; one line each."""
    found = await asyncio.to_thread(lambda: audit(settings).violations)
    found += await audit_events(settings, eventing.bus)
    found += await asyncio.to_thread(audit_chain, eventing.database(audit_log.NAME), eventing.progress)
    said = [f"{one.order_id or 'as a whole'}: {one.invariant}: {one.detail}" for one in found]
    return [*said, *_ends_published(settings, watch), *_logged(eventing, watch)]


def _ends_published(settings: Settings, watch: Watch) -> Iterator[str]:
    for order_id, books in read(settings).orders.items():
        published = watch.ends.get(order_id, OrderStatus.IN_PROGRESS)
        if books.status and books.status is not published:
            yield f"{order_id}: its end is published: {books.status} on record, {published} by its events"


def _logged(eventing: EventBus, watch: Watch) -> Iterator[str]:
    with eventing.database(audit_log.NAME).begin() as tx:
        entries = tx.scalar(select(func.count()).select_from(audit_log.entries))
    if entries != len(watch.events):
        yield f"as a whole: each event is logged once: {entries} entries for {len(watch.events)} events"
