"""Publishes again what the services published: for a log that was lost, or restored from an older backup.

A service keeps published events in its outbox, and received events in its inbox. The inbox also has the events that no
service published: those of customers, reviewers and operators, and the choreography's own.
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
    """How many events were appended, were on the log already, and were refused by it.

    The program's log names the events that are too large. A broker also ignores the ids that it remembers for a while,
    even if their events are gone: run it again later.
    """

    appended: int
    known: int
    refused: int


async def republish(
    services: Mapping[str, Storage], bus: Bus, chosen: frozenset[str], *, order: str = "", since: int = 0
) -> Republished:
    """Append what these services published and received, by its time and under its own ids, unless it is on the log.

    Args:
        services: the databases of all services, for reading.
        chosen: the services whose outbox and inbox are published again.
        order: only this order's events.
        since: only events from this time on, in milliseconds since 1970.

    Raises:
        BusDown: some events may have been appended; run it again to append the others.
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
    """One order's events in a possible order of occurrence; an event that two services received comes twice."""
    sources = {f"/{service}" for service in services}
    kept: list[Iterator[CloudEvent]] = []
    for service in sorted(chosen):
        tx = stack.enter_context(services[service].begin())
        kept.append(outbox.all_published(tx, f"/{service}", correlation=order, since=since))
        received = inbox.all_received(tx, correlation=order, since=since)
        kept.append(event for event in received if event.source not in sources)
    return heapq.merge(*kept, key=lambda event: event.time)


async def _append(bus: Bus, events: list[CloudEvent]) -> None:
    """Append the events, except those that the bus refuses."""
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
