"""The relay: takes what services have written to their outboxes to the bus, in order.

It notes that a row is published only after the bus has the event, so one that dies in between publishes it again, under
the same id.
"""

import asyncio
import logging
from collections.abc import Mapping

from sqlalchemy.exc import SQLAlchemyError

from kernel import outbox
from kernel.database import Storage
from kernel.envelope import CloudEvent
from kernel.environment import one_line
from kernel.waiting import is_set_within
from messaging.bus import Bus, BusDown
from messaging.locks import Locks, held

_log = logging.getLogger(__name__)

_BATCH = 100
_POLL_SECONDS = 0.05
_QUEUE_SECONDS = 0.5
_AFTER_TROUBLE_SECONDS = 1.0


class Relay:
    """Serves these outboxes until it is stopped; of several relays, one serves each outbox at a time."""

    def __init__(self, outboxes: Mapping[str, Storage], bus: Bus, locks: Locks) -> None:
        self._outboxes = outboxes
        self._bus = bus
        self._locks = locks
        self._stop = asyncio.Event()
        self._nudges = {service: asyncio.Event() for service in outboxes}

    async def run(self) -> None:
        await asyncio.gather(*(self._serve(service) for service in self._outboxes))

    def stop(self) -> None:
        self._stop.set()
        self.nudge()

    def nudge(self) -> None:
        """There may be something to fetch: do not wait for the next look."""
        for event in self._nudges.values():
            event.set()

    async def _serve(self, service: str) -> None:
        while True:
            try:
                async with held(self._locks, f"relay-{service}") as is_ours:
                    if is_ours:
                        await self._relay(service)
                if not is_ours:
                    await self._wait(service, _QUEUE_SECONDS)
                if self._stop.is_set():
                    return
            except (BusDown, SQLAlchemyError) as error:
                if self._stop.is_set():
                    return  # what is left is on record, for the next relay
                _log.warning("relay of %s: %s; going on in a moment", service, one_line(error)[:300])
                await self._wait(service, _AFTER_TROUBLE_SECONDS)

    async def _relay(self, service: str) -> None:
        """Until it is stopped, and everything that was written before then is on the bus."""
        await self._look_for_the_newest(service)
        while True:
            stopping = self._stop.is_set()
            self._nudges[service].clear()
            positions, events = await asyncio.to_thread(self._oldest, service)
            if events:
                await self._bus.append(events)
                await asyncio.to_thread(self._published, service, positions)
            elif stopping:
                return
            else:
                await self._wait(service, _POLL_SECONDS)

    async def _look_for_the_newest(self, service: str) -> None:
        """A bus that lacks what was published is seen here also when no consumer had read it."""
        newest = await asyncio.to_thread(self._newest, service)
        if newest and newest.id not in {one.event.id for one in await self._bus.of(newest.correlationid)}:
            _log.error(
                "the bus lacks %s, which %s has published: it was lost, or restored from an older backup; "
                "'starter.py events republish' appends what is missing",
                newest.id,
                service,
            )

    async def _wait(self, service: str, seconds: float) -> None:
        await is_set_within(self._nudges[service], seconds)

    def _newest(self, service: str) -> CloudEvent | None:
        with self._outboxes[service].begin() as tx:
            return outbox.newest_published(tx, f"/{service}")

    def _oldest(self, service: str) -> tuple[list[int], list[CloudEvent]]:
        with self._outboxes[service].begin() as tx:
            return outbox.oldest(tx, f"/{service}", _BATCH)

    def _published(self, service: str, positions: list[int]) -> None:
        with self._outboxes[service].begin() as tx:
            outbox.published(tx, positions)
