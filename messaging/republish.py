"""What services have published, published again: for a log that was lost, or restored from an older backup.

A service keeps what it published in its outbox, and in its inbox what it received. That holds also what no service has
published: what customers, reviewers and operators said, and what the choreography said of itself.
"""

import asyncio
import heapq
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

from kernel import inbox, outbox
from kernel.database import Storage
from kernel.envelope import CloudEvent
from messaging.bus import Bus, EventRefused, readable

_log = logging.getLogger(__name__)

_BATCH = 500


@dataclass(frozen=True)
class Republished:
    """How many events were appended, how many the log had already, and how many it did not take.

    What is too large for it is in the program's log. A broker that remembers ids for a while also refuses one of which
    the event is gone: the same again, later, helps.
    """

    appended: int
    known: int
    refused: int


async def republish(
    services: Mapping[str, Storage], bus: Bus, chosen: frozenset[str], *, order: str = "", since: int = 0
) -> Republished:
    """Append what these services published and received, by its time and under its own ids, unless it is on the log.

    Args:
        services: the databases of all of them, for reading. `chosen`: whose outbox and inbox to take.
        order: of this order only. `since`: from this time on, in milliseconds since 1970.

    Raises:
        BusDown: some may have been appended; the same again appends the others.
    """
    known, appended, there = await _ids_on(bus, order), set[str](), set[str]()
    with ExitStack() as stack:
        events = _merged(services, chosen, stack, order, since)
        while batch := await asyncio.to_thread(lambda: list(islice(events, _BATCH))):
            missing = [event for event in batch if event.id not in known and event.id not in appended]
            await _append(bus, missing)
            appended.update(event.id for event in missing)
            there.update(event.id for event in batch if event.id in known)
    refused = len(appended - await _ids_on(bus, order)) if appended else 0
    return Republished(len(appended) - refused, len(there), refused)


def _merged(
    services: Mapping[str, Storage], chosen: frozenset[str], stack: ExitStack, order: str, since: int
) -> Iterator[CloudEvent]:
    """One order's events in an order in which they may have happened; twice, what two services received."""
    sources = {f"/{service}" for service in services}
    kept: list[Iterator[CloudEvent]] = []
    for service in sorted(chosen):
        tx = stack.enter_context(services[service].begin())
        kept.append(outbox.all_published(tx, f"/{service}", correlation=order, since=since))
        received = inbox.all_received(tx, correlation=order, since=since)
        kept.append(event for event in received if event.source not in sources)
    return heapq.merge(*kept, key=lambda event: event.time)


async def _append(bus: Bus, events: list[CloudEvent]) -> None:
    """All but those that the bus will never take."""
    while events:
        try:
            await bus.append(events)
        except EventRefused as refused:
            _log.error("%s", refused)
            events = [event for event in events if event.id != refused.event_id]
        else:
            return


async def _ids_on(bus: Bus, order: str) -> set[str]:
    if order:
        return {recorded.event.id for recorded in await bus.of(order)}
    reader, ids = await bus.read(None, 0), set[str]()
    try:
        while batch := await reader.next(_BATCH, 0):
            ids.update(recorded.event.id for recorded in readable(batch))
    finally:
        await reader.close()
    return ids
